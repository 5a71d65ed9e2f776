import type { PromotionTable } from '../../fleet/promotion/promotionTable.ts'
import { RotationError } from '../../rotation/errors.ts'
import type { Context } from '../context.ts'
import type { PromotionInput } from './request.ts'

/** Milliseconds between two reads of the table of promotions. */
const POLL_INTERVAL_MS = 5000

type PromotionExecution = { execution: string; input: PromotionInput; total: number | undefined }

/** Shows how many secrets a promotion has finished, from the table of promotions. */
export class PromotionProgress {
  readonly #context: Context
  readonly #table: PromotionTable
  readonly #promotion: PromotionExecution
  /** When the table may be read again, in milliseconds of Date.now(). */
  #next = 0
  #lastText = ''

  constructor(context: Context, table: PromotionTable, promotion: PromotionExecution) {
    this.#context = context
    this.#table = table
    this.#promotion = promotion
  }

  /**
   * Shows the number of finished secrets: on a terminal in place, in a pipe as a line. Nothing is shown if the number has not
   * changed, if it was read less than five seconds ago, or if the table cannot be read.
   */
  async show(): Promise<void> {
    const { output, json } = this.#context
    if (json || Date.now() < this.#next) return
    this.#next = Date.now() + POLL_INTERVAL_MS
    const count = await this.#count()
    const { total } = this.#promotion
    const text = count && (total && total >= count ? `${count} of ${total}` : `${count} so far`)
    if (!text || text === this.#lastText) return
    this.#lastText = text
    if (output.isInteractive) output.progress(text)
    else output.line(`${new Date().toISOString().slice(11, 19)} ${text}`)
  }

  /** How many secrets have an outcome; 0 if the table cannot be read. */
  async #count(): Promise<number> {
    const { execution, input } = this.#promotion
    try {
      const noted = await this.#table.list(input.dryRun ? 'rehearsal' : 'promotion')
      return noted.filter(one => one.execution === execution && one.outcome !== 'begun').length
    } catch (error) {
      if (error instanceof RotationError) return 0
      throw error
    }
  }
}

import type { PromotionTable } from '../../fleet/promotion/promotionTable.ts'
import { RotationError } from '../../rotation/errors.ts'
import type { Context } from '../context.ts'
import type { PromotionInput } from './request.ts'

/** Milliseconds between two looks at the table. */
const LOOK_INTERVAL_MS = 5000

type About = { execution: string; input: PromotionInput; all: number | undefined }

/** How far an execution is, by what it has noted. */
export class PromotionProgress {
  readonly #context: Context
  readonly #table: PromotionTable
  readonly #about: About
  #next = 0
  #before = ''

  constructor(context: Context, table: PromotionTable, about: About) {
    this.#context = context
    this.#table = table
    this.#about = about
  }

  /** Shows it: in place on a terminal, elsewhere in a line where it has changed. What cannot be read is not shown. */
  async show(): Promise<void> {
    const { output, json } = this.#context
    if (json || Date.now() < this.#next) return
    this.#next = Date.now() + LOOK_INTERVAL_MS
    const count = await this.#count()
    const { all } = this.#about
    const text = count && (all && all >= count ? `${count} of ${all}` : `${count} so far`)
    if (!text || text === this.#before) return
    this.#before = text
    if (output.isInteractive) output.progress(text)
    else output.line(`${new Date().toISOString().slice(11, 19)} ${text}`)
  }

  async #count(): Promise<number> {
    const { execution, input } = this.#about
    try {
      const noted = await this.#table.list(input.dryRun ? 'rehearsal' : 'promotion')
      return noted.filter(one => one.execution === execution && one.outcome !== 'begun').length
    } catch (error) {
      if (error instanceof RotationError) return 0
      throw error
    }
  }
}

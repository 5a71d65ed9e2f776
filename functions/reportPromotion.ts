import { type Names, readable } from '../fleet/names.ts'
import type { Noted } from '../fleet/promotion/promotionTable.ts'
import { functionHandler } from './shared/handler.ts'
import { peers } from './shared/peers.ts'
import { ownTable } from './shared/promotionEnvironment.ts'
import { reportEvent } from './shared/promotionEvent.ts'

const table = ownTable()

/** Characters of a text in a list. */
const LONGEST = 300

/** What became of all credentials of one Region, or of all peers in a rehearsal. */
export type PromotionReport = {
  from: string
  rehearsal: boolean
  /** How many there were to be promoted; and of how many nobody knows what became of them. */
  count: number
  unknown: number
  /** Promoted now, or in a rehearsal: would be. */
  promoted: number
  /** Promoted by an execution before this one. */
  before: number
  failed: Names
  warned: Names
  /** Of a rehearsal, what was ready the last time, or was not looked at. */
  news?: Names
}

/** Counts what was noted of each credential; the table has them all. */
export const handler = functionHandler(
  'reportPromotion',
  reportEvent,
  ({ input: { from, dryRun } }) => ({ from, rehearsal: dryRun }),
  async ({ execution, input }): Promise<PromotionReport> => {
    const { from, dryRun, ids, page } = input
    const regions = from === undefined ? peers : [from]
    const kind = dryRun ? 'rehearsal' : 'promotion'
    const all = (await table.all(kind)).filter(one => regions.includes(one.from))
    const now = all.filter(one => one.execution === execution)
    const failed = now.filter(({ outcome }) => outcome !== 'promoted' && outcome !== 'ready')
    const before = all.filter(one => one.execution !== execution)
    if (dryRun && !ids.length) for (const { credential } of before) await table.forget(kind, credential)
    return {
      from: regions.join(', '),
      rehearsal: dryRun,
      count: page.count,
      unknown: Math.max(0, page.count - now.length),
      promoted: now.length - failed.length,
      before: before.filter(({ outcome }) => outcome === 'promoted').length,
      failed: readable(failed.map(whyOf), LONGEST),
      warned: readable(now.filter(({ warnings }) => warnings.length).map(warningsOf), LONGEST),
      ...(dryRun && {
        news: readable(failed.filter(({ since }) => since === execution).map(whyOf), LONGEST),
      }),
    }
  },
)

const whyOf = ({ name, error = 'Unknown', reason = '' }: Noted) => `${name}: ${error}: ${reason}`

const warningsOf = ({ name, warnings }: Noted) => `${name}: ${warnings.join('; ')}`

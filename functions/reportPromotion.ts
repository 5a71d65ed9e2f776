import { type NameList, toNameList } from '../fleet/nameList.ts'
import type { PromotionNote } from '../fleet/promotion/promotionTable.ts'
import { functionHandler } from './shared/handler.ts'
import { ownPromotionTable } from './shared/ownPromotionTable.ts'
import { peerRegions } from './shared/peers.ts'
import { parseReportPromotionEvent } from './shared/promotionEvent.ts'

const table = ownPromotionTable()

/** Characters of a text in a list. */
const MAX_TEXT_LENGTH = 300

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
  failed: NameList
  warned: NameList
  /** Of a rehearsal, what was ready the last time, or was not looked at. */
  news?: NameList
}

/** Counts what was noted of each credential; the table has them all. */
export const handler = functionHandler(
  'reportPromotion',
  parseReportPromotionEvent,
  ({ input: { from, dryRun } }) => ({ from, rehearsal: dryRun }),
  async ({ execution, input }): Promise<PromotionReport> => {
    const { from, dryRun, ids, page } = input
    const regions = from === undefined ? peerRegions : [from]
    const kind = dryRun ? 'rehearsal' : 'promotion'
    const all = (await table.list(kind)).filter(one => regions.includes(one.from))
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
      failed: toNameList(failed.map(whyOf), MAX_TEXT_LENGTH),
      warned: toNameList(now.filter(({ warnings }) => warnings.length).map(warningsOf), MAX_TEXT_LENGTH),
      ...(dryRun && {
        news: toNameList(failed.filter(({ since }) => since === execution).map(whyOf), MAX_TEXT_LENGTH),
      }),
    }
  },
)

const whyOf = ({ name, error = 'Unknown', reason = '' }: PromotionNote) => `${name}: ${error}: ${reason}`

const warningsOf = ({ name, warnings }: PromotionNote) => `${name}: ${warnings.join('; ')}`

import { type NameList, toNameList } from '../fleet/nameList.ts'
import type { PromotionNote } from '../fleet/promotion/promotionTable.ts'
import { functionHandler } from './shared/handler.ts'
import { ownPromotionTable } from './shared/ownPromotionTable.ts'
import { peerRegions } from './shared/peers.ts'
import { parseReportPromotionEvent } from './shared/promotionEvent.ts'

const table = ownPromotionTable()

/** Characters that each text in a list may have. */
const MAX_TEXT_LENGTH = 300

/** The outcome of a promotion of one Region's credentials, or of a rehearsal, which may cover all peer Regions. */
export type PromotionReport = {
  /** The Region that is given up, or all of them with ", " between. */
  from: string
  rehearsal: boolean
  /** How many credentials were to be promoted. */
  count: number
  /** How many of `count` have no note of their outcome. */
  unknown: number
  /** How many this execution promoted, or in a rehearsal could have promoted. */
  promoted: number
  /** How many credentials of these Regions earlier executions promoted. */
  before: number
  /** The credentials that this execution could not promote, each as `NAME: ERROR: REASON`. */
  failed: NameList
  /** The credentials with warnings, each as `NAME: WARNINGS`. */
  warned: NameList
  /** In a rehearsal, the part of `failed` that the rehearsal before did not find. */
  news?: NameList
}

/**
 * Sums up what notePromotion wrote of each credential. A rehearsal of all credentials of a Region deletes the notes of earlier
 * rehearsals of that Region.
 */
export const handler = functionHandler(
  'reportPromotion',
  parseReportPromotionEvent,
  ({ input: { from, dryRun } }) => ({ from, rehearsal: dryRun }),
  async ({ execution, input }): Promise<PromotionReport> => {
    const { from, dryRun, ids, page } = input
    const regions = from === undefined ? peerRegions : [from]
    const kind = dryRun ? 'rehearsal' : 'promotion'
    const all = (await table.list(kind)).filter(one => regions.includes(one.from))
    const own = all.filter(one => one.execution === execution)
    const failed = own.filter(({ outcome }) => outcome !== 'promoted' && outcome !== 'ready')
    const before = all.filter(one => one.execution !== execution)
    if (dryRun && !ids.length) for (const { credential } of before) await table.forget(kind, credential)
    return {
      from: regions.join(', '),
      rehearsal: dryRun,
      count: page.count,
      unknown: Math.max(0, page.count - own.length),
      promoted: own.length - failed.length,
      before: before.filter(({ outcome }) => outcome === 'promoted').length,
      failed: toNameList(failed.map(whyOf), MAX_TEXT_LENGTH),
      warned: toNameList(own.filter(({ warnings }) => warnings.length).map(warningsOf), MAX_TEXT_LENGTH),
      ...(dryRun && {
        news: toNameList(failed.filter(({ since }) => since === execution).map(whyOf), MAX_TEXT_LENGTH),
      }),
    }
  },
)

const whyOf = ({ name, error = 'Unknown', reason = '' }: PromotionNote) => `${name}: ${error}: ${reason}`

const warningsOf = ({ name, warnings }: PromotionNote) => `${name}: ${warnings.join('; ')}`

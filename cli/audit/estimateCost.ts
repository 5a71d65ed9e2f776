import type { Facts } from '../../fleet/audit/facts.ts'
import { unreadArnsIn } from '../../fleet/audit/judge.ts'
import type { Policy } from '../../fleet/audit/policy/policy.ts'
import type { AuditReport } from '../../fleet/audit/report.ts'
import { costReportOf } from '../../fleet/cost/cost.ts'
import type { CostReport } from '../../fleet/cost/costReport.ts'
import { type PricesByRegion, UnknownRegion } from '../../fleet/cost/prices.ts'
import type { Output } from '../output.ts'

/**
 * What the audited credentials and the stack cost a month.
 * @returns undefined if the prices lack a Region: then a note says so, as an audit should not fail for that
 */
export function estimateCost(
  output: Output,
  facts: Facts,
  report: AuditReport,
  policy: Policy,
  prices: PricesByRegion,
): CostReport | undefined {
  try {
    return costReportOf(facts, prices, { unread: unreadArnsIn(report), teamTags: policy.teamTags, policy })
  } catch (error) {
    if (!(error instanceof UnknownRegion)) throw error
    output.note(
      `The report has no cost: ${error.message}. keyturn cost --refresh --prices FILE reads prices.`,
    )
    return undefined
  }
}

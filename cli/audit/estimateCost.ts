import type { Facts } from '../../fleet/audit/facts.ts'
import { unreadArnsIn } from '../../fleet/audit/judge.ts'
import type { Policy } from '../../fleet/audit/policy/policy.ts'
import type { AuditReport } from '../../fleet/audit/report.ts'
import { costReportOf } from '../../fleet/cost/cost.ts'
import type { CostReport } from '../../fleet/cost/costReport.ts'
import { bundledPrices, UnknownRegion } from '../../fleet/cost/prices.ts'
import { readPrices } from '../cost/prices.ts'
import type { Output } from '../output.ts'

/**
 * What the audited credentials and the stack cost a month.
 * @param file a file of prices; undefined: the prices that Keyturn comes with
 * @returns undefined if the prices lack a Region: then a note says so, as an audit should not fail for that
 * @throws CommandError if the file has no valid prices
 */
export async function estimateCost(
  output: Output,
  facts: Facts,
  report: AuditReport,
  policy: Policy,
  file: string | undefined,
): Promise<CostReport | undefined> {
  const prices = file === undefined ? bundledPrices : await readPrices(file)
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

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
 * What an audited fleet costs a month, by the prices in a file or by Keyturn's own. Where they lack a Region there is no bill, and
 * that is said: an audit is not to fail for it.
 * @throws CommandError if the file holds no prices
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

import type { Facts } from '../../fleet/audit/facts.ts'
import { unreadIn } from '../../fleet/audit/judge.ts'
import type { Policy } from '../../fleet/audit/policy/policy.ts'
import type { Report } from '../../fleet/audit/report.ts'
import { costOf } from '../../fleet/cost/cost.ts'
import type { CostReport } from '../../fleet/cost/costReport.ts'
import { ownPrices, UnknownRegion } from '../../fleet/cost/prices.ts'
import { pricesFrom } from '../cost/prices.ts'
import type { Output } from '../output.ts'

/**
 * What an audited fleet costs a month, by the prices in a file or by Keyturn's own. Where they lack a Region there is no bill, and
 * that is said: an audit is not to fail for it.
 * @throws CommandError if the file holds no prices
 */
export async function billOf(
  output: Output,
  facts: Facts,
  report: Report,
  policy: Policy,
  file: string | undefined,
): Promise<CostReport | undefined> {
  const prices = file === undefined ? ownPrices : await pricesFrom(file)
  try {
    return costOf(facts, prices, { unread: unreadIn(report), teamTags: policy.teamTags, policy })
  } catch (error) {
    if (!(error instanceof UnknownRegion)) throw error
    output.note(
      `The report has no cost: ${error.message}. keyturn cost --refresh --prices FILE reads prices.`,
    )
    return undefined
  }
}

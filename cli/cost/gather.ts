import type { SweepLimits } from '../../fleet/audit/collect.ts'
import type { Facts } from '../../fleet/audit/facts.ts'
import { AuditProgress } from '../audit/progress.ts'
import type { Context } from '../context.ts'
import { chooseStack, placeOf } from '../stack.ts'

/**
 * Gathers everything that is billed, in the Regions of the stack, its peers and the replicas, and shows the progress.
 * @param reads how far back and how long CloudTrail is asked for reads; undefined: it is not asked
 */
export async function gatherCostFacts(context: Context, reads?: SweepLimits): Promise<Facts> {
  const { output, clients } = context
  const stack = await chooseStack(context)
  const { collectFacts } = await import('../../fleet/audit/collect.ts')
  const auditProgress = new AuditProgress(output)
  return collectFacts(clients, {
    ...placeOf(stack),
    stage: stack.stage,
    reads,
    onPlan: plan => auditProgress.showPlan(plan),
    onProgress: progress => auditProgress.showProgress(progress),
  })
}

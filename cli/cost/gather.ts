import type { SweepLimits } from '../../fleet/audit/collect.ts'
import type { Facts } from '../../fleet/audit/facts.ts'
import { AuditProgress } from '../audit/progress.ts'
import type { Context } from '../context.ts'
import { chooseStack, placeOf } from '../stack.ts'

/** What there is to pay for, in the Regions of the stack, of its peers and of replicas. It says how far it is. */
export async function gatherCostFacts(context: Context, reads?: SweepLimits): Promise<Facts> {
  const { output, clients } = context
  const stack = await chooseStack(context)
  const { collectFacts } = await import('../../fleet/audit/collect.ts')
  const shown = new AuditProgress(output)
  return collectFacts(clients, {
    ...placeOf(stack),
    ...{ stage: stack.stage, reads },
    onPlan: plan => shown.showPlan(plan),
    onProgress: progress => shown.showProgress(progress),
  })
}

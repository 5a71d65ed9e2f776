import type { ReadsWanted } from '../../fleet/audit/collect.ts'
import type { Facts } from '../../fleet/audit/facts.ts'
import { Shown } from '../audit/progress.ts'
import type { Context } from '../context.ts'
import { placeOf, stackOf } from '../stack.ts'

/** What there is to pay for, in the Regions of the stack, of its peers and of replicas. It says how far it is. */
export async function gathered(context: Context, reads?: ReadsWanted): Promise<Facts> {
  const { output, clients } = context
  const stack = await stackOf(context)
  const { collect } = await import('../../fleet/audit/collect.ts')
  const shown = new Shown(output)
  return collect(clients, {
    ...placeOf(stack),
    ...{ stage: stack.stage, reads },
    onPlan: plan => shown.plan(plan),
    onProgress: progress => shown.progress(progress),
  })
}

import { settleConcurrently } from '../../fleet/concurrency.ts'
import type { CallFailure } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import { usageError } from '../exit.ts'
import { findStacks } from '../stack.ts'

/**
 * Checks, before an audit works for minutes, that the Regions of --regions exist. A Region that does not exist has no DNS entry
 * (ENOTFOUND). The network is not the reason, as the stack's Region has answered before. Any other error is left to the audit.
 * @throws CommandError that names the Regions that do not exist
 */
export async function requireKnownRegions(context: Context, regions: string[]): Promise<void> {
  const answers = await settleConcurrently(regions, 4, region =>
    findStacks({ ...context, clients: context.clients.forRegion(region) }),
  )
  const unknown = regions.filter((_, n) => {
    const outcome = answers[n]
    return outcome?.status === 'rejected' && (outcome.reason as CallFailure).code === 'ENOTFOUND'
  })
  if (!unknown.length) return
  throw usageError(
    `--regions ${unknown.join(', ')}: AWS has no such Region, or it cannot be reached from here`,
    'Name a Region of the account, such as eu-west-1: `aws account list-regions` has their names.',
  )
}

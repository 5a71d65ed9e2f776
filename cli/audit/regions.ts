import { settleConcurrently } from '../../fleet/concurrency.ts'
import type { CallFailure } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import { CommandError, EXIT } from '../exit.ts'
import { findStacks } from '../stack.ts'

/**
 * Looks before a long work whether AWS has the Regions that somebody names. One that it has not has no address either; whatever
 * else is answered is for the audit to tell. The Region of the stack has answered by now, so there are addresses to be had.
 * @throws CommandError that names those that are none
 */
export async function requireKnownRegions(context: Context, regions: string[]): Promise<void> {
  const asked = await settleConcurrently(regions, 4, region =>
    findStacks({ ...context, clients: context.clients.forRegion(region) }),
  )
  const none = regions.filter((_, n) => {
    const outcome = asked[n]
    return outcome?.status === 'rejected' && (outcome.reason as CallFailure).code === 'ENOTFOUND'
  })
  if (!none.length) return
  throw new CommandError(
    EXIT.usage,
    `--regions ${none.join(', ')}: AWS has no such Region, or none that can be reached from here`,
    'It should be a Region of the account, such as eu-west-1: `aws account list-regions` has their names.',
  )
}

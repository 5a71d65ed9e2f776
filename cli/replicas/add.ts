import { scheduleTagValue } from '../../rotation/promotion/serviceSchedule.ts'
import {
  HOME_TAG,
  homeIn,
  isScheduled,
  MANAGED_TAG,
  SERVICE_SCHEDULE_TAG,
  type Tags,
} from '../../rotation/tags.ts'
import type { FoundSecret } from '../credential.ts'
import { usageError } from '../exit.ts'
import { sanitize } from '../output.ts'
import { outputOf, placeOf, type Stack } from '../stack.ts'
import { listedReplica, lookAtCopy, replicaStatusText } from './copies.ts'
import {
  actionCommand,
  clearGivenUp,
  type ReplicaAction,
  resultOfWait,
  setHomeCommand,
  standsAloneError,
} from './replicaAction.ts'
import { waitForReplica } from './waitForReplica.ts'

/** Sets the tags that a replicated secret needs, makes a replica in a Region unless there is one, and waits for it. */
export const addAction: ReplicaAction = {
  mustBeConfirmed: false,
  setsTags: true,

  async plan({ context, stack, request }, found) {
    const { region, key } = request
    const { secret, tags } = found
    const home = placeOf(stack).region
    if (secret.DeletedDate)
      throw usageError('it is marked for deletion', 'aws secretsmanager restore-secret keeps it.')
    const taggedHome = homeIn(tags)
    if (taggedHome !== undefined && taggedHome !== home)
      throw usageError(
        `its tag ${HOME_TAG} names ${sanitize(taggedHome)}, and this is ${home}`,
        `Add replicas in its home Region. If the tag is wrong, or the secret has moved for good: ${setHomeCommand(found.name, home)}`,
      )
    const listed = listedReplica(secret, region)
    const { state } = await lookAtCopy(context, secret, region)
    if (state === 'alone') throw standsAloneError(found, region)
    if (!listed) return { found, details: [] }
    if (key !== undefined)
      throw usageError(
        `it has a replica in ${region} already, with a key of its own`,
        `Change its key there: aws secretsmanager update-secret --region ${region} --secret-id ${sanitize(found.name)} --kms-key-id ${sanitize(key)}`,
      )
    if (
      listed.Status === 'Failed' ||
      (listed.Status === 'InSync' && state !== 'follows' && state !== 'unseen')
    )
      throw usageError(
        `it has a replica in ${region} already, which does not have the current version: ${sanitize(replicaStatusText(listed))}`,
        `${actionCommand('repair', region, found)}.`,
      )
    return { found, details: ['there is a replica already; tags are set, and the command waits for it'] }
  },

  async run(work, found, say) {
    const { context, stack, calls, signal, request } = work
    const { region, key, waitMs: milliseconds } = request
    const { arn, secret } = found
    const tags = missingReplicaTags(found, stack)
    if (Object.keys(tags).length) {
      await calls.tag(arn, tags)
      for (const [name, value] of Object.entries(tags)) say(`tagged ${name}=${value}`)
    }
    if (!listedReplica(secret, region)) await calls.replicate(arn, region, key)
    await clearGivenUp(work, found)
    const waitResult = await waitForReplica(context, { calls, arn, region, milliseconds, signal }, say)
    return resultOfWait(work, found, waitResult)
  },
}

/**
 * The tags that a secret with replicas should have and lacks. keyturn:managed allows Keyturn to rotate a secret: so it is set
 * only if this stack rotates the secret already, and never on an admin's secret that is only read. A replica has no rotation
 * schedule in Secrets Manager, so the primary's schedule is kept in a tag, for a promotion.
 */
export function missingReplicaTags({ secret, tags }: FoundSecret, stack: Stack): Tags {
  const isRotated =
    secret.RotationEnabled === true && secret.RotationLambdaARN === outputOf(stack, 'RotateSecretFunctionArn')
  const schedule = isRotated ? scheduleTagValue(secret.RotationRules) : undefined
  return {
    ...(!(HOME_TAG in tags) && { [HOME_TAG]: placeOf(stack).region }),
    ...(!(MANAGED_TAG in tags) && (isRotated || isScheduled(tags)) && { [MANAGED_TAG]: 'true' }),
    ...(schedule && tags[SERVICE_SCHEDULE_TAG] !== schedule && { [SERVICE_SCHEDULE_TAG]: schedule }),
  }
}

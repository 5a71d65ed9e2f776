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
  usageError,
} from './replicaAction.ts'
import { waitForReplica } from './waitForReplica.ts'

/** Makes a replica in a Region, after the tags that it is to have. One that is on its way is waited for. */
export const addAction: ReplicaAction = {
  mustBeConfirmed: false,
  setsTags: true,

  async plan({ context, stack, request }, found) {
    const { region, key } = request
    const { secret, tags } = found
    const home = placeOf(stack).region
    if (secret.DeletedDate)
      throw usageError('it is marked for deletion', 'aws secretsmanager restore-secret keeps it.')
    const tagged = homeIn(tags)
    if (tagged !== undefined && tagged !== home)
      throw usageError(
        `its tag ${HOME_TAG} says ${sanitize(tagged)}, and this is ${home}`,
        `Add replicas where its home is. If the tag is wrong, or the secret has moved for good: ${setHomeCommand(found.name, home)}`,
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
        `it has a replica in ${region} already, which does not follow: ${sanitize(replicaStatusText(listed))}`,
        `${actionCommand('repair', region, found)}.`,
      )
    return { found, details: ['there is one already; tags are set, and it is waited for'] }
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
    const followed = await waitForReplica(context, { calls, arn, region, milliseconds, signal }, say)
    return resultOfWait(work, found, followed)
  },
}

/**
 * The tags that a secret with replicas should have and lacks. Whoever holds keyturn:managed may be rotated: so it is set only
 * where this stack rotates already, and never on an admin's secret that is read alone. Replicas have no schedule of the
 * service's, so theirs is kept in a tag.
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

import { scheduleTag } from '../../rotation/promotion/serviceSchedule.ts'
import { HOME, homeIn, isScheduled, MANAGED, SERVICE_SCHEDULE, type Tags } from '../../rotation/tags.ts'
import type { FoundSecret } from '../credentialId.ts'
import { plain } from '../output.ts'
import { outputOf, placeOf, type Stack } from '../stack.ts'
import { listedIn, lookThere, statusOf } from './copies.ts'
import { follow } from './follow.ts'
import { type Act, callFor, refused, setHome, standsAlone, takeBack, toldOf } from './work.ts'

/** Makes a replica in a Region, after the tags that it is to have. One that is on its way is waited for. */
export const add: Act = {
  asks: false,
  tags: true,

  async plan({ context, stack, request }, found) {
    const { region, key } = request
    const { secret, tags } = found
    const home = placeOf(stack).region
    if (secret.DeletedDate)
      throw refused('it is marked for deletion', 'aws secretsmanager restore-secret keeps it.')
    const tagged = homeIn(tags)
    if (tagged !== undefined && tagged !== home)
      throw refused(
        `its tag ${HOME} says ${plain(tagged)}, and this is ${home}`,
        `Add replicas where its home is. If the tag is wrong, or the secret has moved for good: ${setHome(found.name, home)}`,
      )
    const listed = listedIn(secret, region)
    const { state } = await lookThere(context, secret, region)
    if (state === 'alone') throw standsAlone(found, region)
    if (!listed) return { found, about: [] }
    if (key !== undefined)
      throw refused(
        `it has a replica in ${region} already, with a key of its own`,
        `Change its key there: aws secretsmanager update-secret --region ${region} --secret-id ${plain(found.name)} --kms-key-id ${plain(key)}`,
      )
    if (
      listed.Status === 'Failed' ||
      (listed.Status === 'InSync' && state !== 'follows' && state !== 'unseen')
    )
      throw refused(
        `it has a replica in ${region} already, which does not follow: ${plain(statusOf(listed))}`,
        `${callFor('repair', region, found)}.`,
      )
    return { found, about: ['there is one already; tags are set, and it is waited for'] }
  },

  async run(work, found, say) {
    const { context, stack, calls, signal, request } = work
    const { region, key, wait: milliseconds } = request
    const { arn, secret } = found
    const tags = missingTags(found, stack)
    if (Object.keys(tags).length) {
      await calls.tag(arn, tags)
      for (const [name, value] of Object.entries(tags)) say(`tagged ${name}=${value}`)
    }
    if (!listedIn(secret, region)) await calls.replicate(arn, region, key)
    await takeBack(work, found)
    const followed = await follow(context, { calls, arn, region, milliseconds, signal }, say)
    return toldOf(work, found, followed)
  },
}

/**
 * The tags that a secret with replicas should have and lacks. Whoever holds keyturn:managed may be rotated: so it is set only
 * where this stack rotates already, and never on an admin's secret that is read alone. Replicas have no schedule of the
 * service's, so theirs is kept in a tag.
 */
export function missingTags({ secret, tags }: FoundSecret, stack: Stack): Tags {
  const isRotated =
    secret.RotationEnabled === true && secret.RotationLambdaARN === outputOf(stack, 'RotateSecretFunctionArn')
  const schedule = isRotated ? scheduleTag(secret.RotationRules) : undefined
  return {
    ...(!(HOME in tags) && { [HOME]: placeOf(stack).region }),
    ...(!(MANAGED in tags) && (isRotated || isScheduled(tags)) && { [MANAGED]: 'true' }),
    ...(schedule && tags[SERVICE_SCHEDULE] !== schedule && { [SERVICE_SCHEDULE]: schedule }),
  }
}

import * as v from 'valibot'
import { durationSchema } from '../../rotation/duration.ts'
import { isManaged, isScheduled, ownTags, type Tags } from '../../rotation/tags.ts'
import { DAY_SECONDS, HOUR_SECONDS } from '../../rotation/timeUnits.ts'
import type { ScheduledCredential } from '../inventory.ts'
import { valueAgeOf } from './age.ts'
import { isSecret } from './credentialKind.ts'
import type { CredentialFacts } from './facts.ts'
import { requireKnown } from './knownFact.ts'

/**
 * Whether a credential is rotated without a person: by Secrets Manager's schedule, by the service that manages it, or by Keyturn,
 * which goes by the credential's tags and by the policies of a parameter.
 * @throws UnreadFact
 */
export function isRotatedAutomatically(credential: CredentialFacts): boolean {
  if (isSecret(credential) && (credential.rotation.enabled || credential.owningService)) return true
  const tags = requireKnown(credential.tags)
  if (isScheduled(tags)) return true
  return !isSecret(credential) && isManaged(tags) && credential.policies.some(asksForRotation)
}

/** Whether the events of a parameter policy of this type start a rotation. */
const asksForRotation = (type: string) => type === 'ExpirationNotification' || type === 'NoChangeNotification'

/** The credential in the form in which evaluateSchedule takes it; undefined if it has no schedule. @throws UnreadFact */
export function scheduledCredentialOf(credential: CredentialFacts): ScheduledCredential | undefined {
  const { store, name: id, arn } = credential
  if (isSecret(credential) && credential.rotation.enabled) {
    const { next } = credential.rotation
    const nextByService = new Date(next ?? '')
    // Where Secrets Manager has a schedule, neither the tags count nor the age of the value.
    return next ? { store, id, arn, tags: {}, currentSince: nextByService, nextByService } : undefined
  }
  const tags = requireKnown(credential.tags)
  const age = isScheduled(tags) ? valueAgeOf(credential) : undefined
  return age && { store, id, ...(isSecret(credential) && { arn }), tags, currentSince: new Date(age.at) }
}

/** Seconds from one rotation to the next; undefined if there is no schedule, or it is a cron expression. @throws UnreadFact */
export function rotationIntervalSeconds(credential: CredentialFacts): number | undefined {
  if (isSecret(credential) && credential.rotation.enabled) {
    const { schedule = '', everyDays } = credential.rotation
    return rateSeconds(schedule) ?? (schedule ? undefined : everyDays && everyDays * DAY_SECONDS)
  }
  return everyTagSeconds(requireKnown(credential.tags))
}

/** The seconds of a schedule of Secrets Manager such as `rate(30 days)`; undefined for a cron expression. */
export function rateSeconds(schedule: string): number | undefined {
  const { count, unit } = /^rate\((?<count>\d+) (?<unit>day|hour)s?\)$/.exec(schedule)?.groups ?? {}
  return unit ? Number(count) * (unit === 'day' ? DAY_SECONDS : HOUR_SECONDS) : undefined
}

/** The seconds of the tag keyturn:every; undefined if there is no such tag, or its value is not valid. */
export function everyTagSeconds(tags: Tags): number | undefined {
  const every = v.safeParse(durationSchema, ownTags(tags).every)
  return every.success ? every.output : undefined
}

import * as v from 'valibot'
import { durationSchema } from '../../rotation/duration.ts'
import { isManaged, isScheduled, ownTags, type Tags } from '../../rotation/tags.ts'
import type { ScheduledCredential } from '../inventory.ts'
import { valueAgeOf } from './age.ts'
import { isSecret } from './credentialKind.ts'
import type { CredentialFacts } from './facts.ts'
import { requireKnown } from './knownFact.ts'

/**
 * Whether something rotates a credential by itself: Secrets Manager, the service that manages it, or Keyturn by its tags or,
 * of a parameter, by its policies.
 * @throws UnreadFact
 */
export function isRotatedAutomatically(credential: CredentialFacts): boolean {
  if (isSecret(credential) && (credential.rotation.enabled || credential.owningService)) return true
  const tags = requireKnown(credential.tags)
  if (isScheduled(tags)) return true
  return !isSecret(credential) && isManaged(tags) && credential.policies.some(asksForRotation)
}

/** The policies of a parameter whose events begin a rotation. */
const asksForRotation = (type: string) => type === 'ExpirationNotification' || type === 'NoChangeNotification'

/** The credential as the schedule knows it; undefined if nothing says when it rotates. @throws UnreadFact */
export function scheduledCredentialOf(credential: CredentialFacts): ScheduledCredential | undefined {
  const { store, name: id, arn } = credential
  if (isSecret(credential) && credential.rotation.enabled) {
    const { next } = credential.rotation
    const nextByService = new Date(next ?? '')
    // What the tags say has no bearing on it.
    return next ? { store, id, arn, tags: {}, currentSince: nextByService, nextByService } : undefined
  }
  const tags = requireKnown(credential.tags)
  const age = isScheduled(tags) ? valueAgeOf(credential) : undefined
  return age && { store, id, ...(isSecret(credential) && { arn }), tags, currentSince: new Date(age.at) }
}

/** Seconds from one rotation to the next, as far as that is said in days or hours. @throws UnreadFact */
export function rotationIntervalSeconds(credential: CredentialFacts): number | undefined {
  if (isSecret(credential) && credential.rotation.enabled) {
    const { schedule = '', everyDays } = credential.rotation
    return rateSeconds(schedule) ?? (schedule ? undefined : everyDays && everyDays * 86_400)
  }
  return everyTagSeconds(requireKnown(credential.tags))
}

/** The seconds of a rate of Secrets Manager, such as `rate(30 days)`; undefined for any other schedule. */
export function rateSeconds(schedule: string): number | undefined {
  const { count, unit } = /^rate\((?<count>\d+) (?<unit>day|hour)s?\)$/.exec(schedule)?.groups ?? {}
  return unit ? Number(count) * (unit === 'day' ? 86_400 : 3600) : undefined
}

/** The seconds that the tag keyturn:every says; undefined if there is none, or it says none. */
export function everyTagSeconds(tags: Tags): number | undefined {
  const every = v.safeParse(durationSchema, ownTags(tags).every)
  return every.success ? every.output : undefined
}

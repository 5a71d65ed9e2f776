import * as v from 'valibot'
import { duration } from '../../rotation/duration.ts'
import { isManaged, isScheduled, ownTags, type Tags } from '../../rotation/tags.ts'
import type { Scheduled } from '../inventory.ts'
import { storedOf } from './age.ts'
import type { CredentialFacts } from './facts.ts'
import { isSecret } from './kind.ts'
import { known } from './known.ts'

/**
 * Whether something rotates a credential by itself: Secrets Manager, the service that manages it, or Keyturn by its tags or,
 * of a parameter, by its policies.
 * @throws UnreadFact
 */
export function isTurned(credential: CredentialFacts): boolean {
  if (isSecret(credential) && (credential.rotation.enabled || credential.owningService)) return true
  const tags = known(credential.tags)
  if (isScheduled(tags)) return true
  return !isSecret(credential) && isManaged(tags) && credential.policies.some(asksForRotation)
}

/** The policies of a parameter whose events begin a rotation. */
const asksForRotation = (type: string) => type === 'ExpirationNotification' || type === 'NoChangeNotification'

/** The credential as the schedule knows it; undefined if nothing says when it rotates. @throws UnreadFact */
export function scheduledOf(credential: CredentialFacts): Scheduled | undefined {
  const { store, name: id, arn } = credential
  if (isSecret(credential) && credential.rotation.enabled) {
    const { next } = credential.rotation
    const nextByService = new Date(next ?? '')
    // What the tags say has no bearing on it.
    return next ? { store, id, arn, tags: {}, since: nextByService, nextByService } : undefined
  }
  const tags = known(credential.tags)
  const age = isScheduled(tags) ? storedOf(credential) : undefined
  return age && { store, id, ...(isSecret(credential) && { arn }), tags, since: new Date(age.at) }
}

/** Seconds from one rotation to the next, as far as that is said in days or hours. @throws UnreadFact */
export function intervalOf(credential: CredentialFacts): number | undefined {
  if (isSecret(credential) && credential.rotation.enabled) {
    const { schedule = '', everyDays } = credential.rotation
    return rateOf(schedule) ?? (schedule ? undefined : everyDays && everyDays * 86_400)
  }
  return everyIn(known(credential.tags))
}

/** The seconds of a rate of Secrets Manager, such as `rate(30 days)`; undefined for any other schedule. */
export function rateOf(schedule: string): number | undefined {
  const { count, unit } = /^rate\((?<count>\d+) (?<unit>day|hour)s?\)$/.exec(schedule)?.groups ?? {}
  return unit ? Number(count) * (unit === 'day' ? 86_400 : 3600) : undefined
}

/** The seconds that the tag keyturn:every says; undefined if there is none, or it says none. */
export function everyIn(tags: Tags): number | undefined {
  const every = v.safeParse(duration, ownTags(tags).every)
  return every.success ? every.output : undefined
}

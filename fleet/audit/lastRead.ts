import { DAY_MS, HOUR_MS } from '../../rotation/timeUnits.ts'
import { evaluateSchedule } from '../due.ts'
import { isPrimary, isSecret } from './credentialKind.ts'
import type { CredentialFacts, SecretFacts } from './facts.ts'
import type { AuditedFleet } from './fleet.ts'
import { isKnown, requireKnown } from './knownFact.ts'
import { scheduledCredentialOf } from './schedule.ts'

/** How far back CloudTrail's reads have to be known before it means something that there is none of a credential. */
export const MIN_SWEEP_MS = 7 * DAY_MS

/**
 * Whether others than Keyturn read a credential.
 *
 * - `read`: others have read it, the last time on the day `on`.
 * - `not-read`: nobody has read it after the day `since`, not even Keyturn; if `since` is undefined, nobody ever has.
 * - `alone`: CloudTrail has no read by others after `since`. Whether others read it before is not known.
 * - `young`: the credential has not existed for long enough to tell.
 * - `unknown`: it cannot be told, for the reason `why`.
 */
export type ReadStatus =
  | { is: 'read'; on: string }
  | { is: 'not-read'; since: string | undefined }
  | { is: 'alone'; since: string }
  | { is: 'young' }
  | { is: 'unknown'; why: string }

/**
 * Finds out whether others than Keyturn read a credential. There are two sources:
 *
 * - CloudTrail, without the reads of the stacks' roles, as far back as it was asked.
 * - For a secret, the day of the last read in each Region, which Secrets Manager keeps. It does not tell who read, and rotations
 *   and the runs of the schedule read too. So a day that is longer ago than `after` shows that nobody reads; a later day shows a
 *   read by others only if it comes after the last day on which Keyturn may have read. In all other cases CloudTrail decides.
 *
 * @param after milliseconds without a read after which a credential counts as not read
 * @throws UnreadFact
 */
export function readStatusOf(credential: CredentialFacts, after: number, fleet: AuditedFleet): ReadStatus {
  const { nowMs } = fleet
  const copies: CredentialFacts[] = isSecret(credential) ? fleet.copiesOf(credential) : [credential]
  const lastSeen = newestTime(copies.flatMap(lastReadsByOthers))
  if (lastSeen && nowMs - Date.parse(lastSeen) <= after) return { is: 'read', on: lastSeen.slice(0, 10) }

  const days = isPrimary(credential) ? lastAccessDaysOf(credential, fleet) : undefined
  const latestDay = days && newestTime([...days.values()])
  const exists = existsSince(credential)
  // The read may have been in the last second of that day.
  if (latestDay && nowMs - Date.parse(latestDay) > after + DAY_MS) return { is: 'not-read', since: latestDay }
  if (exists !== undefined && nowMs - exists <= Math.min(after, MIN_SWEEP_MS)) return { is: 'young' }
  if (days && !latestDay)
    return exists !== undefined && nowMs - exists <= after
      ? { is: 'young' }
      : { is: 'not-read', since: undefined }

  const dayOfOthers = days && isPrimary(credential) && newestTime(othersDays(credential, days, fleet))
  if (dayOfOthers) return { is: 'read', on: dayOfOthers }
  return readStatusByCloudTrail(copies, after, exists, fleet)
}

/** The status by CloudTrail alone, for a credential that nobody but Keyturn was seen to read. `exists` comes from existsSince. */
function readStatusByCloudTrail(
  copies: CredentialFacts[],
  after: number,
  exists: number | undefined,
  fleet: AuditedFleet,
): ReadStatus {
  const sweeps = copies.map(({ region }) => fleet.regionFacts(region).sweep)
  const unread = sweeps.find(sweep => !isKnown(sweep))
  if (unread && 'unread' in unread) return { is: 'unknown', why: unread.unread }
  const lost = sweeps.reduce((sum, sweep) => sum + (requireKnown(sweep).lost ?? 0), 0)
  if (lost) return { is: 'unknown', why: `${lost} of CloudTrail's events could not be made out` }
  const since = newestTime(sweeps.map(sweep => requireKnown(sweep).completeSince)) ?? fleet.facts.moment
  if (exists !== undefined && exists > Date.parse(since)) return { is: 'young' }
  if (fleet.nowMs - Date.parse(since) >= Math.min(after, MIN_SWEEP_MS)) return { is: 'alone', since }
  return { is: 'unknown', why: `CloudTrail's reads are known since ${since} only` }
}

/** The times of the last reads, one of each principal that is not a role of Keyturn's stacks. */
const lastReadsByOthers = ({ readers }: CredentialFacts) =>
  readers.flatMap(({ own, reads, last }) => (own || reads === 0 ? [] : [last]))

/** The day of the last read by anybody, Keyturn included, by Region. @throws UnreadFact */
function lastAccessDaysOf(secret: SecretFacts, fleet: AuditedFleet): Map<string, string> {
  const daysOfCopies = [
    ...requireKnown(secret.replicas).map(({ region, lastAccessed }) => [region, lastAccessed] as const),
    ...fleet.copiesOf(secret).map(({ region, lastAccessed }) => [region, lastAccessed] as const),
  ]
  const days = new Map<string, string>()
  for (const [region, day] of daysOfCopies)
    if (day && day > (days.get(region) ?? '')) days.set(region, day.slice(0, 10))
  return days
}

/** Those of the days of last reads on which Keyturn cannot have read, so that somebody else did. @throws UnreadFact */
function othersDays(secret: SecretFacts, days: Map<string, string>, fleet: AuditedFleet): string[] {
  const lastRotationDay = lastRotationDayOf(secret, fleet)
  return [...days].flatMap(([region, day]) => {
    // A stack in the replica's Region reads the replica when it rehearses a promotion.
    const hasRehearsals =
      region !== secret.region && requireKnown(fleet.regionFacts(region).stack) !== undefined
    return !hasRehearsals && day > lastRotationDay ? [day] : []
  })
}

/** The last day on which a rotation may have read a secret, however it ended; '' if none has, which is before every day. */
function lastRotationDayOf(secret: SecretFacts, { nowMs }: AuditedFleet): string {
  const scheduled = scheduledCredentialOf(secret)
  // While a rotation is due, a run of the schedule may read the secret at any time.
  if (scheduled && evaluateSchedule(scheduled, new Date(nowMs)).state === 'due')
    return new Date(nowMs).toISOString().slice(0, 10)
  const times = requireKnown(secret.history).rotations.flatMap(({ began, ended, openUntil }) => [
    began,
    ended ?? '',
    // What the rotation replaced is closed at that time or soon after, and closing reads the secret too.
    openUntil && Date.parse(openUntil) <= nowMs ? hourAfter(openUntil) : '',
  ])
  return newestTime([...times, secret.rotation.last ?? ''])?.slice(0, 10) ?? ''
}

/** The time an hour later: closing may take that long. */
const hourAfter = (time: string) => new Date(Date.parse(time) + HOUR_MS).toISOString()

/** The earliest time at which a credential is known to have existed, in milliseconds since 1970. @throws UnreadFact */
function existsSince(credential: CredentialFacts): number | undefined {
  if (isSecret(credential)) return credential.created ? Date.parse(credential.created) : undefined
  const began = requireKnown(credential.history).rotations.map(({ began }) => began)
  const times = [...began, credential.changed ?? ''].filter(Boolean).map(time => Date.parse(time))
  return times.length ? Math.min(...times) : undefined
}

const newestTime = (times: string[]): string | undefined => times.filter(Boolean).toSorted().at(-1)

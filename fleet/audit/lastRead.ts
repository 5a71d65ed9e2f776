import { evaluateSchedule } from '../due.ts'
import { isPrimary, isSecret } from './credentialKind.ts'
import type { CredentialFacts, SecretFacts } from './facts.ts'
import type { AuditedFleet } from './fleet.ts'
import { isKnown, requireKnown } from './knownFact.ts'
import { scheduledCredentialOf } from './schedule.ts'

const [HOUR_MS, DAY_MS] = [3_600_000, 86_400_000]

/** As far back CloudTrail has to be known for a silence to mean anything. */
export const MIN_SWEEP_MS = 7 * DAY_MS

/**
 * Whether others than Keyturn read a credential. Secrets Manager's own date is a day in one Region, and does not say who: a
 * rotation reads the secret too, as does the look at what is due.
 *
 * - `read`: they have, on that day.
 * - `not-read`: nobody has, not even Keyturn, since that day; undefined: never.
 * - `alone`: since then CloudTrail tells of nobody else. How it was before is not known.
 * - `young`: it has not been there for long enough.
 * - `unknown`: and why.
 */
export type ReadStatus =
  | { is: 'read'; on: string }
  | { is: 'not-read'; since: string | undefined }
  | { is: 'alone'; since: string }
  | { is: 'young' }
  | { is: 'unknown'; why: string }

/**
 * The date counts for others only where it is later than the last day on which a rotation read the secret; where it is older
 * than `after` milliseconds, it counts as nobody's. In between CloudTrail decides, without this stack's roles, as far back
 * as it was asked. Parameter Store has no such date.
 *
 * @throws UnreadFact
 */
export function readStatusOf(credential: CredentialFacts, after: number, fleet: AuditedFleet): ReadStatus {
  const { nowMs } = fleet
  const copies: CredentialFacts[] = isSecret(credential) ? fleet.copiesOf(credential) : [credential]
  const seen = newestTime(copies.flatMap(lastReadsByOthers))
  if (seen && nowMs - Date.parse(seen) <= after) return { is: 'read', on: seen.slice(0, 10) }
  const days = isPrimary(credential) ? lastAccessDaysOf(credential, fleet) : undefined
  const latest = days && newestTime([...days.values()])
  const since = existsSince(credential)
  // A day that is told may be over since its last second only.
  if (latest && nowMs - Date.parse(latest) > after + DAY_MS) return { is: 'not-read', since: latest }
  if (since !== undefined && nowMs - since <= Math.min(after, MIN_SWEEP_MS)) return { is: 'young' }
  if (days && !latest)
    return since !== undefined && nowMs - since <= after
      ? { is: 'young' }
      : { is: 'not-read', since: undefined }
  const proven = days && isPrimary(credential) && newestTime(othersDays(credential, days, fleet))
  if (proven) return { is: 'read', on: proven }
  return readStatusByCloudTrail(copies, after, since, fleet)
}

/** What CloudTrail says where nobody else was seen. */
function readStatusByCloudTrail(
  copies: CredentialFacts[],
  after: number,
  exists: number | undefined,
  fleet: AuditedFleet,
): ReadStatus {
  const sweeps = copies.map(({ region }) => fleet.regionFacts(region).sweep)
  const unread = sweeps.find(sweep => !isKnown(sweep))
  if (unread && 'unread' in unread) return { is: 'unknown', why: unread.unread }
  const lost = sweeps.reduce((sum, sweep) => sum + (requireKnown(sweep).unreadable ?? 0), 0)
  if (lost) return { is: 'unknown', why: `${lost} of CloudTrail's events could not be made out` }
  const since = newestTime(sweeps.map(sweep => requireKnown(sweep).completeSince)) ?? fleet.facts.moment
  if (exists !== undefined && exists > Date.parse(since)) return { is: 'young' }
  if (fleet.nowMs - Date.parse(since) >= Math.min(after, MIN_SWEEP_MS)) return { is: 'alone', since }
  return { is: 'unknown', why: `CloudTrail's reads are known since ${since} only` }
}

/** The last read of each principal that is no role of Keyturn. */
const lastReadsByOthers = ({ readers }: CredentialFacts) =>
  readers.flatMap(({ own, reads, last }) => (own || reads === 0 ? [] : [last]))

/** The day of the last read by anybody, by Region. @throws UnreadFact */
function lastAccessDaysOf(secret: SecretFacts, fleet: AuditedFleet): Map<string, string> {
  const told = [
    ...requireKnown(secret.replicas).map(({ region, lastAccessed }) => [region, lastAccessed] as const),
    ...fleet.copiesOf(secret).map(({ region, lastAccessed }) => [region, lastAccessed] as const),
  ]
  const days = new Map<string, string>()
  for (const [region, day] of told)
    if (day && day > (days.get(region) ?? '')) days.set(region, day.slice(0, 10))
  return days
}

/** Those of the days on which it was not Keyturn. @throws UnreadFact */
function othersDays(secret: SecretFacts, days: Map<string, string>, fleet: AuditedFleet): string[] {
  const touched = lastRotationDayOf(secret, fleet)
  return [...days].flatMap(([region, day]) => {
    // A stack there reads its replicas when it rehearses a promotion.
    const rehearsed = region !== secret.region && requireKnown(fleet.regionFacts(region).stack) !== undefined
    return !rehearsed && day > touched ? [day] : []
  })
}

/** The last day on which a rotation, of whatever outcome, may have read a secret; the beginning of time if none has. */
function lastRotationDayOf(secret: SecretFacts, { nowMs }: AuditedFleet): string {
  const scheduled = scheduledCredentialOf(secret)
  if (scheduled && evaluateSchedule(scheduled, new Date(nowMs)).state === 'due')
    return new Date(nowMs).toISOString()
  const times = requireKnown(secret.history).rotations.flatMap(({ began, ended, openUntil }) => [
    began,
    ended ?? '',
    // What it replaced is closed then or some time later, and that reads it too.
    openUntil && Date.parse(openUntil) <= nowMs ? hourAfter(openUntil) : '',
  ])
  return newestTime([...times, secret.rotation.last ?? ''])?.slice(0, 10) ?? ''
}

/** An hour later: so long may it take until what is to be closed then is closed. */
const hourAfter = (time: string) => new Date(Date.parse(time) + HOUR_MS).toISOString()

/** Since when a credential has been there, at the latest, in milliseconds. @throws UnreadFact */
function existsSince(credential: CredentialFacts): number | undefined {
  if (isSecret(credential)) return credential.created ? Date.parse(credential.created) : undefined
  const began = requireKnown(credential.history).rotations.map(({ began }) => began)
  const times = [...began, credential.changed ?? ''].filter(Boolean).map(time => Date.parse(time))
  return times.length ? Math.min(...times) : undefined
}

const newestTime = (times: string[]): string | undefined => times.filter(Boolean).toSorted().at(-1)

import { isHomeElsewhere } from '../rotation/arn.ts'
import { InvalidOption } from '../rotation/errors.ts'
import { type Options, parseOptions, parseTags } from '../rotation/options.ts'
import { isManaged, isScheduled, type Tags } from '../rotation/tags.ts'
import { digest } from './digest.ts'
import type { ScheduledCredential } from './inventory.ts'
import { type Opening, openingAt } from './window.ts'

/** What the names of a credential's rotations are made from. */
type TokenSource = Pick<ScheduledCredential, 'store' | 'id' | 'currentSince'>

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** What the deployment's defaults are has no bearing on a schedule. */
const noDeploymentDefaults = parseOptions({})

/**
 * What is to happen to a credential now. `late` is set where it should have rotated long ago, or never will as its tags
 * are: a day after it could have been, or after its interval if that is shorter, but an hour at least.
 */
type Verdict = { late: boolean } & (
  | { state: 'due'; token: string; rank: Rank; until?: Date }
  | { state: 'waiting' }
  | { state: 'skipped'; reason: string }
)

/** Which try it is; and for how many milliseconds the credential has been due, and this try of it. */
type Rank = { attempt: number; dueForMs: number; attemptDueForMs: number }

/**
 * Whether a credential is to rotate at the moment `now`, as its tags say. `interval` is how many milliseconds lie between
 * two runs, an hour at most. Never throws.
 */
export function evaluateSchedule(credential: ScheduledCredential, now: Date, interval = HOUR_MS): Verdict {
  const { tags, currentSince, nextByService } = credential
  if (nextByService) {
    const late = now.getTime() > nextByService.getTime() + DAY_MS
    if (!isScheduled(tags)) return { state: 'waiting', late }
    return { state: 'skipped', reason: 'Secrets Manager rotates it on its own schedule', late }
  }
  if (!isManaged(tags))
    return { state: 'skipped', reason: 'it lacks the tag keyturn:managed=true', late: true }
  const options = optionsOf(tags)
  if (options instanceof InvalidOption) return { state: 'skipped', reason: options.message, late: true }
  const { every, window, jitter = 0, home } = options
  if (every === undefined) return { state: 'waiting', late: false }
  if (isHomeElsewhere(credential.arn, home))
    return { state: 'skipped', reason: `keyturn:home: it rotates in ${home}`, late: false }
  // The schedule's concern alone: a rotation by hand goes on.
  if (jitter > every)
    return { state: 'skipped', reason: 'keyturn:jitter: should be no longer than keyturn:every', late: true }
  const time = now.getTime()
  const from = currentSince.getTime() + every * 1000
  const mayBegin = createStartTimeIn(credential, from, jitter * 1000, interval)
  const opens = mayBegin(window && openingAt(window, from))
  if (time < opens) return { state: 'waiting', late: false }
  const late = time > opens + Math.max(HOUR_MS, Math.min(every * 1000, DAY_MS))
  const opening = window && openingAt(window, time)
  if (time < mayBegin(opening)) return { state: 'waiting', late }
  const due = time - opens
  const attempt = attemptAfter(due)
  const rank = { attempt, dueForMs: due, attemptDueForMs: due - msUntilAttempt(attempt) }
  const verdict = { state: 'due', late, rank, token: tokenFor(credential, attempt) } as const
  return opening ? { ...verdict, until: new Date(opening.closes) } : verdict
}

/**
 * When a credential is to rotate next by its tags: `now` if it is due. Undefined if nothing says when, or its tags are
 * wrong. A try that failed, and the next one, make no difference here.
 */
export function nextRotationTime(
  credential: ScheduledCredential,
  now: Date,
  interval = HOUR_MS,
): Date | undefined {
  const options = isManaged(credential.tags) ? optionsOf(credential.tags) : undefined
  if (!options || options instanceof InvalidOption || options.every === undefined) return undefined
  const { every, window, jitter = 0, home } = options
  if (jitter > every || isHomeElsewhere(credential.arn, home)) return undefined
  const from = credential.currentSince.getTime() + every * 1000
  const mayBegin = createStartTimeIn(credential, from, jitter * 1000, interval)
  const time = now.getTime()
  return new Date(Math.ceil(Math.max(time, mayBegin(window && openingAt(window, Math.max(from, time))))))
}

/**
 * When a credential that is due from `from` on may begin in a window that is open then or later, or without one: as late
 * as its part of the jitter says, but so that one run is still to come before the window closes. The part is the same
 * whenever we look, and another one for each version and credential.
 */
function createStartTimeIn(credential: ScheduledCredential, from: number, jitter: number, interval: number) {
  const part = fractionOf(identityOf(credential))
  return (opening: Opening | undefined): number => {
    if (!opening) return from + jitter * part
    const start = Math.max(from, opening.opens)
    return start + Math.min(jitter, Math.max(0, opening.closes - start - interval)) * part
  }
}

/**
 * Which try of a rotation it is, by the milliseconds that it has been due. A rotation that failed changes nothing that
 * we look at. So there is one try at once, then after 1, 2, 4, 8 and 16 hours, then once a day.
 */
function attemptAfter(due: number): number {
  const hours = due / HOUR_MS
  if (hours < 1) return 0
  return hours < 16 ? Math.floor(Math.log2(hours)) + 1 : 5 + Math.floor((hours - 16) / 24)
}

/** The milliseconds that a credential has been due when this try of it begins. */
function msUntilAttempt(attempt: number): number {
  if (attempt === 0) return 0
  return (attempt <= 5 ? 2 ** (attempt - 1) : 16 + 24 * (attempt - 5)) * HOUR_MS
}

/** How many of a credential's tries are looked for: those of some weeks. */
const MAX_EARLIER_ATTEMPT_COUNT = 30

/** The tokens of the tries before this one, the latest first. */
export function earlierTokens(credential: TokenSource, attempt: number): string[] {
  const attempts = Array.from(
    { length: Math.min(attempt, MAX_EARLIER_ATTEMPT_COUNT) },
    (_, n) => attempt - 1 - n,
  )
  return attempts.map(earlier => tokenFor(credential, earlier))
}

/** Names the rotation that the policies of a parameter's version ask for, however many of them do so, and how often. */
export const policyTokenFor = (parameter: TokenSource) => tokenFor(parameter, 'policy')

/** A UUID. Whoever looks at the same credential gets the same one for the same try, so that it begins once. */
function tokenFor(credential: TokenSource, attempt: number | 'policy'): string {
  const digits = digest(`${identityOf(credential)} ${attempt}`).slice(0, 32)
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

const identityOf = ({ store, id, currentSince }: TokenSource) =>
  `${store} ${id} ${currentSince.toISOString()}`
const fractionOf = (text: string) => Number.parseInt(digest(text).slice(0, 8), 16) / 2 ** 32

function optionsOf(tags: Tags): Options | InvalidOption {
  try {
    return parseTags(tags, noDeploymentDefaults)
  } catch (error) {
    if (error instanceof InvalidOption) return error
    throw error
  }
}

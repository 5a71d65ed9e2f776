import { isHomeElsewhere } from '../rotation/arn.ts'
import { InvalidOption } from '../rotation/errors.ts'
import { type Options, parseOptions, parseTags } from '../rotation/options.ts'
import { isManaged, isScheduled, type Tags } from '../rotation/tags.ts'
import { DAY_MS, HOUR_MS } from '../rotation/timeUnits.ts'
import { digest } from './digest.ts'
import type { ScheduledCredential } from './inventory.ts'
import { type Opening, openingAt } from './window.ts'

/** What the tokens of a credential's rotations are made from. */
type TokenSource = Pick<ScheduledCredential, 'store' | 'id' | 'currentSince'>

/** Tags are parsed here without the deployment's defaults, as no default changes when a credential is due. */
const noDeploymentDefaults = parseOptions({})

/**
 * What is to happen to a credential now: its rotation is due, it waits, or it is skipped for the reason that is given.
 * `late` is true if the credential never rotates with the tags that it has, or if its rotation is overdue: by a day, or by its
 * interval if that is shorter, but by at least an hour. `until` is when the window closes in which the rotation may begin.
 */
type Verdict = { late: boolean } & (
  | { state: 'due'; token: string; rank: Rank; until?: Date }
  | { state: 'waiting' }
  | { state: 'skipped'; reason: string }
)

/** Which attempt at the rotation is due (0 for the first), and for how long the credential and this attempt have been due. */
type Rank = { attempt: number; dueForMs: number; attemptDueForMs: number }

/**
 * Whether a credential is to rotate at the moment `now`, by its tags. Wrong tags make it `skipped`; nothing is thrown for them.
 * @param interval milliseconds between two runs of the schedule, an hour at most
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
  // createSecret does not check this: a rotation that is started by hand needs no schedule.
  if (jitter > every)
    return { state: 'skipped', reason: 'keyturn:jitter: should be no longer than keyturn:every', late: true }
  const time = now.getTime()
  const dueFrom = currentSince.getTime() + every * 1000
  const startTimeIn = createStartTimeIn(credential, dueFrom, jitter * 1000, interval)
  const firstStart = startTimeIn(window && openingAt(window, dueFrom))
  if (time < firstStart) return { state: 'waiting', late: false }

  const late = time > firstStart + Math.max(HOUR_MS, Math.min(every * 1000, DAY_MS))
  const opening = window && openingAt(window, time)
  if (time < startTimeIn(opening)) return { state: 'waiting', late }

  const dueForMs = time - firstStart
  const attempt = attemptAfter(dueForMs)
  const rank = { attempt, dueForMs, attemptDueForMs: dueForMs - msUntilAttempt(attempt) }
  const verdict = { state: 'due', late, rank, token: tokenFor(credential, attempt) } as const
  return opening ? { ...verdict, until: new Date(opening.closes) } : verdict
}

/**
 * When a credential is to rotate next by its tags: `now` if it is due. Failed attempts, and the wait before the next one, are
 * not taken into account.
 * @param interval milliseconds between two runs of the schedule
 * @returns undefined if the tags ask for no rotation on a schedule, are wrong, or name another Region as the home
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
  const dueFrom = credential.currentSince.getTime() + every * 1000
  const startTimeIn = createStartTimeIn(credential, dueFrom, jitter * 1000, interval)
  const time = now.getTime()
  const opening = window && openingAt(window, Math.max(dueFrom, time))
  return new Date(Math.ceil(Math.max(time, startTimeIn(opening))))
}

/**
 * Makes a function that tells when the rotation of a credential may begin: in an opening of its window, or if it has no window. The
 * rotation is delayed by a fraction of `jitter`. In a window it is delayed by so little that one more run comes before the window
 * closes. The fraction follows from the credential and its current version: it is the same in each run, and differs from
 * credential to credential.
 * @param dueFrom when the credential is due by keyturn:every, in milliseconds since 1970
 * @param jitter milliseconds
 * @param interval milliseconds between two runs
 * @returns a function that gives milliseconds since 1970
 */
function createStartTimeIn(
  credential: ScheduledCredential,
  dueFrom: number,
  jitter: number,
  interval: number,
) {
  const fraction = fractionOf(identityOf(credential))
  return (opening: Opening | undefined): number => {
    if (!opening) return dueFrom + jitter * fraction
    const start = Math.max(dueFrom, opening.opens)
    return start + Math.min(jitter, Math.max(0, opening.closes - start - interval)) * fraction
  }
}

/**
 * The number of the latest attempt at a rotation that is due for so many milliseconds: 0 is due at once, the next ones after 1,
 * 2, 4, 8 and 16 hours, all later ones once a day. The time alone decides, as a failed rotation leaves no trace in the
 * credential.
 */
function attemptAfter(dueForMs: number): number {
  const hours = dueForMs / HOUR_MS
  if (hours < 1) return 0
  return hours < 16 ? Math.floor(Math.log2(hours)) + 1 : 5 + Math.floor((hours - 16) / 24)
}

/** For how many milliseconds a credential has been due when this attempt becomes due. */
function msUntilAttempt(attempt: number): number {
  if (attempt === 0) return 0
  return (attempt <= 5 ? 2 ** (attempt - 1) : 16 + 24 * (attempt - 5)) * HOUR_MS
}

/** How many earlier attempts of a credential are looked for: those of about four weeks. */
const MAX_EARLIER_ATTEMPT_COUNT = 30

/** The tokens of the attempts before this one, the latest first; at most 30. */
export function earlierTokens(credential: TokenSource, attempt: number): string[] {
  const attempts = Array.from(
    { length: Math.min(attempt, MAX_EARLIER_ATTEMPT_COUNT) },
    (_, n) => attempt - 1 - n,
  )
  return attempts.map(earlier => tokenFor(credential, earlier))
}

/**
 * The token of the rotation that the policies of a parameter's current version ask for. The token is the same for all of these
 * policies and each of their events, so one version is rotated once.
 */
export const policyTokenFor = (parameter: TokenSource) => tokenFor(parameter, 'policy')

/** A UUID that follows from the credential's current version and the attempt, so that several runs start an attempt once. */
function tokenFor(credential: TokenSource, attempt: number | 'policy'): string {
  const digits = digest(`${identityOf(credential)} ${attempt}`).slice(0, 32)
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

const identityOf = ({ store, id, currentSince }: TokenSource) =>
  `${store} ${id} ${currentSince.toISOString()}`

/** A number from 0 to 1 that follows from the text. */
const fractionOf = (text: string) => Number.parseInt(digest(text).slice(0, 8), 16) / 2 ** 32

/** The options that the tags set; what is wrong with the tags if they cannot be parsed. */
function optionsOf(tags: Tags): Options | InvalidOption {
  try {
    return parseTags(tags, noDeploymentDefaults)
  } catch (error) {
    if (error instanceof InvalidOption) return error
    throw error
  }
}

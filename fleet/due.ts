import { createHash } from 'node:crypto'
import { InvalidOption } from '../rotation/errors.ts'
import { type Options, parseTags } from '../rotation/options.ts'
import type { Scheduled } from './inventory.ts'

const hour = 3_600_000
const day = 24 * hour

/**
 * What is to happen to a credential now. `late` is set where it should have rotated long ago, or never will as its tags
 * are: a day after it could have been, or after its interval if that is shorter.
 */
export type Verdict = { late: boolean } & (
  | { state: 'due'; token: string }
  | { state: 'waiting' }
  | { state: 'skipped'; reason: string }
)

/** Whether a credential is to rotate at the moment `now`, as its tags say. Never throws. */
export function judge(credential: Scheduled, now: Date, defaults: Options): Verdict {
  const { tags, since, nextByService } = credential
  if (nextByService) {
    const late = now.getTime() > nextByService.getTime() + day
    if (!('keyturn:every' in tags)) return { state: 'waiting', late }
    return { state: 'skipped', reason: 'Secrets Manager rotates it on its own schedule', late }
  }
  if (tags['keyturn:managed'] !== 'true')
    return { state: 'skipped', reason: 'it lacks the tag keyturn:managed=true', late: true }
  const options = optionsOf(tags, defaults)
  if (options instanceof InvalidOption) return { state: 'skipped', reason: options.message, late: true }
  const { every, window, jitter = 0 } = options
  if (every === undefined) return { state: 'waiting', late: false }
  // The same part of it whenever we look, and another one for each version and credential.
  const delay = jitter * 1000 * fraction(identity(credential))
  const opens = opening(since.getTime() + every * 1000 + delay, window)
  if (now.getTime() < opens) return { state: 'waiting', late: false }
  const late = now.getTime() > opens + Math.min(every * 1000, day)
  if (opening(now.getTime(), window) > now.getTime()) return { state: 'waiting', late }
  return { state: 'due', token: tokenFor(credential, now.getTime() - opens), late }
}

/** The first moment from `time` on that is inside the window. */
function opening(time: number, window: Options['window']): number {
  if (!window) return time
  const midnight = time - (time % day)
  const minute = (time - midnight) / 60_000
  const { from, to } = window
  const inside = from < to ? minute >= from && minute < to : minute >= from || minute < to
  if (inside) return time
  return midnight + from * 60_000 + (minute < from ? 0 : day)
}

/**
 * The token of the rotation that is due, a UUID. Whoever looks at the same credential gets the same one, so that it
 * rotates once. A rotation that failed changes nothing we look at: what tells its tries apart is how long it has been
 * due. So there is one at once, then after 1, 2, 4, 8 and 16 hours, then once a day.
 */
function tokenFor(credential: Scheduled, overdue: number): string {
  const hours = overdue / hour
  const attempt =
    hours < 1 ? 0 : hours < 16 ? Math.floor(Math.log2(hours)) + 1 : 5 + Math.floor((hours - 16) / 24)
  const digits = digest(`${identity(credential)} ${attempt}`).slice(0, 32)
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

const identity = ({ store, id, since }: Scheduled) => `${store} ${id} ${since.toISOString()}`
const digest = (text: string) => createHash('sha256').update(text).digest('hex')
const fraction = (text: string) => Number.parseInt(digest(text).slice(0, 8), 16) / 2 ** 32

function optionsOf(tags: Record<string, string>, defaults: Options): Options | InvalidOption {
  try {
    return parseTags(tags, defaults)
  } catch (error) {
    if (error instanceof InvalidOption) return error
    throw error
  }
}

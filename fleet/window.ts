import type { Window } from '../rotation/window.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** One time that a window is open: from `opens` on, until before `closes`. */
export type Opening = { opens: number; closes: number }

/**
 * The opening of a window at `time`; where it is closed then, the next one. It belongs to the day on which it opens, and
 * is an hour long at least, whatever is done to the clock meanwhile.
 */
export function openingAt({ from, to, days, zone = 'UTC' }: Window, time: number): Opening {
  // One that is open now may have opened the day before, and the date before that may have been skipped.
  for (let date = dayNumberAt(time, zone) - 2; ; date++) {
    if (days && !days.includes(weekday(date))) continue
    const opens = timeOfLocal(date * DAY_MS + from * MINUTE_MS, zone)
    const closes = timeOfLocal((from < to ? date : date + 1) * DAY_MS + to * MINUTE_MS, zone)
    const opening = { opens, closes: Math.max(closes, opens + HOUR_MS) }
    if (opening.closes > time) return opening
  }
}

/** Days are counted from 1 January 1970, which was a Thursday. */
const weekday = (date: number) => (date + 4) % 7

const dayNumberAt = (time: number, zone: string) => Math.floor((time + offsetAt(time, zone)) / DAY_MS)

/**
 * When the clock shows `local`, which is a date and time in milliseconds as if it were UTC. Of a time that comes twice
 * it is the first; of one that is skipped, the next minute that exists.
 */
function timeOfLocal(local: number, zone: string): number {
  // A day is further than any clock is away from UTC.
  const offsets = [local - DAY_MS, local + DAY_MS].map(time => offsetAt(time, zone))
  const shows = (time: number) => time + offsetAt(time, zone)
  const found = offsets.map(offset => local - offset).filter(time => shows(time) === local)
  if (found.length) return Math.min(...found)
  let before = local - Math.max(...offsets)
  let after = local - Math.min(...offsets)
  while (after - before > MINUTE_MS) {
    const middle = before + Math.floor((after - before) / 2 / MINUTE_MS) * MINUTE_MS
    if (shows(middle) < local) before = middle
    else after = middle
  }
  return after
}

const formatsByZone = new Map<string, Intl.DateTimeFormat>()

/** By how many milliseconds the clock of `zone` is ahead of UTC. */
function offsetAt(time: number, timeZone: string): number {
  if (timeZone === 'UTC') return 0
  const format =
    formatsByZone.get(timeZone) ?? new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' })
  formatsByZone.set(timeZone, format)
  const [, sign, hours = 0, minutes = 0] = /GMT([+-])(\d\d):(\d\d)/.exec(format.format(time)) ?? []
  return (sign === '-' ? -1 : 1) * (Number(hours) * HOUR_MS + Number(minutes) * MINUTE_MS)
}

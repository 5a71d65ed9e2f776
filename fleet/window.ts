import { DAY_MS, HOUR_MS, MINUTE_MS } from '../rotation/timeUnits.ts'
import type { Window } from '../rotation/window.ts'

/** A time for which a window is open: from `opens` until just before `closes`, both in milliseconds since 1970. */
export type Opening = { opens: number; closes: number }

/**
 * The opening of a window at `time`, or the next one if the window is closed then. An opening that lasts past midnight belongs to
 * the day on which it opens. An opening is at least an hour long, also on a day on which clocks are put forward.
 * @param time milliseconds since 1970
 */
export function openingAt({ from, to, days, zone = 'UTC' }: Window, time: number): Opening {
  // An opening at `time` may have begun the day before. Where a time zone has skipped a date, that is two dates earlier.
  for (let date = dayNumberAt(time, zone) - 2; ; date++) {
    if (days && !days.includes(weekday(date))) continue
    const opens = timeOfLocal(date * DAY_MS + from * MINUTE_MS, zone)
    const closes = timeOfLocal((from < to ? date : date + 1) * DAY_MS + to * MINUTE_MS, zone)
    const opening = { opens, closes: Math.max(closes, opens + HOUR_MS) }
    if (opening.closes > time) return opening
  }
}

/** The day of the week, 0 for Sunday, of a day that is counted from 1 January 1970, a Thursday. */
const weekday = (date: number) => (date + 4) % 7

const dayNumberAt = (time: number, zone: string) => Math.floor((time + offsetAt(time, zone)) / DAY_MS)

/**
 * When the clock of a time zone shows `local`, in milliseconds since 1970. `local` is given likewise, as if the clock showed UTC.
 * A time that comes twice, as clocks are put back, means its first occurrence; one that is skipped means the next minute that
 * exists.
 */
function timeOfLocal(local: number, zone: string): number {
  // No time zone is a day or more away from UTC, so a change of its clock at `local` lies between these two times.
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

/** By how many milliseconds the clock of a time zone is ahead of UTC at `time`. */
function offsetAt(time: number, timeZone: string): number {
  if (timeZone === 'UTC') return 0
  const format =
    formatsByZone.get(timeZone) ?? new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' })
  formatsByZone.set(timeZone, format)
  const [, sign, hours = 0, minutes = 0] = /GMT([+-])(\d\d):(\d\d)/.exec(format.format(time)) ?? []
  return (sign === '-' ? -1 : 1) * (Number(hours) * HOUR_MS + Number(minutes) * MINUTE_MS)
}

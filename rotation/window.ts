import * as v from 'valibot'

/**
 * The window in which a rotation that is due may begin. `from` and `to` are minutes since midnight. If `from` is later than
 * `to`, the window lasts over midnight.
 */
export type Window = {
  from: number
  to: number
  /** The days of the week on which the window opens, 0 for Sunday. Unset: every day. */
  days?: number[]
  /** The time zone, by its name in the IANA database. Unset: UTC. */
  zone?: string
}

const MINUTES_PER_DAY = 1440

/** The shortest window. Runs begin at most an hour apart (parameter dueSchedule), and at least one has to begin in each window. */
const MIN_WINDOW_MINUTES = 60

const DAY_NAMES = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const DAY_PATTERN = `(?:${DAY_NAMES.join('|')})`
const DAYS_PATTERN = `${DAY_PATTERN}(?:-${DAY_PATTERN})?`
const TIME_PATTERN = String.raw`(?:[01]\d|2[0-3]):[0-5]\d`
const WINDOW_PATTERN = new RegExp(
  String.raw`^(?:(?<days>${DAYS_PATTERN}(?:\+${DAYS_PATTERN})*) )?(?<from>${TIME_PATTERN})-(?<to>${TIME_PATTERN})(?: (?<zone>[\w/+:-]+))?$`,
)

/** Parses a text such as `02:00-05:00`, `Mon-Fri 02:00-05:00 Europe/Berlin` or `Mon+Wed 22:00-04:00`. */
export const windowSchema = v.pipe(
  v.string(),
  v.regex(WINDOW_PATTERN),
  v.transform((text): Window => {
    const { days, from = '', to = '', zone } = WINDOW_PATTERN.exec(text)?.groups ?? {}
    return {
      from: minutesOf(from),
      to: minutesOf(to),
      ...(days && { days: days.split('+').flatMap(daysIn) }),
      ...(zone && { zone }),
    }
  }),
  v.check(({ from, to }) => (to - from + MINUTES_PER_DAY) % MINUTES_PER_DAY >= MIN_WINDOW_MINUTES),
  v.check(({ zone }) => zone === undefined || isTimeZone(zone)),
)

/** The minutes since midnight of a time such as `05:30`. */
const minutesOf = (time: string) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3))

/** The days of the week in a text such as `Wed` or `Fri-Mon`, 0 for Sunday. */
function daysIn(text: string): number[] {
  const [first = 0, last = first] = text.split('-').map(name => DAY_NAMES.indexOf(name))
  return Array.from({ length: ((last - first + 7) % 7) + 1 }, (_, n) => (first + n) % 7)
}

function isTimeZone(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone })
    return true
  } catch {
    return false
  }
}

import { DAY_SECONDS, HOUR_SECONDS } from '../../rotation/timeUnits.ts'

const TIME_UNITS = [
  { seconds: DAY_SECONDS, name: 'day' },
  { seconds: HOUR_SECONDS, name: 'hour' },
  { seconds: 60, name: 'minute' },
  { seconds: 1, name: 'second' },
]

/**
 * A length of time in words, in the largest unit in which it is a whole number: `90 days`, `36 hours`, `30 minutes`. One day is
 * `24 hours`.
 */
export const formatSpan = (seconds: number): string =>
  inUnits(seconds, unit => seconds % unit === 0 && (unit < DAY_SECONDS || seconds > DAY_SECONDS))

/** An age above `limit`, both in seconds, in words: rounded down in the largest unit in which that is no less than the limit. */
export const formatAge = (seconds: number, limit: number): string =>
  inUnits(seconds, unit => Math.floor(seconds / unit) * unit >= limit)

/** The longest value of the tag keyturn:every that is at most so many seconds: such as `30d`, `12h` or `30m`. */
export function everyTagWithin(seconds: number): string {
  if (seconds >= DAY_SECONDS) return `${Math.floor(seconds / DAY_SECONDS)}d`
  return seconds >= HOUR_SECONDS ? `${Math.floor(seconds / HOUR_SECONDS)}h` : `${Math.floor(seconds / 60)}m`
}

/** The time in the first unit that fits, from days down to seconds, rounded down. */
function inUnits(seconds: number, fits: (unit: number) => boolean): string {
  const { seconds: unit, name } = TIME_UNITS.find(({ seconds }) => fits(seconds)) ?? {
    seconds: 1,
    name: 'second',
  }
  const count = Math.floor(seconds / unit)
  return `${count} ${name}${count === 1 ? '' : 's'}`
}

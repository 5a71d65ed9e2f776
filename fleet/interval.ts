const longest = 3_600_000
const units = { minute: 60_000, hour: longest }

/**
 * The milliseconds between two runs of a schedule, such as `rate(15 minutes)`. An hour where it does not say that, as
 * `cron(…)`: no more is allowed.
 */
export function intervalOf(schedule: string): number {
  const { count, unit } = /^rate\((?<count>\d+) (?<unit>minute|hour)s?\)$/.exec(schedule)?.groups ?? {}
  return unit ? Math.min(longest, Number(count) * units[unit as keyof typeof units]) : longest
}

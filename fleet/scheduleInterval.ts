const LONGEST_INTERVAL_MS = 3_600_000
const UNITS_MS = { minute: 60_000, hour: LONGEST_INTERVAL_MS }

/**
 * The milliseconds between two runs of a schedule, such as `rate(15 minutes)`. An hour where it does not say that, as
 * `cron(…)`: no more is allowed.
 */
export function scheduleIntervalMs(schedule: string): number {
  const { count, unit } = /^rate\((?<count>\d+) (?<unit>minute|hour)s?\)$/.exec(schedule)?.groups ?? {}
  return unit
    ? Math.min(LONGEST_INTERVAL_MS, Number(count) * UNITS_MS[unit as keyof typeof UNITS_MS])
    : LONGEST_INTERVAL_MS
}

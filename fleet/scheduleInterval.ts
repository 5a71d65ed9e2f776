import { HOUR_MS, MINUTE_MS } from '../rotation/timeUnits.ts'

const LONGEST_INTERVAL_MS = HOUR_MS
const UNITS_MS = { minute: MINUTE_MS, hour: HOUR_MS }

/**
 * The milliseconds between two runs of a schedule such as `rate(15 minutes)`; at most an hour, which is the longest interval that
 * a deployment may have. It is an hour as well for a schedule in another form, as `cron(…)`.
 */
export function scheduleIntervalMs(schedule: string): number {
  const { count, unit } = /^rate\((?<count>\d+) (?<unit>minute|hour)s?\)$/.exec(schedule)?.groups ?? {}
  return unit
    ? Math.min(LONGEST_INTERVAL_MS, Number(count) * UNITS_MS[unit as keyof typeof UNITS_MS])
    : LONGEST_INTERVAL_MS
}

import * as v from 'valibot'
import { DAY_SECONDS, SECONDS_PER_UNIT } from './timeUnits.ts'

/** Parses a text such as `90s`, `15m`, `24h` or `7d`, of at most 365 days, into seconds. */
export const durationSchema = v.pipe(
  v.string(),
  v.regex(/^\d{1,9}[smhd]$/),
  v.transform(
    text => Number(text.slice(0, -1)) * SECONDS_PER_UNIT[text.slice(-1) as keyof typeof SECONDS_PER_UNIT],
  ),
  v.maxValue(365 * DAY_SECONDS),
)

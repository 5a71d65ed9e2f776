/** How many seconds an hour has. */
export const HOUR_SECONDS = 3600
/** How many seconds a day has. */
export const DAY_SECONDS = 86_400

/** How many milliseconds a minute has. */
export const MINUTE_MS = 60_000
/** How many milliseconds an hour has. */
export const HOUR_MS = 3_600_000
/** How many milliseconds a day has. */
export const DAY_MS = 86_400_000

/** How many seconds each unit has that a duration such as `90s` or `7d` may be written in. */
export const SECONDS_PER_UNIT = { s: 1, m: 60, h: HOUR_SECONDS, d: DAY_SECONDS }

/** A time in ISO 8601 to the minute, such as `2026-11-30 06:02 UTC`. */
export const minuteOf = (time: string): string => `${time.slice(0, 16).replace('T', ' ')} UTC`

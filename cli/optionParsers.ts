import { InvalidArgumentError } from 'commander'
import { REGION_PATTERN } from '../rotation/regionName.ts'
import { DAY_SECONDS, SECONDS_PER_UNIT } from '../rotation/timeUnits.ts'

/**
 * Parses KEY=VALUE and adds that tag to those `before` it, for an option that may be repeated.
 * @throws InvalidArgumentError
 */
export function collectTag(text: string, before: [string, string][] = []): [string, string][] {
  const [, key = '', value = ''] = /^([^=]+)=(.*)$/s.exec(text) ?? []
  if (!key) throw new InvalidArgumentError('It should be KEY=VALUE.')
  return [...before, [key, value]]
}

/** Parses a whole number from 1 to 10000. @throws InvalidArgumentError */
export function parseCount(text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1 || number > 10_000)
    throw new InvalidArgumentError('It should be a whole number from 1 to 10000.')
  return number
}

/** Parses a duration such as 90m, 24h or 7d. @returns seconds. @throws InvalidArgumentError */
export function parseSeconds(text: string): number {
  const seconds = secondsIn(text, /^(\d{1,6})([mhd])$/)
  if (!(seconds > 0 && seconds <= 400 * DAY_SECONDS))
    throw new InvalidArgumentError('It should be a whole number with m, h or d, such as 24h; 400d at most.')
  return seconds
}

/**
 * The seconds of a duration.
 * @param form has a group for the number, and one for the unit
 * @returns NaN if the text has another form
 */
export function secondsIn(text: string, form: RegExp): number {
  const [, number = '', unit = ''] = form.exec(text) ?? []
  return Number(number) * SECONDS_PER_UNIT[unit as keyof typeof SECONDS_PER_UNIT]
}

/** Parses the Region of an option. @throws InvalidArgumentError */
export function parseRegion(text: string): string {
  if (!REGION_PATTERN.test(text))
    throw new InvalidArgumentError('It should be a Region, such as eu-central-1.')
  return text
}

import { InvalidArgumentError } from 'commander'

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
  const [, number = '', unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? []
  const asSeconds = Number(number) * { m: 60, h: 3600, d: 86_400 }[unit as 'm' | 'h' | 'd']
  if (!(asSeconds > 0 && asSeconds <= 400 * 86_400))
    throw new InvalidArgumentError('It should be a whole number with m, h or d, such as 24h; 400d at most.')
  return asSeconds
}

/** Parses the Region of an option. @throws InvalidArgumentError */
export function parseRegion(text: string): string {
  if (!/^[a-z]{2}(-[a-z]+)+-\d$/.test(text))
    throw new InvalidArgumentError('It should be a Region, such as eu-central-1.')
  return text
}

import type { Comparison } from './costReport.ts'

/** The name of each store, for a reader. */
export const STORE_TITLES: Record<Comparison['store'], string> = {
  'secrets-manager': 'Secrets Manager',
  'parameter-store': 'Parameter Store',
}

/** A number with at most three significant digits, but with all digits before the point: such as `1,234` and `0.00292`. */
export const formatQuantity = (value: number): string =>
  value.toLocaleString('en-US', {
    maximumSignificantDigits: Math.max(3, Math.ceil(Math.log10(value + 1))),
  })

import type { Comparison } from './costReport.ts'

export const STORE_TITLES: Record<Comparison['store'], string> = {
  'secrets-manager': 'Secrets Manager',
  'parameter-store': 'Parameter Store',
}

/** Such as `1,234` and `0.00292`: three digits that say something, and whole numbers as they are. */
export const formatQuantity = (value: number): string =>
  value.toLocaleString('en-US', {
    maximumSignificantDigits: Math.max(3, Math.ceil(Math.log10(value + 1))),
  })

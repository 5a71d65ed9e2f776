import type { Amount } from '../../cost/costReport.ts'
import type { CredentialRow, Severity } from '../report.ts'
import { html, type Markup } from './markup.ts'

const dollarFormat = new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD' })

/** Such as `$1,234.50`. What is there but less than half a cent is not called nothing. */
export const formatDollars = (value: number): string =>
  value > 0 && value < 0.005 ? '<\u00a0$0.01' : dollarFormat.format(value)

/** What is not confirmed stands apart, behind a tilde. */
export const formatAmount = ({ confirmed, estimated }: Amount): string => {
  if (estimated === 0) return formatDollars(confirmed)
  return confirmed === 0
    ? `~${formatDollars(estimated)}`
    : `${formatDollars(confirmed)} + ~${formatDollars(estimated)}`
}

const exactDollarFormat = new Intl.NumberFormat('en-US', {
  style: 'currency',
  currency: 'USD',
  maximumFractionDigits: 10,
})

/** A price, with every digit that it has: many are fractions of a cent. */
export const formatPrice = (value: number): string => exactDollarFormat.format(value)

/** The day of a moment. */
export const dayOf = (moment: string): string => moment.slice(0, 10)

/** Such as `2026-11-30 06:02 UTC`. */
export const minuteOf = (moment: string): string => `${moment.slice(0, 16).replace('T', ' ')} UTC`

export const KIND_NAMES: Record<CredentialRow['kind'], { one: string; many: string }> = {
  primary: { one: 'Secret', many: 'Secrets' },
  replica: { one: 'Replica', many: 'Replicas' },
  parameter: { one: 'Parameter', many: 'Parameters' },
}

export const SEVERITY_NAMES: Record<Severity, string> = {
  critical: 'Critical',
  high: 'High',
  medium: 'Medium',
  low: 'Low',
}

/** A severity, as a mark. Its word is what counts; its colour only helps. */
export const severityMark = (severity: Severity): Markup =>
  html`<span class="mark ${severity}">${SEVERITY_NAMES[severity]}</span>`

/** Whether it is older than its policy allows; undefined: the policy says nothing of it, or its age is not known. */
export const isOverAge = ({ kind, ageDays, maxAgeDays }: CredentialRow): boolean | undefined =>
  kind === 'replica' || ageDays === undefined || maxAgeDays === undefined ? undefined : ageDays > maxAgeDays

/** Whether its last rotation did not go well. */
export const hasLastRotationFailed = ({ lastOutcome }: CredentialRow): boolean =>
  lastOutcome !== undefined && !['rotated', 'running'].includes(lastOutcome)

/** The columns of the table of credentials. */
export const CREDENTIAL_COLUMNS = [
  'Credential',
  'Team',
  'Server',
  'Age, days',
  'Value since',
  'Next',
  'Last read',
  'USD a month',
  'Findings',
]

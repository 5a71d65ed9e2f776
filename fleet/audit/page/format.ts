import type { Amount } from '../../cost/costReport.ts'
import type { CredentialRow, Severity } from '../report.ts'
import { html, type Markup } from './markup.ts'

const dollarFormat = new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD' })

/** Such as `$1,234.50`. An amount of less than half a cent is `< $0.01`, so that it does not look like nothing. */
export const formatDollars = (value: number): string =>
  value > 0 && value < 0.005 ? '<\u00a0$0.01' : dollarFormat.format(value)

/** Such as `$12.00 + ~$3.50`: the estimated part of an amount follows a tilde. A part that is 0 is left out. */
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

/** A price with all of its digits, as many prices are fractions of a cent. */
export const formatPrice = (value: number): string => exactDollarFormat.format(value)

/** The day of a time in ISO 8601, such as `2026-11-30`. */
export const dayOf = (moment: string): string => moment.slice(0, 10)

/** What a credential of each kind is called, and what several are. */
export const KIND_NAMES: Record<CredentialRow['kind'], { one: string; many: string }> = {
  primary: { one: 'Secret', many: 'Secrets' },
  replica: { one: 'Replica', many: 'Replicas' },
  parameter: { one: 'Parameter', many: 'Parameters' },
}

/** The name of each severity, for a reader. */
export const SEVERITY_NAMES: Record<Severity, string> = {
  critical: 'Critical',
  high: 'High',
  medium: 'Medium',
  low: 'Low',
}

/** A severity as a coloured label. Its text has the whole meaning, so that nobody needs to see the colour. */
export const severityMark = (severity: Severity): Markup =>
  html`<span class="mark ${severity}">${SEVERITY_NAMES[severity]}</span>`

/** Whether a credential is older than the policy allows; undefined if it has no limit, its age is not known, or it is a replica. */
export const isOverAge = ({ kind, ageDays, maxAgeDays }: CredentialRow): boolean | undefined =>
  kind === 'replica' || ageDays === undefined || maxAgeDays === undefined ? undefined : ageDays > maxAgeDays

/** Whether the last rotation of a credential ended without success. */
export const hasLastRotationFailed = ({ lastOutcome }: CredentialRow): boolean =>
  lastOutcome !== undefined && !['rotated', 'running'].includes(lastOutcome)

/** The heads of the columns of the table of credentials. */
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

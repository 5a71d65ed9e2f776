import type { StoreName } from '../../rotation/stores/store.ts'
import type { CostReport } from '../cost/costReport.ts'
import type { DayOfRotations } from './facts.ts'

export const SEVERITIES = ['critical', 'high', 'medium', 'low'] as const
export type Severity = (typeof SEVERITIES)[number]

/** One credential, or the deployment in a Region, that a rule is broken by. */
export type Finding = {
  /** The rule's id. */
  rule: string
  severity: Severity
  /** `unread`: the rule could not be looked at, as a fact that it needs could not be read. */
  status: 'found' | 'unread'
  region: string
  /** Unset: the finding is about the deployment in that Region. */
  credential?: { store: StoreName; name: string; arn: string }
  team?: string
  /** One sentence: what was found, with the dates and names that it was found by. */
  detail: string
  /** Whom it is open to, of a rule about that: one more of them is news, though the rule was broken before. */
  opensTo?: string[]
  /** A command to paste, or one sentence where no command helps. */
  remedy: string
  /** An exception of the policy that holds on the day of the audit: such a finding is listed, and does not count. */
  excepted?: { until: string; reason: string }
  /** With a baseline: whether it was not there. */
  isNew?: boolean
}

/** What a rule is, as it is printed and published. */
export type RuleText = { id: string; title: string; severity: Severity; why: string; references: string[] }

/** A credential as the page and the CSV list it. */
export type CredentialRow = {
  store: StoreName
  kind: 'primary' | 'replica' | 'parameter'
  region: string
  name: string
  arn: string
  team?: string
  engine?: string
  strategy?: string
  host?: string
  /** When its current version came to be, and by what that is known. */
  rotatedAt?: string
  rotatedBy?: 'table' | 'version' | 'last-rotated' | 'last-changed'
  /** Whole days, but for what may not get a whole number of days old. */
  ageDays?: number
  /** What the policy allows; unset: the policy says nothing of it. */
  maxAgeDays?: number
  next?: string
  lastOutcome?: string
  /** The last day that somebody else than Keyturn read it, if that is known; `never` in the window that was looked at. */
  lastRead?: string
  /** What it costs a month in USD. */
  monthly?: number
  /** How many findings count, by severity. */
  findings: Partial<Record<Severity, number>>
}

/** The audit's result: what `--json` prints and the page shows. A published format: docs/audit.md has its schema. */
export type AuditReport = {
  format: 'keyturn-audit/1'
  moment: string
  account: string
  stage: string
  /** The Regions that were looked at. */
  regions: string[]
  /** The same in a sentence, which also says that no other was, and where replicas alone were. */
  scope?: string
  counts: {
    credentials: number
    secrets: number
    replicas: number
    parameters: number
    /** Parameters that hold no credential. They are looked at too, but are in none of the other numbers, and have no row. */
    otherParameters?: number
    /** Findings with the status `found` that no exception covers. */
    findings: Record<Severity, number>
    unread: number
    excepted: number
  }
  /** What the policy asks of a credential that no section of it is for, in a line. */
  policy?: string
  rules: RuleText[]
  /** The worst first. */
  findings: Finding[]
  /** With a baseline: its findings that are there no more, as they stood in it. */
  gone?: Finding[]
  credentials: CredentialRow[]
  days: DayOfRotations[]
  /** Per Region: since when every read is known; unset: not known. */
  readsKnownSince: Record<string, string>
  cost?: CostReport
}

import type { StoreName } from '../../rotation/stores/store.ts'
import type { CostReport } from '../cost/costReport.ts'
import type { DayOfRotations } from './facts.ts'

/** How bad a finding is, the worst first. */
export const SEVERITIES = ['critical', 'high', 'medium', 'low'] as const
/** One of SEVERITIES. */
export type Severity = (typeof SEVERITIES)[number]

/** A rule that is broken, or could not be checked, for one credential or for the deployment in a Region. */
export type Finding = {
  /** The rule's id. */
  rule: string
  severity: Severity
  /** `unread`: the rule could not be checked, as a fact that it needs could not be read. */
  status: 'found' | 'unread'
  region: string
  /** Unset if the finding is about the deployment in the Region. */
  credential?: { store: StoreName; name: string; arn: string }
  team?: string
  /** What was found, with its dates and names, in one sentence. Of an `unread` finding, why the fact could not be read. */
  detail: string
  /** Who has access, for a rule about access. If somebody is added, the finding counts as new though the rule was broken before. */
  opensTo?: string[]
  /** A command to paste, or a sentence where no command helps. */
  remedy: string
  /** The exception of the policy that covers the finding on the day of the audit. The finding is listed, but does not count. */
  excepted?: { until: string; reason: string }
  /** Whether the finding, or somebody in `opensTo`, is not in the baseline; unset if the audit has no baseline. */
  isNew?: boolean
}

/** A rule in words, as it is printed and published. */
export type RuleText = { id: string; title: string; severity: Severity; why: string; references: string[] }

/** A credential as the page and the CSV list it. What is not known is unset. */
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
  /** When its password was stored. */
  rotatedAt?: string
  /** Where that date comes from: AGE_SOURCES in age.ts has the words. */
  rotatedBy?: 'table' | 'version' | 'last-rotated' | 'last-changed'
  /** The age in whole days, or in hundredths of a day where the allowed age is not a whole number of days. */
  ageDays?: number
  /** The age that the policy allows; unset if the policy allows any, or `ageDays` is unset. */
  maxAgeDays?: number
  /** When it is to rotate next. */
  next?: string
  /** How its newest rotation ended. */
  lastOutcome?: string
  /**
   * The last day on which somebody other than Keyturn read it; or the last day on which anybody did, if that is longer ago than the
   * policy's unread-after; `never` if nobody other than Keyturn did in the time that was looked at.
   */
  lastRead?: string
  /** What it costs a month in US dollars. */
  monthly?: number
  /** How many findings count, by severity; severities without one are left out. */
  findings: Partial<Record<Severity, number>>
}

/** The result of an audit: what `keyturn audit --json` prints and the page shows. The format is published: docs/audit.md. */
export type AuditReport = {
  format: 'keyturn-audit/1'
  moment: string
  account: string
  stage: string
  /** The Regions that were looked at. */
  regions: string[]
  /** The Regions in a sentence, which also says in which of them only replicas were looked at. */
  scope?: string
  counts: {
    credentials: number
    secrets: number
    replicas: number
    parameters: number
    /** Parameters that hold no credential. They are judged too, but are in no other number, and have no row. */
    otherParameters?: number
    /** Findings with the status `found` that no exception covers, by severity. */
    findings: Record<Severity, number>
    /** Findings with the status `unread` that no exception covers. */
    unread: number
    /** Findings that an exception covers. */
    excepted: number
  }
  /** What the policy asks of a credential for which it has no section, in a line. */
  policy?: string
  rules: RuleText[]
  /** All findings, the worst first. */
  findings: Finding[]
  /** The findings of the baseline that are gone, as they are in it; unset if the audit has no baseline. */
  gone?: Finding[]
  credentials: CredentialRow[]
  days: DayOfRotations[]
  /** For each Region, the time since which every read is known; Regions of which that is not known are left out. */
  readsKnownSince: Record<string, string>
  cost?: CostReport
}

import type { StoreName } from '../../rotation/stores/store.ts'
import type { Tags } from '../../rotation/tags.ts'
import type { EditRecord } from '../records/editRecord.ts'
import type { Outcome, Retirement } from '../records/rotationRecord.ts'

/**
 * The answer to one question: what was found, or in one line, why it could not be read. A rule that needs an unread fact has to
 * report that, and may not take it for "fine".
 */
export type Fact<Found> = { is: Found } | { unread: string }

/** All that one audit judges by. It can be stored as JSON, and has no secret value. Every time in it is ISO 8601 in UTC. */
export type Facts = {
  /** When the audit began, by AWS's clock. All ages are ages at this moment, however long the gathering took. */
  moment: string
  account: string
  stage: string
  /** The Region of the stack. */
  region: string
  /** The facts of each Region that was looked at, by its name: the stack's, its peers', and those that only have replicas. */
  regions: Record<string, RegionFacts>
  /** Every secret and parameter of these Regions, replicas included; sorted by Region, store and name. */
  credentials: CredentialFacts[]
  /** The rotations of all Regions that ended in the ninety days before the moment, by UTC day, the oldest first. */
  days: Fact<DayOfRotations[]>
}

/** What is known of a Region, beside its credentials. */
export type RegionFacts = {
  /** The stack of the audit's stage; undefined if the Region has none. */
  stack: Fact<StackFacts | undefined>
  /** Which of the Region's secrets are among the credentials: in a Region that only has replicas, only the replicas are. */
  secrets: Fact<'all' | 'replicas'>
  /** Which of the Region's parameters are among the credentials: none of a Region that only has replicas. */
  parameters: Fact<'all' | 'none'>
  /** The rotation functions that the secrets name, by ARN; undefined for a function that does not exist. */
  functions: Record<string, Fact<FunctionFacts | undefined>>
  /** To whom each secret is open, by its ARN, as IAM Access Analyzer finds; undefined if the Region has no analyzer. */
  exposed: Fact<Record<string, string> | undefined>
  /** How much CloudTrail was asked about reads. */
  sweep: Fact<SweepFacts>
  /** How many subscriptions of the alarms' topic are confirmed; undefined if there is no stack. */
  subscribers: Fact<number | undefined>
}

/** A stack of Keyturn. */
export type StackFacts = {
  name: string
  /** The version of Keyturn that was deployed. */
  version: string
  /** ARN of the stack's function rotateSecret, which secrets name as their rotation function. */
  rotateSecret: string
  /** Names of the IAM roles that the stack made. Reads by these roles are reads by Keyturn. */
  roles: string[]
  /** The schedule of its runs, such as `rate(15 minutes)`: the stack's output DueSchedule. */
  dueSchedule?: string
}

/** A rotation function, as Lambda describes it. */
export type FunctionFacts = { runtime?: string; state?: string; lastModified?: string }

/** How much of a Region's reads a sweep of CloudTrail has seen. */
export type SweepFacts = {
  /** The sweep has seen every read between this time and the audit's moment. */
  completeSince: string
  /** How far back the sweep was to look. */
  wantedSince: string
  /** How many events were read. */
  events: number
  /** How many events could not be parsed but may be successful reads; unset if none. */
  lost?: number
}

/** A secret or a parameter. */
export type CredentialFacts = SecretFacts | ParameterFacts

type CommonFacts = {
  store: StoreName
  region: string
  arn: string
  name: string
  tags: Fact<Tags>
  /** When its current version was made, as far as the store tells, and where that date comes from; unset if it has no value. */
  current?: { at: string; by: 'version' | 'last-rotated' | 'last-changed' }
  /** The customer's KMS key; unset if it is encrypted with the key that AWS manages, or not at all. */
  keyId?: string
  /** The resource policy, as JSON; undefined if it has none. */
  policy: Fact<string | undefined>
  /** What the table of rotations has of it. For a credential that is not in the table, `rotations` is empty. */
  history: Fact<HistoryFacts>
  /** Who read it in the time of the sweep, by CloudTrail. */
  readers: Reader[]
}

/** A secret of Secrets Manager, as a primary or a replica. */
export type SecretFacts = CommonFacts & {
  store: 'secrets-manager'
  created?: string
  /** The Region of the primary, if this is a replica. */
  primaryRegion?: string
  /** The service of AWS that manages the secret, such as rds. */
  owningService?: string
  /** Secrets Manager's own schedule: the rotation function's ARN, the interval, and the dates of the last and the next rotation. */
  rotation: {
    enabled: boolean
    functionArn?: string
    schedule?: string
    everyDays?: number
    last?: string
    next?: string
  }
  /** The day on which it was last read in this Region, whoever read it. The service gives no time. */
  lastAccessed?: string
  /** The staging labels of each version that has some, by version id. */
  labels: Record<string, string[]>
  /** When the version that is pending and not current was made; undefined if nothing is pending. */
  pendingSince: Fact<string | undefined>
  /** The replicas of a primary; none for a replica. */
  replicas: Fact<ReplicaFacts[]>
}

/** A replica, as its primary describes it. */
export type ReplicaFacts = {
  region: string
  status: string
  message?: string
  lastAccessed?: string
  keyId?: string
}

/** A parameter of Parameter Store. */
export type ParameterFacts = CommonFacts & {
  store: 'parameter-store'
  type: 'String' | 'StringList' | 'SecureString'
  tier: 'Standard' | 'Advanced' | 'Intelligent-Tiering'
  /** When its newest version was written. */
  changed?: string
  /** The types of its parameter policies, such as Expiration. */
  policies: string[]
  /** When its pending version was made; undefined if nothing is pending. */
  pendingSince: Fact<string | undefined>
}

/** The newest rotations of a credential in the table, at most ten, the newest first; and the latest edit of its value. */
export type HistoryFacts = { rotations: RotationFacts[]; edit?: EditFacts }

/** An edit: it made a version that has the password of the replaced one. `passwordSince` is when the replaced one was made. */
export type EditFacts = Pick<EditRecord, 'version' | 'made' | 'passwordSince'>

/** A rotation in the table: fields of RotationRecord. */
export type RotationFacts = {
  began: string
  ended?: string
  outcome: Outcome
  milliseconds?: number
  error?: string
  step?: string
  strategy?: string
  engine?: string
  host?: string
  user?: string
  /** ARN of the admin's secret that the value names. */
  admin?: string
  retirement?: Retirement
  openUntil?: string
  behindSince?: string
  execution: string
}

/** How many rotations of one day succeeded, and how many did not. */
export type DayOfRotations = {
  /** Such as `2026-11-30`, in UTC. */
  day: string
  rotated: number
  failed: number
  /** The median duration of those that succeeded. */
  medianMilliseconds?: number
}

/** One principal's reads of one credential. */
export type Reader = {
  /**
   * ARN of the user, or of the role that was assumed; or the name of an AWS service; or `account NUMBER ID` for a caller of another
   * account whose ARN AWS does not tell.
   */
  principal: string
  /** Whether the principal is a role of Keyturn's own stacks. */
  own: boolean
  reads: number
  /** How many calls AWS refused. */
  denied: number
  /** The time of the first read; if all calls were refused, of the first call. */
  first: string
  /** The time of the last read; if all calls were refused, of the last call. */
  last: string
  /** The names of the role's newest sessions, at most five. */
  sessions: string[]
}

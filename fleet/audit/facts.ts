import type { StoreName } from '../../rotation/stores/store.ts'
import type { Tags } from '../../rotation/tags.ts'
import type { EditRecord } from '../records/editRecord.ts'
import type { Outcome, Retirement } from '../records/rotationRecord.ts'

/**
 * What was asked for: what was found, or why it could not be read, in one line. Whoever judges by a fact that could not be
 * read has to say so: such a fact is never "fine".
 */
export type Fact<Found> = { is: Found } | { unread: string }

/** All that one audit judges by. It is JSON, holds no value of any credential, and every time in it is ISO 8601 in UTC. */
export type Facts = {
  /** When the audit began, by AWS's own clock. All ages count to it, however long the gathering took. */
  moment: string
  account: string
  stage: string
  /** The Region of the stack that was asked. */
  region: string
  /** That Region, those of its peers, and those that only hold replicas, by name. */
  regions: Record<string, RegionFacts>
  /** Every secret and parameter, replicas included; sorted by Region, store and name. */
  credentials: CredentialFacts[]
  /** The rotations that ended in the ninety days before the moment, by UTC day, oldest first; of all Regions. */
  days: Fact<DayOfRotations[]>
}

/** What is known of a Region, beside its credentials. */
export type RegionFacts = {
  /** Undefined: Keyturn has no stack of this stage there. */
  stack: Fact<StackFacts | undefined>
  /**
   * What of its secrets and its parameters is among the credentials. Of a Region that is known by replicas alone, these are looked
   * at and nothing else.
   */
  secrets: Fact<'all' | 'replicas'>
  parameters: Fact<'all' | 'none'>
  /** Of the functions that secrets name as their rotation function, by ARN; undefined: there is no such function. */
  functions: Record<string, Fact<FunctionFacts | undefined>>
  /** ARNs of secrets that Access Analyzer says are open to others, each with whom it names; undefined: no analyzer. */
  exposed: Fact<Record<string, string> | undefined>
  /** What CloudTrail was asked about reads. */
  sweep: Fact<SweepFacts>
  /** How many of the alarm topic's subscribers have confirmed; undefined: no stack. */
  subscribers: Fact<number | undefined>
}

export type StackFacts = {
  name: string
  version: string
  /** ARN of this stack's rotateSecret, which secrets name as their rotation function. */
  rotateSecret: string
  /** Names of the roles that the stack made: who reads as one of them is Keyturn. */
  roles: string[]
  /** How often it looks what is due, as its output DueSchedule says. */
  dueSchedule?: string
}

export type FunctionFacts = { runtime?: string; state?: string; lastModified?: string }

export type SweepFacts = {
  /** Every read from then to the audit's moment was seen. */
  completeSince: string
  /** How far back the sweep was to look. */
  wantedSince: string
  events: number
  /** Events that may be reads that went well, of nobody knows what; unset: none. */
  unreadable?: number
}

export type CredentialFacts = SecretFacts | ParameterFacts

type CommonFacts = {
  store: StoreName
  region: string
  arn: string
  name: string
  tags: Fact<Tags>
  /** When its current version was made: by that version's own date if it was asked for, else by what the list says. */
  current?: { at: string; by: 'version' | 'last-rotated' | 'last-changed' }
  /** The customer's KMS key; unset: the key that AWS manages. */
  keyId?: string
  /** The resource policy, as JSON; undefined: it has none. */
  policy: Fact<string | undefined>
  /** What the table of rotations knows. A credential that it does not know has `rotations: []`. */
  history: Fact<HistoryFacts>
  /** Who read it within the sweep, by CloudTrail. */
  readers: Reader[]
}

export type SecretFacts = CommonFacts & {
  store: 'secrets-manager'
  created?: string
  /** Of a replica: where its primary is. */
  primaryRegion?: string
  /** The service of AWS that manages it, such as rds. */
  owningService?: string
  rotation: {
    enabled: boolean
    functionArn?: string
    schedule?: string
    everyDays?: number
    last?: string
    next?: string
  }
  /** A day: the service tells no more. Of this Region alone. */
  lastAccessed?: string
  /** The labels of each version that has one. */
  labels: Record<string, string[]>
  /** When the version that is pending and not current was made; `is: undefined`: nothing is pending. */
  pendingSince: Fact<string | undefined>
  /** Of a primary: what it says of each of its replicas. */
  replicas: Fact<ReplicaFacts[]>
}

export type ReplicaFacts = {
  region: string
  status: string
  message?: string
  lastAccessed?: string
  keyId?: string
}

export type ParameterFacts = CommonFacts & {
  store: 'parameter-store'
  type: 'String' | 'StringList' | 'SecureString'
  tier: 'Standard' | 'Advanced' | 'Intelligent-Tiering'
  /** When its newest version was written. */
  changed?: string
  /** The types of its parameter policies, such as Expiration. */
  policies: string[]
  /** Since when something is pending of it; `is: undefined`: nothing is. */
  pendingSince: Fact<string | undefined>
}

/** The newest rotations that the table has of a credential: ten at most, the newest first; and the latest edit of its value. */
export type HistoryFacts = { rotations: RotationFacts[]; edit?: EditFacts }

/** A version with the password of the one that it replaced, of which `passwordSince` is the date. */
export type EditFacts = Pick<EditRecord, 'version' | 'made' | 'passwordSince'>

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

export type DayOfRotations = {
  day: string
  rotated: number
  failed: number
  /** Of those that went well. */
  medianMilliseconds?: number
}

/** One principal's reads of one credential. */
export type Reader = {
  /**
   * ARN of the user, or of the role that was assumed; or the name of an AWS service; or `account NUMBER ID` of a caller of
   * another account, of which AWS tells no more.
   */
  principal: string
  /** Whether that is a role of this deployment. */
  own: boolean
  reads: number
  /** Tries that AWS refused. */
  denied: number
  /** When it first and last read; of who was refused each time, when it first and last tried. */
  first: string
  last: string
  /** The newest names of the role's sessions, five at most. */
  sessions: string[]
}

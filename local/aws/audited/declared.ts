import type * as aws from '@aws-sdk/client-secrets-manager'
import type { Outcome, RotationRecord } from '../../../fleet/records/rotationRecord.ts'

/** A policy's text, or what is written as JSON. */
type Policy = string | object

/** A rotation in the table: what is left out follows from the credential. Times are ISO 8601. */
export type DeclaredRotation = Partial<RotationRecord> & { began: string; outcome: Outcome }

export type DeclaredSecret = {
  name: string
  /** What stands behind the name in the ARN; follows from the name without it. */
  suffix?: string
  /** A hundred days before the moment without it. */
  created?: string
  changed?: string
  /** The service tells the day alone. */
  accessed?: string
  tags?: Record<string, string>
  keyId?: string
  policy?: Policy
  owningService?: string
  /** `functionArn` is that of this Region's stack without it; null: there is none. */
  rotation?: {
    enabled?: boolean
    functionArn?: string | null
    schedule?: string
    everyDays?: number
    last?: string
    next?: string
  }
  /** Without them: one that is current, made when the secret last changed. */
  versions?: { id: string; created: string; labels: string[] }[]
  /** When a version was made that is pending, beside those of `versions`. */
  pending?: string
  /** Each is also a secret of that Region, unless `held` is false. */
  replicas?: {
    region: string
    status?: aws.StatusType
    message?: string
    keyId?: string
    accessed?: string
    held?: boolean
    /** Of the replica itself; the primary's without them. */
    versions?: DeclaredSecret['versions']
    policy?: Policy
  }[]
  rotations?: DeclaredRotation[]
  /** Whom Access Analyzer names; `*` is everybody. With it the Region has an analyzer. */
  exposedTo?: string
}

export type DeclaredParameter = {
  name: string
  type?: 'String' | 'StringList' | 'SecureString'
  tier?: 'Standard' | 'Advanced' | 'Intelligent-Tiering'
  /** A hundred days before the moment without it. */
  changed?: string
  keyId?: string
  /** The types of its policies, such as Expiration. */
  policies?: string[]
  /** What others may read it by. */
  resourcePolicies?: Policy[]
  tags?: Record<string, string>
  rotations?: DeclaredRotation[]
}

/** A record as CloudTrail writes it; what is left out is a call by a user that went well. */
export type DeclaredEvent = {
  eventName: string
  /** ISO 8601. */
  eventTime: string
  eventSource?: string
  userIdentity?: object
  requestParameters?: object | null
  errorCode?: string
} & Record<string, unknown>

export type DeclaredStack = {
  /** Of Keyturn; the one of this project without it. */
  version?: string
  /** Beside those of rotate's functions. */
  roles?: string[]
  outputs?: Record<string, string>
  /** ARNs of the alarm topic's subscriptions, or what SNS says in place of one, as `PendingConfirmation`. */
  subscriptions?: string[]
}

export type DeclaredRegion = {
  /** Whether Keyturn is deployed there: without it, in the first Region alone. */
  stack?: boolean | DeclaredStack
  secrets?: DeclaredSecret[]
  parameters?: DeclaredParameter[]
  /** Beside the stack's own; the runtime is nodejs24.x without it. */
  functions?: { name: string; runtime?: string; state?: string }[]
  /** What CloudTrail has of the Region, in any order. */
  events?: DeclaredEvent[]
  /** Of credentials that are no more, or that failed before they were read. */
  rotations?: RotationRecord[]
  /** Whether there is an analyzer of Access Analyzer. */
  analyzer?: boolean
}

/** An account as a test writes it down. */
export type DeclaredAccount = {
  /** What AWS's clock shows, ISO 8601; it stands still. */
  moment: string
  account?: string
  stage?: string
  regions: Record<string, DeclaredRegion>
}

import type * as aws from '@aws-sdk/client-secrets-manager'
import type { Outcome, RotationRecord } from '../../../fleet/records/rotationRecord.ts'

/** The text of a policy, or an object that is written as JSON. */
type Policy = string | object

/** A rotation in the table of records. What is left out follows from the credential. Times are ISO 8601. */
export type DeclaredRotation = Partial<RotationRecord> & { began: string; outcome: Outcome }

/** A secret as a test declares it. Times are ISO 8601; what is left out has a default. */
export type DeclaredSecret = {
  name: string
  /** The six characters behind the name in the ARN. By default they follow from the name. */
  suffix?: string
  /** By default a hundred days before the account's time. */
  created?: string
  /** By default the same as `created`. */
  changed?: string
  /** When its value was last read. Secrets Manager tells the day only. */
  accessed?: string
  tags?: Record<string, string>
  keyId?: string
  policy?: Policy
  owningService?: string
  /** The schedule. By default `functionArn` is the function of this Region's stack; null means none. */
  rotation?: {
    enabled?: boolean
    functionArn?: string | null
    schedule?: string
    everyDays?: number
    last?: string
    next?: string
  }
  /** By default one version, which is current and was made when the secret last changed. */
  versions?: { id: string; created: string; labels: string[] }[]
  /** With it there is a pending version beside `versions`, made at this time. */
  pending?: string
  /** Each replica is also found as a secret of its own Region, unless `held` is false. */
  replicas?: {
    region: string
    status?: aws.StatusType
    message?: string
    keyId?: string
    accessed?: string
    held?: boolean
    /** By default those of the primary. */
    versions?: DeclaredSecret['versions']
    policy?: Policy
  }[]
  rotations?: DeclaredRotation[]
  /** The principal that Access Analyzer finds may read the secret; `*` is everybody. With it the Region has an analyzer. */
  exposedTo?: string
}

/** A parameter as a test declares it. */
export type DeclaredParameter = {
  name: string
  type?: 'String' | 'StringList' | 'SecureString'
  tier?: 'Standard' | 'Advanced' | 'Intelligent-Tiering'
  /** By default a hundred days before the account's time. */
  changed?: string
  keyId?: string
  /** The types of its parameter policies, such as Expiration. */
  policies?: string[]
  /** The policies by which other accounts may read the parameter. */
  resourcePolicies?: Policy[]
  tags?: Record<string, string>
  rotations?: DeclaredRotation[]
}

/** A record of CloudTrail. What is left out has the values of a successful call by an IAM user. */
export type DeclaredEvent = {
  eventName: string
  /** ISO 8601. */
  eventTime: string
  eventSource?: string
  userIdentity?: object
  requestParameters?: object | null
  errorCode?: string
} & Record<string, unknown>

/** Keyturn's stack in a Region as a test declares it. */
export type DeclaredStack = {
  /** Keyturn's version. By default that of this project. */
  version?: string
  /** Names of further roles, beside those of createSecret, setSecret, testSecret and findDue. */
  roles?: string[]
  /** Further outputs, or other values of those that a stack has. */
  outputs?: Record<string, string>
  /** ARNs of the alarm topic's subscriptions, or what SNS says in place of an ARN, such as `PendingConfirmation`. */
  subscriptions?: string[]
}

/** A Region as a test declares it. */
export type DeclaredRegion = {
  /** Whether Keyturn is deployed there. By default that is so in the first Region only. */
  stack?: boolean | DeclaredStack
  secrets?: DeclaredSecret[]
  parameters?: DeclaredParameter[]
  /** Lambda functions beside the stack's own. The default runtime is nodejs24.x. */
  functions?: { name: string; runtime?: string; state?: string }[]
  /** CloudTrail's records of the Region, in any order. */
  events?: DeclaredEvent[]
  /** Records of credentials that were deleted, or of rotations that failed before they read their credential. */
  rotations?: RotationRecord[]
  /** Whether Access Analyzer has an analyzer. By default it has if a secret has `exposedTo`. */
  analyzer?: boolean
}

/** An account as a test declares it. */
export type DeclaredAccount = {
  /** What AWS's clock shows, as ISO 8601. This clock stands still. */
  moment: string
  /** The account's id. */
  account?: string
  /** The stage of all stacks. By default `dev`. */
  stage?: string
  /** By name. */
  regions: Record<string, DeclaredRegion>
}

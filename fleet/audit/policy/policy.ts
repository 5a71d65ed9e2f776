import type { StoreName } from '../../../rotation/stores/store.ts'
import { DAY_SECONDS } from '../../../rotation/timeUnits.ts'
import { DEFAULT_TEAM_TAGS } from '../team.ts'

/** What a policy asks of a credential. Durations are in seconds. */
export type Settings = {
  /** How old a value may become; `never` allows any age. */
  maxAge: number | 'never'
  /** Whether the credential has to be rotated automatically. */
  mustRotate: boolean
  /** After how long without a read by others than Keyturn it counts as not read; `never` turns off the rules about that. */
  unreadAfter: number | 'never'
  /** How long a version may be pending. */
  pendingAfter: number
  /** Whether it has to be encrypted with a KMS key of the customer's own. */
  customerKey: boolean
  /** The keys of tags of which it has to have at least one; empty: it needs none. */
  ownerTags: string[]
  /** What the name of a SecureString has to begin with; empty: any name is allowed. */
  parameterPaths: string[]
  /** Words with which the name of a parameter ends if it holds a secret. */
  secretNames: string[]
  /** How many credentials one admin may rotate. */
  adminUses: number
  /** The accounts that its resource policy may give access, each as twelve digits. */
  trustedAccounts: string[]
}

/** Other settings for the credentials that match all of `for`. `prefix` is what their names begin with. */
export type PolicySection = Partial<Settings> & {
  for: { prefix?: string; store?: StoreName; tag?: { key: string; value?: string } }
}

/** Findings that are known, and accepted for a time. */
export type PolicyException = {
  /** The rule's id. */
  rule: string
  /** The name of a credential; if it ends in `*`, what names begin with. */
  name: string
  /** Unset: any Region. */
  region?: string
  /** The last day on which the exception holds, in UTC, such as `2026-12-31`. */
  until: string
  reason: string
}

/** What an audit asks of a fleet: the settings of all credentials, those of some, and what is accepted. */
export type Policy = Settings & {
  /** How many credentials of one Region may be due in the same minute. */
  sameMinute: number
  /** The keys of tags that name a credential's team; the first one that it has counts. */
  teamTags: string[]
  sections: PolicySection[]
  exceptions: PolicyException[]
}

/** The policy without a file, and the values of settings that a file leaves out. */
export const DEFAULT_POLICY: Policy = {
  maxAge: 90 * DAY_SECONDS,
  mustRotate: true,
  unreadAfter: 90 * DAY_SECONDS,
  pendingAfter: DAY_SECONDS,
  customerKey: false,
  ownerTags: ['owner', 'team'],
  parameterPaths: [],
  secretNames: [
    'password',
    'passwd',
    'passphrase',
    'secret',
    'token',
    'credential',
    'credentials',
    'api-key',
    'apikey',
    'private-key',
    'access-key',
  ],
  adminUses: 50,
  trustedAccounts: [],
  sameMinute: 20,
  teamTags: DEFAULT_TEAM_TAGS,
  sections: [],
  exceptions: [],
}

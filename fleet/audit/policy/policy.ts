import type { StoreName } from '../../../rotation/stores/store.ts'
import { DEFAULT_TEAM_TAGS } from '../team.ts'

/** What a policy may ask of a credential. Durations are in seconds. */
export type Settings = {
  /** How old a value may become; `never`: as old as it likes. */
  maxAge: number | 'never'
  /** Whether something has to rotate it. */
  mustRotate: boolean
  /** After how long without a read by others than Keyturn it counts as not read; `never`: it does not matter. */
  unreadAfter: number | 'never'
  /** How long a value may be pending. */
  pendingAfter: number
  /** Whether it has to be encrypted with a key of the customer's own. */
  customerKey: boolean
  /** It has to have one of these tags; none: it does not matter whose it is. */
  ownerTags: string[]
  /** What the path of a SecureString has to begin with; none: it may be anywhere. */
  parameterPaths: string[]
  /** Words by which the end of a name says that a parameter holds a secret. */
  secretNames: string[]
  /** How many credentials one admin may be used for. */
  adminUses: number
  /** Accounts that its resource policy may name. */
  trustedAccounts: string[]
}

/** Where another setting holds than above. */
export type PolicySection = Partial<Settings> & {
  for: { prefix?: string; store?: StoreName; tag?: { key: string; value?: string } }
}

/** A finding that is known and accepted for a time. */
export type PolicyException = {
  rule: string
  /** A name, or what names begin with where it ends in `*`. */
  name: string
  region?: string
  /** The last day on which it holds, by UTC. */
  until: string
  reason: string
}

export type Policy = Settings & {
  /** How many credentials of one Region may be due in the same minute. */
  sameMinute: number
  /** The tags that say whose a credential is, the one that counts first. */
  teamTags: string[]
  sections: PolicySection[]
  exceptions: PolicyException[]
}

/** What holds where no file says otherwise. */
export const DEFAULT_POLICY: Policy = {
  maxAge: 90 * 86_400,
  mustRotate: true,
  unreadAfter: 90 * 86_400,
  pendingAfter: 86_400,
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

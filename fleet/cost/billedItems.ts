import { isHomeElsewhere } from '../../rotation/arn.ts'
import type { StoreName } from '../../rotation/stores/store.ts'
import { homeIn, isManaged, type Tags } from '../../rotation/tags.ts'
import { isCredential, isPrimary, isSecret } from '../audit/credentialKind.ts'
import { isCustomerKey } from '../audit/customerKey.ts'
import type { CredentialFacts, Facts, SecretFacts } from '../audit/facts.ts'
import { DEFAULT_POLICY, type Policy } from '../audit/policy/policy.ts'
import { everyTagSeconds, rateSeconds } from '../audit/schedule.ts'
import { DEFAULT_TEAM_TAGS, NO_TEAM, teamOf } from '../audit/team.ts'
import { MONTH_DAYS } from './month.ts'

/** What AWS's bill depends on, of one credential. */
export type BilledItem = {
  arn: string
  store: StoreName
  /** Whether it holds a credential; the others are settings, which cost what they cost and move nowhere. */
  isCredential: boolean
  region: string
  team: string
  /** Of a secret that follows another Region's. */
  replica: boolean
  advanced: boolean
  /** Whether each read decrypts, which KMS bills. */
  encrypted: boolean
  /** The customer's KMS key; unset: the key that AWS manages. */
  key?: string
  /** Reads a month by others than Keyturn, and whether they were scaled up from some days. */
  reads: number
  readsEstimated: boolean
  rotation?: BilledRotation
}

/** How Keyturn rotates a credential; what others rotate costs Keyturn nothing. */
export type BilledRotation = {
  /** Days from one to the next. */
  everyDays: number
  by: 'service' | 'tag'
  /** Whether what was replaced is closed later. */
  closes: boolean
  /** Regions that are waited for. */
  replicas: number
}

export type BillingOptions = {
  /** The tags that name a team, the first that a credential has; unset: team, or else owner. */
  teamTags?: readonly string[] | undefined
  /** Reads of each credential a day; unset: those that CloudTrail has seen. */
  readsPerDay?: number | undefined
  /** By which names a plain parameter counts as a credential; unset: those of an audit without a policy. */
  policy?: Policy | undefined
}

/** What is billed of each credential. */
export const billedItemsOf = (facts: Facts, reading: BillingOptions): BilledItem[] =>
  facts.credentials.map(credential => ({
    arn: credential.arn,
    isCredential: isCredential(credential, reading.policy ?? DEFAULT_POLICY),
    region: credential.region,
    team: billedTeamOf(credential, reading),
    ...storeFieldsOf(credential),
    ...keyOf(credential),
    ...readsOf(credential, facts, reading),
    ...rotationOf(credential, facts),
  }))

/** Whose bill a credential is on. */
export const billedTeamOf = (
  credential: CredentialFacts,
  { teamTags }: Pick<BillingOptions, 'teamTags'>,
): string => teamOf(tagsOf(credential), teamTags ?? DEFAULT_TEAM_TAGS) ?? NO_TEAM

const tagsOf = ({ tags }: CredentialFacts): Tags => ('is' in tags ? tags.is : {})

function storeFieldsOf(credential: CredentialFacts) {
  const { store } = credential
  if (store === 'secrets-manager') {
    return { store, replica: !isPrimary(credential), advanced: false, encrypted: 'key' in keyOf(credential) }
  }
  return {
    store,
    replica: false,
    advanced: credential.tier === 'Advanced',
    // KMS bills requests under the key that AWS manages for Parameter Store too (aws.amazon.com/kms/pricing, note 1).
    encrypted: credential.type === 'SecureString',
  }
}

const keyOf = ({ keyId }: CredentialFacts): { key?: string } => (isCustomerKey(keyId) ? { key: keyId } : {})

function readsOf({ readers, region }: CredentialFacts, facts: Facts, { readsPerDay }: BillingOptions) {
  if (readsPerDay !== undefined) return { reads: readsPerDay * MONTH_DAYS, readsEstimated: false }
  const sweep = facts.regions[region]?.sweep
  const since = sweep && 'is' in sweep ? sweep.is.completeSince : facts.moment
  const days = (Date.parse(facts.moment) - Date.parse(since)) / 86_400_000
  // From less than an hour nothing can be told of a month.
  if (!(days >= 1 / 24)) return { reads: 0, readsEstimated: true }
  // A try that is refused is a call too.
  const seen = readers.filter(({ own }) => !own).reduce((sum, { reads, denied }) => sum + reads + denied, 0)
  return { reads: (seen / days) * MONTH_DAYS, readsEstimated: true }
}

/** Strategies that leave the old user or password open for the grace time. */
const CLOSING_STRATEGIES = ['alternating-users', 'temporary-clone', 'dual-password']

function rotationOf(credential: CredentialFacts, facts: Facts): { rotation?: BilledRotation } {
  const { store, history } = credential
  const [latest] = 'is' in history ? history.is.rotations : []
  const closes = CLOSING_STRATEGIES.includes(latest?.strategy ?? '')
  const service = store === 'secrets-manager' ? daysByService(credential, facts) : undefined
  const everyDays = service ?? daysByTag(credential)
  if (everyDays === undefined) return {}
  const replicas =
    store === 'secrets-manager' && 'is' in credential.replicas ? credential.replicas.is.length : 0
  return { rotation: { everyDays, by: service ? 'service' : 'tag', closes, replicas } }
}

/** Whether Secrets Manager rotates it by the stack of its Region. */
export function isRotatedByStack(credential: CredentialFacts, { regions }: Facts): boolean {
  if (!isPrimary(credential)) return false
  const { rotation, region } = credential
  const stack = regions[region]?.stack
  const ours = stack && 'is' in stack ? stack.is?.rotateSecret : undefined
  return rotation.enabled && ours !== undefined && rotation.functionArn === ours
}

/** The days between two rotations that Secrets Manager begins by this stack; undefined if it begins none. */
function daysByService(secret: SecretFacts, facts: Facts): number | undefined {
  const { rotation } = secret
  if (!isRotatedByStack(secret, facts)) return undefined
  const rate = rateSeconds(rotation.schedule ?? '')
  return rate === undefined
    ? (rotation.everyDays ?? daysBetween(rotation.last, rotation.next))
    : rate / 86_400
}

/** Of a cron expression. Undefined where one of the days is not known, or they are in no order. */
function daysBetween(last = '', next = ''): number | undefined {
  const days = (Date.parse(next) - Date.parse(last)) / 86_400_000
  // The service rotates no more often: what is closer together was begun by hand.
  return days > 0 ? Math.max(days, 4 / 24) : undefined
}

function daysByTag(credential: CredentialFacts): number | undefined {
  const tags = tagsOf(credential)
  if (!isManaged(tags) || isHomeElsewhere(credential.arn, homeIn(tags))) return undefined
  if (isSecret(credential) && !isPrimary(credential)) return undefined
  const seconds = everyTagSeconds(tags)
  return seconds ? seconds / 86_400 : undefined
}

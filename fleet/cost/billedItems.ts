import { isHomeElsewhere } from '../../rotation/arn.ts'
import type { StoreName } from '../../rotation/stores/store.ts'
import { CLOSING_STRATEGIES } from '../../rotation/strategies/strategyNames.ts'
import { homeIn, isManaged, type Tags } from '../../rotation/tags.ts'
import { DAY_MS, DAY_SECONDS } from '../../rotation/timeUnits.ts'
import { isCredential, isPrimary, isSecret } from '../audit/credentialKind.ts'
import { isCustomerKey } from '../audit/customerKey.ts'
import type { CredentialFacts, Facts, SecretFacts } from '../audit/facts.ts'
import { DEFAULT_POLICY, type Policy } from '../audit/policy/policy.ts'
import { everyTagSeconds, rateSeconds } from '../audit/schedule.ts'
import { DEFAULT_TEAM_TAGS, NO_TEAM, teamOf } from '../audit/team.ts'
import { MONTH_DAYS } from './month.ts'

/** What the bill for one secret or parameter depends on. */
export type BilledItem = {
  arn: string
  store: StoreName
  /** Whether it holds a credential. Other parameters are settings: they are billed, but stay in their store in a comparison. */
  isCredential: boolean
  region: string
  team: string
  /** Whether it is a secret's replica. */
  isReplica: boolean
  /** Whether it is a parameter of the advanced tier. */
  isAdvanced: boolean
  /** Whether each read decrypts, which KMS bills. */
  isEncrypted: boolean
  /** The customer's KMS key; unset: the key that AWS manages. */
  key?: string
  /** Reads a month by others than Keyturn. */
  reads: number
  /** Whether these were scaled up from the days that CloudTrail was asked about. */
  readsEstimated: boolean
  /** Unset if Keyturn does not rotate it on a schedule. */
  rotation?: BilledRotation
}

/** How Keyturn rotates a credential. */
export type BilledRotation = {
  /** Days from one rotation to the next. */
  everyDays: number
  /** What starts the rotations: Secrets Manager's own schedule, or the tag keyturn:every. */
  by: 'service' | 'tag'
  /** Whether the replaced user or password is closed at the end of the grace time. */
  closes: boolean
  /** How many replicas a rotation waits for. */
  replicas: number
}

/** What decides on which items are credentials, whose they are, and how often they are read. */
export type BillingOptions = {
  /** Keys of tags that name a team: the first one that a credential has. By default team, then owner. */
  teamTags?: readonly string[] | undefined
  /** How often each credential is read a day. By default as often as CloudTrail tells. */
  readsPerDay?: number | undefined
  /** The audit's policy: its `secretNames` tell which plain parameters are credentials. By default that of an audit without one. */
  policy?: Policy | undefined
}

/** What is billed of each secret and parameter. */
export const billedItemsOf = (facts: Facts, options: BillingOptions): BilledItem[] =>
  facts.credentials.map(credential => ({
    arn: credential.arn,
    isCredential: isCredential(credential, options.policy ?? DEFAULT_POLICY),
    region: credential.region,
    team: billedTeamOf(credential, options),
    ...storeFieldsOf(credential),
    ...keyOf(credential),
    ...readsOf(credential, facts, options),
    ...rotationOf(credential, facts),
  }))

/** The team whose bill a credential is on; NO_TEAM if it has none. */
export const billedTeamOf = (
  credential: CredentialFacts,
  { teamTags }: Pick<BillingOptions, 'teamTags'>,
): string => teamOf(tagsOf(credential), teamTags ?? DEFAULT_TEAM_TAGS) ?? NO_TEAM

const tagsOf = ({ tags }: CredentialFacts): Tags => ('is' in tags ? tags.is : {})

function storeFieldsOf(credential: CredentialFacts) {
  const { store } = credential
  if (store === 'secrets-manager') {
    return {
      store,
      isReplica: !isPrimary(credential),
      isAdvanced: false,
      isEncrypted: 'key' in keyOf(credential),
    }
  }
  return {
    store,
    isReplica: false,
    isAdvanced: credential.tier === 'Advanced',
    // For Parameter Store, KMS bills requests under the key that AWS manages, too (aws.amazon.com/kms/pricing, note 1).
    isEncrypted: credential.type === 'SecureString',
  }
}

const keyOf = ({ keyId }: CredentialFacts): { key?: string } => (isCustomerKey(keyId) ? { key: keyId } : {})

function readsOf({ readers, region }: CredentialFacts, facts: Facts, { readsPerDay }: BillingOptions) {
  if (readsPerDay !== undefined) return { reads: readsPerDay * MONTH_DAYS, readsEstimated: false }
  const sweep = facts.regions[region]?.sweep
  const since = sweep && 'is' in sweep ? sweep.is.completeSince : facts.moment
  const days = (Date.parse(facts.moment) - Date.parse(since)) / DAY_MS
  // Less than an hour is too short to be scaled up to a month.
  if (!(days >= 1 / 24)) return { reads: 0, readsEstimated: true }
  // Refused calls are billed as well.
  const seen = readers.filter(({ own }) => !own).reduce((sum, { reads, denied }) => sum + reads + denied, 0)
  return { reads: (seen / days) * MONTH_DAYS, readsEstimated: true }
}

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

/** Whether Secrets Manager rotates a secret by the function of the stack in its Region. */
export function isRotatedByStack(credential: CredentialFacts, { regions }: Facts): boolean {
  if (!isPrimary(credential)) return false
  const { rotation, region } = credential
  const stack = regions[region]?.stack
  const ours = stack && 'is' in stack ? stack.is?.rotateSecret : undefined
  return rotation.enabled && ours !== undefined && rotation.functionArn === ours
}

/** The days between two rotations that Secrets Manager begins by this stack; undefined if it begins none, or that is not known. */
function daysByService(secret: SecretFacts, facts: Facts): number | undefined {
  const { rotation } = secret
  if (!isRotatedByStack(secret, facts)) return undefined
  const rate = rateSeconds(rotation.schedule ?? '')
  return rate === undefined
    ? (rotation.everyDays ?? daysBetween(rotation.last, rotation.next))
    : rate / DAY_SECONDS
}

/**
 * The days from the last rotation to the next one, in place of a cron expression's interval. Undefined if one of the dates is not
 * known, or they are in the wrong order.
 */
function daysBetween(last = '', next = ''): number | undefined {
  const days = (Date.parse(next) - Date.parse(last)) / DAY_MS
  // Secrets Manager rotates every four hours at most, so a last rotation closer to the next one was started by hand:
  // https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_schedule.html
  return days > 0 ? Math.max(days, 4 / 24) : undefined
}

/** The days between two rotations by the tag keyturn:every; undefined without that tag, or if Keyturn does not rotate it here. */
function daysByTag(credential: CredentialFacts): number | undefined {
  const tags = tagsOf(credential)
  if (!isManaged(tags) || isHomeElsewhere(credential.arn, homeIn(tags))) return undefined
  if (isSecret(credential) && !isPrimary(credential)) return undefined
  const seconds = everyTagSeconds(tags)
  return seconds ? seconds / DAY_SECONDS : undefined
}

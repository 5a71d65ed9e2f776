import { arnInRegion } from '../../rotation/arn.ts'
import { isAdmin } from '../../rotation/tags.ts'
import { latestSuccess } from '../records/rotationRecord.ts'
import { isSecret } from './credentialKind.ts'
import type { CredentialFacts, Facts, RegionFacts, SecretFacts } from './facts.ts'
import { isKnown, requireKnown, UnreadFact } from './knownFact.ts'
import type { Policy, Settings } from './policy/policy.ts'
import { settingsOf } from './policy/settings.ts'
import { type OutsideAccess, outsideAccessOf } from './resourcePolicy.ts'

/** All facts of an audit beside the policy, and what is found in many of them together. */
export class AuditedFleet {
  readonly facts: Facts
  readonly policy: Policy
  /** The moment of the audit in milliseconds. */
  readonly nowMs: number
  readonly #copies: Map<string, SecretFacts[]>
  readonly #users = new Map<string, CredentialFacts[]>()
  /** Why the rotations of some could not be read, of each: nobody knows which admins these name. */
  readonly #unread: string[]
  readonly #settings = new Map<CredentialFacts, Settings>()
  /** By the policy: several rules ask, and many credentials may have the same. */
  readonly #openness = new Map<string, OutsideAccess[]>()

  constructor(facts: Facts, policy: Policy) {
    this.facts = facts
    this.policy = policy
    this.nowMs = Date.parse(facts.moment)
    const { credentials } = facts
    this.#copies = Map.groupBy(credentials.filter(isSecret), ({ arn }) => withoutRegion(arn))
    this.#unread = credentials.flatMap(({ history }) => ('unread' in history ? [history.unread] : []))
    for (const credential of credentials) {
      const admin = adminOf(credential)
      if (!admin) continue
      const users = this.#users.get(admin) ?? []
      users.push(credential)
      this.#users.set(admin, users)
    }
  }

  /** What the policy asks of a credential. @throws UnreadFact */
  settingsOf(credential: CredentialFacts): Settings {
    const settings = this.#settings.get(credential) ?? settingsOf(credential, this.policy)
    this.#settings.set(credential, settings)
    return settings
  }

  /** Whom a credential's resource policy lets in from outside the account. @throws UnreadFact */
  opennessOf(credential: CredentialFacts): OutsideAccess[] {
    const policy = requireKnown(credential.policy)
    if (policy === undefined) return []
    const found = this.#openness.get(policy) ?? outsideAccessOf(policy, this.facts.account)
    this.#openness.set(policy, found)
    return found
  }

  /** What is known of a Region; of one that was not looked at, that. */
  regionFacts(region: string): Pick<RegionFacts, 'secrets' | 'stack' | 'sweep' | 'exposed' | 'functions'> {
    const { regions } = this.facts
    // A tag may name anything as a Region.
    return (Object.hasOwn(regions, region) && regions[region]) || NO_REGION_FACTS
  }

  /** The secret in every Region that it was seen in, itself included. */
  copiesOf({ arn }: SecretFacts): SecretFacts[] {
    return this.#copies.get(withoutRegion(arn)) ?? []
  }

  /**
   * The credentials that rotate by an admin: those whose last good rotation, or else newest one, names its secret. If there
   * may be more of them, as some rotations could not be read, `more` says why and how many.
   */
  credentialsRotatedBy({ arn }: SecretFacts): {
    users: CredentialFacts[]
    more?: { count: number; why: string }
  } {
    const anywhere = withoutRegion(arn)
    // A value may name it without the hyphen and the six characters that its ARN ends with.
    const users = [anywhere, anywhere.slice(0, -7)].flatMap(name => this.#users.get(name) ?? [])
    const [why] = this.#unread
    return { users, ...(why && { more: { count: this.#unread.length, why } }) }
  }

  /** Whether others rotate by this secret. @throws UnreadFact if that is not known */
  isAdmin(secret: SecretFacts): boolean {
    const { users, more } = this.credentialsRotatedBy(secret)
    if (users.length > 0 || isAdmin(requireKnown(secret.tags))) return true
    if (more) throw new UnreadFact(more.why)
    return false
  }
}

const REGION_NOT_READ = { unread: 'this Region was not looked at' }
const NO_REGION_FACTS = {
  secrets: REGION_NOT_READ,
  stack: REGION_NOT_READ,
  sweep: REGION_NOT_READ,
  exposed: REGION_NOT_READ,
  functions: {},
}

/** An ARN without its Region: whichever a value names, its admin is read in the Region of the stack. */
const withoutRegion = (arn: string) => arnInRegion(arn, '')

function adminOf({ history }: CredentialFacts): string | undefined {
  if (!isKnown(history)) return undefined
  const { rotations } = history.is
  const admin = (latestSuccess(rotations) ?? rotations[0])?.admin
  return admin && withoutRegion(admin)
}

import { arnInRegion } from '../../rotation/arn.ts'
import { isAdmin } from '../../rotation/tags.ts'
import { latestSuccess } from '../records/rotationRecord.ts'
import { isSecret } from './credentialKind.ts'
import type { CredentialFacts, Facts, RegionFacts, SecretFacts } from './facts.ts'
import { isKnown, requireKnown, UnreadFact } from './knownFact.ts'
import type { Policy, Settings } from './policy/policy.ts'
import { settingsOf } from './policy/settings.ts'
import { type OutsideAccess, outsideAccessOf } from './resourcePolicy.ts'

/** The facts of an audit and the policy, with look-ups over all credentials that several rules need. */
export class AuditedFleet {
  readonly facts: Facts
  readonly policy: Policy
  /** The moment of the audit in milliseconds. */
  readonly nowMs: number
  /** The secrets by their ARN without the Region: a primary and its replicas are together. */
  readonly #copies: Map<string, SecretFacts[]>
  /** The credentials that name an admin, by the ARN of the admin's secret without the Region. */
  readonly #byAdmin = new Map<string, CredentialFacts[]>()
  /** For each credential whose rotations could not be read, the reason. Which admins these name is not known. */
  readonly #unread: string[]
  readonly #settings = new Map<CredentialFacts, Settings>()
  /** What each resource policy allows: several rules ask for it, and many credentials may have the same policy. */
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
      const credentialsOfAdmin = this.#byAdmin.get(admin) ?? []
      credentialsOfAdmin.push(credential)
      this.#byAdmin.set(admin, credentialsOfAdmin)
    }
  }

  /** What the policy asks of a credential. @throws UnreadFact */
  settingsOf(credential: CredentialFacts): Settings {
    const settings = this.#settings.get(credential) ?? settingsOf(credential, this.policy)
    this.#settings.set(credential, settings)
    return settings
  }

  /** Who outside the account has access by a credential's resource policy. @throws UnreadFact */
  opennessOf(credential: CredentialFacts): OutsideAccess[] {
    const policy = requireKnown(credential.policy)
    if (policy === undefined) return []
    const found = this.#openness.get(policy) ?? outsideAccessOf(policy, this.facts.account)
    this.#openness.set(policy, found)
    return found
  }

  /** The facts of a Region; for one that was not looked at, facts that say so. */
  regionFacts(region: string): Pick<RegionFacts, 'secrets' | 'stack' | 'sweep' | 'exposed' | 'functions'> {
    const { regions } = this.facts
    // The name may come from a tag, so it may be any text.
    return (Object.hasOwn(regions, region) && regions[region]) || NO_REGION_FACTS
  }

  /** The secret in every Region where it was found, as primary and replicas, itself included. */
  copiesOf({ arn }: SecretFacts): SecretFacts[] {
    return this.#copies.get(withoutRegion(arn)) ?? []
  }

  /**
   * The credentials that are rotated by an admin: those whose last successful rotation names the admin's secret, or the newest
   * rotation if none succeeded. `more` is set if there may be others, as rotations could not be read: how many at most, and why.
   */
  credentialsRotatedBy({ arn }: SecretFacts): {
    known: CredentialFacts[]
    more?: { count: number; why: string }
  } {
    const ownArn = withoutRegion(arn)
    // A value may name the admin by an ARN without the hyphen and the six random characters at its end.
    const known = [ownArn, ownArn.slice(0, -7)].flatMap(name => this.#byAdmin.get(name) ?? [])
    const [why] = this.#unread
    return { known, ...(why && { more: { count: this.#unread.length, why } }) }
  }

  /**
   * Whether other credentials are rotated by this secret, or its tag says that it is an admin's.
   * @throws UnreadFact if that is not known
   */
  isAdmin(secret: SecretFacts): boolean {
    const { known, more } = this.credentialsRotatedBy(secret)
    if (known.length > 0 || isAdmin(requireKnown(secret.tags))) return true
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

/**
 * An ARN without its Region. A value may name the admin's secret in any Region, and a rotation reads the one in the stack's Region.
 */
const withoutRegion = (arn: string) => arnInRegion(arn, '')

/** The ARN of the admin's secret that a credential's rotations name, without the Region. */
function adminOf({ history }: CredentialFacts): string | undefined {
  if (!isKnown(history)) return undefined
  const { rotations } = history.is
  const admin = (latestSuccess(rotations) ?? rotations[0])?.admin
  return admin && withoutRegion(admin)
}

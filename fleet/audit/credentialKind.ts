import { isScheduled, TAG_PREFIX } from '../../rotation/tags.ts'
import type { CredentialFacts, ParameterFacts, SecretFacts } from './facts.ts'
import { isKnown, requireKnown, UnreadFact } from './knownFact.ts'
import type { Policy } from './policy/policy.ts'
import { settingsOf } from './policy/settings.ts'
import { secretWordIn } from './secretName.ts'

/** Whether it is in Secrets Manager, as a primary or a replica. */
export const isSecret = (credential: CredentialFacts): credential is SecretFacts =>
  credential.store === 'secrets-manager'

/** Whether it is a secret and no replica. */
export const isPrimary = (credential: CredentialFacts): credential is SecretFacts =>
  isSecret(credential) && credential.primaryRegion === undefined

/** Whether it is in Parameter Store, encrypted or not. */
export const isParameter = (credential: CredentialFacts): credential is ParameterFacts =>
  credential.store === 'parameter-store'

/** Whether it is a secret or a SecureString. A replica does not count: its primary does. */
export const holdsSecret = (credential: CredentialFacts): boolean =>
  isPrimary(credential) || (isParameter(credential) && credential.type === 'SecureString')

/**
 * Whether it counts as a credential. Every secret and SecureString does; another parameter does if its name ends like that of a
 * secret, as the rule plain-string has it, or if it has one of Keyturn's tags. The others are settings, such as the name of a host.
 */
export function isCredential(credential: CredentialFacts, policy: Policy): boolean {
  if (!isParameter(credential) || credential.type === 'SecureString') return true
  const { tags, name } = credential
  if (isKnown(tags) && Object.keys(tags.is).some(key => key.startsWith(TAG_PREFIX))) return true
  return secretWordIn(name, secretNamesFor(credential, policy)) !== undefined
}

/** The words of the policy for this credential; those of the whole policy if its tags could not be read. */
function secretNamesFor(credential: CredentialFacts, policy: Policy): string[] {
  try {
    return settingsOf(credential, policy).secretNames
  } catch (error) {
    if (error instanceof UnreadFact) return policy.secretNames
    throw error
  }
}

/**
 * Whether the age of its value matters: it does for a secret that is no replica, a SecureString, and a plain parameter that has the
 * tag keyturn:every.
 * @throws UnreadFact
 */
export const isAgeRelevant = (credential: CredentialFacts): boolean =>
  holdsSecret(credential) || (isParameter(credential) && isScheduled(requireKnown(credential.tags)))

/** What it is, as the report's rows name it. */
export const kindOf = (credential: CredentialFacts): 'primary' | 'replica' | 'parameter' =>
  isParameter(credential) ? 'parameter' : isPrimary(credential) ? 'primary' : 'replica'

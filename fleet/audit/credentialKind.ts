import { isScheduled, TAG_PREFIX } from '../../rotation/tags.ts'
import type { CredentialFacts, ParameterFacts, SecretFacts } from './facts.ts'
import { isKnown, requireKnown, UnreadFact } from './knownFact.ts'
import type { Policy } from './policy/policy.ts'
import { settingsOf } from './policy/settings.ts'
import { secretWordIn } from './secretName.ts'

export const isSecret = (credential: CredentialFacts): credential is SecretFacts =>
  credential.store === 'secrets-manager'

/** A secret that is no replica. */
export const isPrimary = (credential: CredentialFacts): credential is SecretFacts =>
  isSecret(credential) && credential.primaryRegion === undefined

export const isParameter = (credential: CredentialFacts): credential is ParameterFacts =>
  credential.store === 'parameter-store'

/** A secret, or a parameter that is stored as one; of a replica its primary is asked. */
export const holdsSecret = (credential: CredentialFacts): boolean =>
  isPrimary(credential) || (isParameter(credential) && credential.type === 'SecureString')

/**
 * What counts as a credential: every secret and SecureString, and of the other parameters those that are named like a secret, as the
 * rule plain-string has it, or have one of Keyturn's own tags. The rest are settings, such as a host's name.
 */
export function isCredential(credential: CredentialFacts, policy: Policy): boolean {
  if (!isParameter(credential) || credential.type === 'SecureString') return true
  const { tags, name } = credential
  if (isKnown(tags) && Object.keys(tags.is).some(key => key.startsWith(TAG_PREFIX))) return true
  return secretWordIn(name, secretNamesFor(credential, policy)) !== undefined
}

function secretNamesFor(credential: CredentialFacts, policy: Policy): string[] {
  try {
    return settingsOf(credential, policy).secretNames
  } catch (error) {
    if (error instanceof UnreadFact) return policy.secretNames
    throw error
  }
}

/**
 * What a value's age matters of: a secret, and a plain parameter that is to rotate.
 * @throws UnreadFact
 */
export const isAgeRelevant = (credential: CredentialFacts): boolean =>
  holdsSecret(credential) || (isParameter(credential) && isScheduled(requireKnown(credential.tags)))

export const kindOf = (credential: CredentialFacts): 'primary' | 'replica' | 'parameter' =>
  isParameter(credential) ? 'parameter' : isPrimary(credential) ? 'primary' : 'replica'

import { isScheduled } from '../../../rotation/tags.ts'
import { holdsSecret, isParameter, isSecret } from '../credentialKind.ts'
import { isCustomerKey } from '../customerKey.ts'
import type { CredentialFacts } from '../facts.ts'
import { requireKnown } from '../knownFact.ts'
import { secretWordIn } from '../secretName.ts'
import { keyturnCommand, secretCommand, shellWord, tagCommand } from '../shellCommand.ts'
import { type CredentialRule, forParameters, SECURITY_HUB_CONTROLS } from './rule.ts'

/** Rules about how credentials are stored: their encryption, their names and their owner tags. */
export const storageRules: CredentialRule[] = [
  {
    id: 'aws-key',
    title: 'It is encrypted with the key that AWS manages',
    severity: 'medium',
    why: 'The policy wants a key of your own: its key policy decides who may decrypt, and its use is in your trail.',
    references: ['Config SECRETSMANAGER_USING_CMK', 'Checkov CKV_AWS_149', 'Checkov CKV_AWS_337'],
    check(credential, fleet) {
      // A replica has a key of its own, so replicas are looked at too.
      if (!isSecret(credential) && !holdsSecret(credential)) return undefined
      if (!fleet.settingsOf(credential).customerKey || isCustomerKey(credential.keyId)) return undefined
      return { detail: 'It names no key of your own.', remedy: customerKeyCommand(credential) }
    },
  },
  {
    id: 'plain-string',
    title: 'A parameter that is named like a secret is not encrypted',
    severity: 'high',
    why: 'Whoever may read parameters reads it, and it stands in every list of values in clear.',
    references: [],
    check: forParameters((parameter, fleet) => {
      if (parameter.type === 'SecureString') return undefined
      const found = secretWordIn(parameter.name, fleet.settingsOf(parameter).secretNames)
      if (!found) return undefined
      return {
        detail: `It is a ${parameter.type}, and its name ends in ${found}.`,
        remedy:
          'Store the value as a SecureString under another name, as the type of a parameter cannot be changed; have its readers take that, delete this one, and change the value.',
      }
    }),
  },
  {
    id: 'outside-paths',
    title: 'A SecureString outside the paths of the policy',
    severity: 'medium',
    why: 'Permissions go by paths: what is elsewhere may be read by others than you think.',
    references: [],
    check: forParameters((parameter, fleet) => {
      const { parameterPaths } = fleet.settingsOf(parameter)
      if (parameter.type !== 'SecureString' || !parameterPaths.length) return undefined
      if (parameterPaths.some(path => withLeadingSlash(parameter.name).startsWith(withLeadingSlash(path))))
        return undefined
      return {
        detail: `The policy allows ${parameterPaths.join(', ')}.`,
        remedy: 'Store it under one of these paths, have its readers take that, then delete this one.',
      }
    }),
  },
  {
    id: 'expires',
    title: 'A policy of the parameter will delete it',
    severity: 'medium',
    why: 'The day is fixed: a new value does not put it off, and the application finds nothing then.',
    references: [],
    check: forParameters(parameter => {
      if (!parameter.policies.includes('Expiration') || !isScheduled(requireKnown(parameter.tags)))
        return undefined
      return {
        detail: 'It rotates, and has a policy of the type Expiration.',
        remedy: `aws ssm put-parameter --region ${parameter.region} --name ${shellWord(parameter.name)} --type ${parameter.type} --overwrite --policies '[]' --value file://VALUE_FILE`,
      }
    }),
  },
  {
    id: 'owner-missing',
    title: 'Nothing says whose it is',
    severity: 'low',
    why: 'When it leaks, fails or is read by nobody, there is no one to ask.',
    references: SECURITY_HUB_CONTROLS.tagged,
    check(credential, fleet) {
      if (!holdsSecret(credential) || (isSecret(credential) && credential.owningService)) return undefined
      const { ownerTags } = fleet.settingsOf(credential)
      const [first] = ownerTags
      if (first === undefined) return undefined
      const tags = requireKnown(credential.tags)
      if (ownerTags.some(key => tags[key])) return undefined
      return {
        detail:
          ownerTags.length === 1
            ? `It has no tag ${first}.`
            : `It has none of the tags ${ownerTags.join(', ')}.`,
        remedy: tagCommand(credential, first, 'TEAM'),
      }
    },
  },
]

/**
 * The command that encrypts a credential with a key of the customer's own. The value of a parameter comes from a file, as a shell
 * keeps a history of what is typed.
 */
function customerKeyCommand(credential: CredentialFacts): string {
  const { region, name } = credential
  if (isParameter(credential))
    return `aws ssm put-parameter --region ${region} --name ${shellWord(name)} --type SecureString --overwrite --key-id KEY --value file://VALUE_FILE`
  const { primaryRegion } = credential
  if (primaryRegion === undefined) return secretCommand(credential, 'update-secret', '--kms-key-id KEY')
  const replicas = keyturnCommand({ ...credential, region: primaryRegion }, 'replicas')
  return `${replicas} --remove ${region} && ${replicas} --add ${region} --key KEY`
}

/** A name or path with a slash at its beginning, so that `foo` and `/foo` are compared as the same. */
const withLeadingSlash = (path: string) => `/${path.replace(/^\//, '')}`

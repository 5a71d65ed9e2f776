import { isParameter } from '../credentialKind.ts'
import type { CredentialFacts } from '../facts.ts'
import type { AuditedFleet } from '../fleet.ts'
import { requireKnown } from '../knownFact.ts'
import { secretCommand, shellWord } from '../shellCommand.ts'
import { type CredentialRule, forPolicyHolders, forPrimaries, type RuleBreach } from './rule.ts'

/** A command that shows the policy, as what has to be removed from it depends on everything in it. */
const remedyOf = (credential: CredentialFacts) =>
  isParameter(credential)
    ? `aws ssm get-resource-policies --region ${credential.region} --resource-arn ${shellWord(credential.arn)}`
    : secretCommand(credential, 'get-resource-policy')

/** Rules about who may read a credential by its resource policy. */
export const accessRules: CredentialRule[] = [
  {
    id: 'open-to-everybody',
    title: 'Its resource policy lets in everybody',
    severity: 'critical',
    why: 'Anybody with any account of AWS may read it.',
    references: ['Prowler secretsmanager_not_publicly_accessible'],
    check: forPolicyHolders((credential, fleet) =>
      fleet.opennessOf(credential).some(({ to }) => to === 'everybody')
        ? {
            detail: `It allows the principal * without a condition: take out each statement that does, and leave the others, by ${isParameter(credential) ? 'aws ssm put-resource-policy' : 'aws secretsmanager put-resource-policy'}.`,
            // No command that deletes the policy, as others may need their access by the same policy.
            remedy: remedyOf(credential),
          }
        : undefined,
    ),
  },
  {
    id: 'open-to-account',
    title: 'Its resource policy lets in another account',
    severity: 'medium',
    why: 'Who reads it there is decided there, and seen by nobody here.',
    references: [],
    check: forPolicyHolders((credential, fleet) => {
      const { trustedAccounts } = fleet.settingsOf(credential)
      const names = namesOf('account', credential, fleet).filter(name => !trustedAccounts.includes(name))
      return breachThatNames(credential, names, 'It allows')
    }),
  },
  {
    id: 'open-to-organisation',
    title: 'Its resource policy lets in a whole organisation',
    severity: 'medium',
    why: 'Every account of the organisation may read it, also those that are still to come.',
    references: [],
    check: forPolicyHolders((credential, fleet) =>
      breachThatNames(credential, namesOf('organisation', credential, fleet), 'It allows every principal of'),
    ),
  },
  {
    id: 'open-to-service',
    title: 'Its resource policy lets in a service of AWS',
    severity: 'low',
    why: 'The service may read it on behalf of anybody, unless a condition names the account.',
    references: [],
    check: forPolicyHolders((credential, fleet) =>
      breachThatNames(credential, namesOf('service', credential, fleet), 'It allows'),
    ),
  },
  {
    id: 'open-unclear',
    title: 'Whom its resource policy lets in is unclear',
    severity: 'low',
    why: 'It has conditions or exceptions that decide, and which nobody but AWS can weigh.',
    references: [],
    check: forPolicyHolders((credential, fleet) => {
      if (!fleet.opennessOf(credential).some(({ to }) => to === 'unclear')) return undefined
      if (isParameter(credential))
        return {
          detail: 'Access Analyzer, which could tell, does not look at parameters.',
          remedy: remedyOf(credential),
        }
      // Access Analyzer evaluates conditions, so the rule `exposed` decides.
      if (requireKnown(fleet.regionFacts(credential.region).exposed)) return undefined
      return {
        detail: 'No analyzer of Access Analyzer, which could tell, looks at that Region.',
        remedy: remedyOf(credential),
      }
    }),
  },
  {
    id: 'exposed',
    title: 'Access Analyzer finds it open to others',
    severity: 'high',
    why: 'Somebody outside the zone that the analyzer trusts may read it.',
    references: ['IAM Access Analyzer: external access'],
    // Where Access Analyzer could not be asked, the rules above decide, and what they cannot tell is low too (open-unclear).
    unreadSeverity: 'low',
    check: forPrimaries((secret, fleet) => {
      if (requireKnown(secret.policy) === undefined) return undefined
      const whom = requireKnown(fleet.regionFacts(secret.region).exposed)?.[secret.arn]
      return whom === undefined ? undefined : breachThatNames(secret, whom.split(', '), 'It is open to')
    }),
  },
]

/** The accounts, organisations or services to which the credential's policy gives access. @throws UnreadFact */
const namesOf = (
  to: 'account' | 'organisation' | 'service',
  credential: CredentialFacts,
  fleet: AuditedFleet,
) => [...new Set(fleet.opennessOf(credential).flatMap(each => (each.to === to ? each.names : [])))]

/** A breach whose detail is `verb` and the names; undefined if there are none. */
function breachThatNames(credential: CredentialFacts, names: string[], verb: string): RuleBreach | undefined {
  if (!names.length) return undefined
  return { detail: `${verb} ${names.join(', ')}.`, opensTo: names, remedy: remedyOf(credential) }
}

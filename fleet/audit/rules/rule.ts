import { isParameter, isPrimary } from '../credentialKind.ts'
import type { CredentialFacts, ParameterFacts, RegionFacts, SecretFacts } from '../facts.ts'
import type { AuditedFleet } from '../fleet.ts'
import type { RuleText, Severity } from '../report.ts'

/** What breaks a rule, in a sentence, and what to do about it: see Finding. */
export type RuleBreach = { detail: string; remedy: string; opensTo?: string[] }

/**
 * Looks at one subject. It takes facts by `known` alone, which ends the look at one that could not be read: so a finding
 * depends on what was asked for, and on nothing else.
 *
 * @throws UnreadFact
 */
type RuleCheck<Subject extends unknown[]> = (...subject: Subject) => RuleBreach | undefined

/** A rule about each credential. */
export type CredentialRule = RuleText & {
  check: RuleCheck<[credential: CredentialFacts, fleet: AuditedFleet]>
  /** The rule that says the same and worse: where that one is found, this one is not listed as well. */
  worseRule?: string
  /** How much it weighs that it could not be looked at; unset: as much as what it finds. */
  unseen?: Severity
}

/** A rule about what Keyturn and AWS have in a Region. */
export type RegionRule = RuleText & {
  check: RuleCheck<[region: string, facts: RegionFacts, fleet: AuditedFleet]>
}

/** Looks at the secrets that are no replicas, and at nothing else. */
export const forPrimaries =
  (check: RuleCheck<[secret: SecretFacts, fleet: AuditedFleet]>): CredentialRule['check'] =>
  (credential, fleet) =>
    isPrimary(credential) ? check(credential, fleet) : undefined

/** Looks at what may have a resource policy of its own: parameters, and the secrets that are no replicas. */
export const forPolicyHolders =
  (check: CredentialRule['check']): CredentialRule['check'] =>
  (credential, fleet) =>
    isPrimary(credential) || isParameter(credential) ? check(credential, fleet) : undefined

/** Looks at parameters alone. */
export const forParameters =
  (check: RuleCheck<[parameter: ParameterFacts, fleet: AuditedFleet]>): CredentialRule['check'] =>
  (credential, fleet) =>
    isParameter(credential) ? check(credential, fleet) : undefined

const NIST_CONTROLS = ['NIST 800-53 AC-2(1)', 'NIST 800-53 AC-3(15)']

/**
 * What Security Hub's controls are called, and what AWS says that they are for.
 *
 * @see https://docs.aws.amazon.com/securityhub/latest/userguide/secretsmanager-controls.html, read in November 2026
 */
export const SECURITY_HUB_CONTROLS = {
  rotates: ['Security Hub SecretsManager.1', ...NIST_CONTROLS, 'PCI DSS 8.3.9', 'PCI DSS 8.6.3'],
  succeeds: [
    'Security Hub SecretsManager.2',
    ...NIST_CONTROLS,
    'Config SECRETSMANAGER_SCHEDULED_ROTATION_SUCCESS_CHECK',
  ],
  used: ['Security Hub SecretsManager.3', ...NIST_CONTROLS, 'Config SECRETSMANAGER_SECRET_UNUSED'],
  periodic: [
    'Security Hub SecretsManager.4',
    ...NIST_CONTROLS,
    'Config SECRETSMANAGER_SECRET_PERIODIC_ROTATION',
  ],
  tagged: ['Security Hub SecretsManager.5'],
}

import { isParameter, isPrimary } from '../credentialKind.ts'
import type { CredentialFacts, ParameterFacts, RegionFacts, SecretFacts } from '../facts.ts'
import type { AuditedFleet } from '../fleet.ts'
import type { RuleText, Severity } from '../report.ts'

/** How a rule is broken, in a sentence, and what to do about it. The fields are those of Finding. */
export type RuleBreach = { detail: string; remedy: string; opensTo?: string[] }

/**
 * Checks one subject. A check gets every fact by `requireKnown`, so that it ends at a fact that could not be read.
 * @returns undefined if the rule is not broken, or is not about this subject
 * @throws UnreadFact
 */
type RuleCheck<Subject extends unknown[]> = (...subject: Subject) => RuleBreach | undefined

/** A rule about each credential. */
export type CredentialRule = RuleText & {
  check: RuleCheck<[credential: CredentialFacts, fleet: AuditedFleet]>
  /** The id of a worse rule that includes this one: where that is broken, this one is not listed as well. */
  worseRule?: string
  /** The severity if the rule could not be checked; by default that of the rule. */
  unreadSeverity?: Severity
}

/** A rule about a Region, and what Keyturn has there. */
export type RegionRule = RuleText & {
  check: RuleCheck<[region: string, facts: RegionFacts, fleet: AuditedFleet]>
}

/** A check for secrets that are no replicas; other credentials do not break the rule. */
export const forPrimaries =
  (check: RuleCheck<[secret: SecretFacts, fleet: AuditedFleet]>): CredentialRule['check'] =>
  (credential, fleet) =>
    isPrimary(credential) ? check(credential, fleet) : undefined

/** A check for credentials that may have a resource policy of their own: parameters, and secrets that are no replicas. */
export const forPolicyHolders =
  (check: CredentialRule['check']): CredentialRule['check'] =>
  (credential, fleet) =>
    isPrimary(credential) || isParameter(credential) ? check(credential, fleet) : undefined

/** A check for parameters; secrets do not break the rule. */
export const forParameters =
  (check: RuleCheck<[parameter: ParameterFacts, fleet: AuditedFleet]>): CredentialRule['check'] =>
  (credential, fleet) =>
    isParameter(credential) ? check(credential, fleet) : undefined

const NIST_CONTROLS = ['NIST 800-53 AC-2(1)', 'NIST 800-53 AC-3(15)']

/**
 * The controls of Security Hub for Secrets Manager, each with the requirements of other standards that AWS names beside it.
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

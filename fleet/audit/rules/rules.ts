import type { RuleText } from '../report.ts'
import { accessRules } from './access.ts'
import { adminRules } from './admins.ts'
import { deploymentRules } from './deployment.ts'
import { functionRules } from './functions.ts'
import { outcomeRules } from './outcomes.ts'
import { readingRules } from './reading.ts'
import { replicaRules } from './replicas.ts'
import type { CredentialRule, RegionRule } from './rule.ts'
import { scheduleRules } from './schedules.ts'
import { storageRules } from './storage.ts'

/** Every rule about credentials. */
export const credentialRules: CredentialRule[] = [
  ...scheduleRules,
  ...outcomeRules,
  ...adminRules,
  ...functionRules,
  ...replicaRules,
  ...readingRules,
  ...storageRules,
  ...accessRules,
]

/** Every rule about a Region. */
export const regionRules: RegionRule[] = deploymentRules

/** The id of the worse rule that includes a rule, by the rule's id; undefined for most rules. */
export const worseRuleOf = new Map(credentialRules.map(({ id, worseRule }) => [id, worseRule]))

/** All rules in words, in the order in which they are listed. */
export const ruleTexts: RuleText[] = [...credentialRules, ...regionRules].map(
  ({ id, title, severity, why, references }) => ({ id, title, severity, why, references }),
)

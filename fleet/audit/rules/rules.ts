import type { RuleText } from '../report.ts'
import { access } from './access.ts'
import { admins } from './admins.ts'
import { deployment } from './deployment.ts'
import { functions } from './functions.ts'
import { keeping } from './keeping.ts'
import { outcomes } from './outcomes.ts'
import { reading } from './reading.ts'
import { replicas } from './replicas.ts'
import type { CredentialRule, RegionRule } from './rule.ts'
import { turning } from './turning.ts'

/** Every rule about credentials. */
export const credentialRules: CredentialRule[] = [
  ...turning,
  ...outcomes,
  ...admins,
  ...functions,
  ...replicas,
  ...reading,
  ...keeping,
  ...access,
]

/** Every rule about a Region. */
export const regionRules: RegionRule[] = deployment

/** Of a rule the one that says the same and worse, by their ids. */
export const saidWorseBy = new Map(credentialRules.map(({ id, within }) => [id, within]))

/** What all of them say. */
export const ruleTexts: RuleText[] = [...credentialRules, ...regionRules].map(
  ({ id, title, severity, why, references }) => ({ id, title, severity, why, references }),
)

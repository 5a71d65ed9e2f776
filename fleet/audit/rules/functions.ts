import { accountIn } from '../../../rotation/arn.ts'
import type { FunctionFacts, SecretFacts } from '../facts.ts'
import type { AuditedFleet } from '../fleet.ts'
import { requireKnown, UnreadFact } from '../knownFact.ts'
import { runtimeDeprecatedSince } from '../runtimes.ts'
import { secretCommand, shellWord } from '../shellCommand.ts'
import { type CredentialRule, forPrimaries, SECURITY_HUB_CONTROLS } from './rule.ts'

/** Rules about the rotation functions that Secrets Manager calls. */
export const functionRules: CredentialRule[] = [
  {
    id: 'function-missing',
    title: 'Its rotation function is not there, or cannot run',
    severity: 'high',
    why: 'Secrets Manager goes on trying and fails each time, and says so nowhere but in events.',
    references: SECURITY_HUB_CONTROLS.succeeds,
    check: forPrimaries((secret, fleet) => {
      const arn = functionInAccount(secret, fleet)
      if (!arn) return undefined
      const found = configurationOf(secret, arn, fleet)
      if (found && found.state !== 'Failed') return undefined
      return {
        detail: `${nameIn(arn)} ${found ? 'is in the state Failed' : 'does not exist'}.`,
        remedy: secretCommand(secret, 'rotate-secret', '--rotation-lambda-arn FUNCTION_ARN'),
      }
    }),
  },
  {
    id: 'function-elsewhere',
    title: 'A function of another account rotates it',
    severity: 'medium',
    why: 'Whoever runs that function reads each new value, and this account cannot see how it does.',
    references: [],
    check: forPrimaries((secret, fleet) => {
      const arn = functionOf(secret)
      const account = accountIn(arn)
      if (!arn || account === fleet.facts.account) return undefined
      if (fleet.settingsOf(secret).trustedAccounts.includes(account ?? '')) return undefined
      return {
        detail: `${nameIn(arn)} is in the account ${account}.`,
        remedy: secretCommand(secret, 'rotate-secret', '--rotation-lambda-arn FUNCTION_ARN'),
      }
    }),
  },
  {
    id: 'function-foreign',
    title: "Another function than Keyturn's rotates it",
    severity: 'low',
    why: 'The table of rotations does not have its rotations, so how they end is not known here.',
    references: [],
    check: forPrimaries((secret, fleet) => {
      const arn = functionInAccount(secret, fleet)
      if (!arn) return undefined
      const stack = requireKnown(fleet.regionFacts(secret.region).stack)
      if (unqualified(arn) === stack?.rotateSecret) return undefined
      const own = stack
        ? secretCommand(secret, 'rotate-secret', `--rotation-lambda-arn ${shellWord(stack.rotateSecret)}`)
        : 'Deploy Keyturn in that Region, if it is to rotate it.'
      return { detail: `${nameIn(arn)} rotates it.`, remedy: own }
    }),
  },
  {
    id: 'function-runtime',
    title: "Its rotation function's runtime is deprecated",
    severity: 'medium',
    why: 'AWS mends nothing in it any more, and one day the function can be changed no more either.',
    references: ['Security Hub Lambda.2'],
    check: forPrimaries((secret, fleet) => {
      const arn = functionInAccount(secret, fleet)
      if (!arn) return undefined
      const { runtime } = configurationOf(secret, arn, fleet) ?? {}
      const since = runtimeDeprecatedSince(runtime, fleet.facts.moment)
      if (!since) return undefined
      return {
        detail: `${nameIn(arn)} runs on ${runtime}, which AWS deprecated on ${since}.`,
        remedy: `aws lambda update-function-configuration --region ${secret.region} --function-name ${shellWord(arn)} --runtime RUNTIME`,
      }
    }),
  },
]

/** The rotation function of a secret; undefined if its rotation is off, or a service of AWS manages it. */
function functionOf({ rotation, owningService }: SecretFacts): string | undefined {
  return rotation.enabled && !owningService ? rotation.functionArn : undefined
}

/** The rotation function of a secret, if it is in the audited account: functions of other accounts cannot be looked at. */
function functionInAccount(secret: SecretFacts, { facts }: AuditedFleet): string | undefined {
  const arn = functionOf(secret)
  return accountIn(arn) === facts.account ? arn : undefined
}

/** The facts of a function; undefined if it does not exist. @throws UnreadFact */
function configurationOf(
  { region }: SecretFacts,
  arn: string,
  fleet: AuditedFleet,
): FunctionFacts | undefined {
  const fact = fleet.regionFacts(region).functions[arn]
  if (!fact) throw new UnreadFact(`${nameIn(arn)} was not asked for`)
  return requireKnown(fact)
}

/** The ARN of a function without its version or alias. */
const unqualified = (arn: string) => arn.split(':').slice(0, 7).join(':')

const nameIn = (arn: string) => `The function ${arn.split(':').slice(6).join(':') || arn}`

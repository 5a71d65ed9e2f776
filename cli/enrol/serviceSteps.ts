import type { RotationRulesType } from '@aws-sdk/client-secrets-manager'
import { type FoundSecret, fullId } from '../credentialId.ts'
import { outputOf, type Stack } from '../stack.ts'
import { rulesSay } from './before.ts'
import type { CredentialCalls } from './calls.ts'
import type { Step } from './step.ts'

type Rotating = { rules: RotationRulesType; now: boolean; token: string }

/** Has Secrets Manager rotate a secret by this stack's function; at once under the token, or by its rules alone. */
export function rotateStep(
  calls: CredentialCalls,
  stack: Stack,
  found: FoundSecret,
  { rules, now, token }: Rotating,
): Step {
  const arn = outputOf(stack, 'RotateSecretFunctionArn')
  const { RotationEnabled, RotationLambdaARN, RotationRules } = found.secret
  return {
    shown: {
      ...{ service: 'secretsmanager', operation: 'RotateSecret', resource: fullId(found.store, found.name) },
      sets: `RotationLambdaARN=${arn} ${rulesSay(rules)} RotateImmediately=${now}`,
    },
    async run(say) {
      await calls.rotateBy(found, { function: arn, rules, now, ...(now && { token }) })
      say(`Secrets Manager rotates it by this stack's function, ${rulesSay(rules)}`)
    },
    async undo() {
      if (!RotationEnabled || !RotationLambdaARN) await calls.cancel(found)
      else await calls.rotateBy(found, { function: RotationLambdaARN, rules: RotationRules, now: false })
      return ["Secrets Manager's rotation is as before"]
    },
  }
}

/** Ends Secrets Manager's rotation of a secret. */
export function cancelStep(calls: CredentialCalls, found: FoundSecret): Step {
  const { RotationLambdaARN = '', RotationRules } = found.secret
  return {
    shown: {
      ...{
        service: 'secretsmanager',
        operation: 'CancelRotateSecret',
        resource: fullId(found.store, found.name),
      },
      sets: "ends Secrets Manager's own schedule",
    },
    async run(say) {
      await calls.cancel(found)
      say("ended Secrets Manager's own schedule")
    },
    async undo() {
      await calls.rotateBy(found, { function: RotationLambdaARN, rules: RotationRules, now: false })
      return ["Secrets Manager's schedule runs again"]
    },
  }
}

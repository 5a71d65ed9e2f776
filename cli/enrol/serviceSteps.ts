import type { RotationRulesType } from '@aws-sdk/client-secrets-manager'
import { type FoundSecret, fullId } from '../credential.ts'
import { outputOf, type Stack } from '../stack.ts'
import type { CredentialCalls } from './calls.ts'
import { rotationRulesText } from './previousRotation.ts'
import type { EnrolStep } from './step.ts'

/** The schedule, whether to rotate at once as well, and the id of the version that this rotation makes. */
type RotateStepOptions = { rules: RotationRulesType; now: boolean; token: string }

/**
 * A step that has Secrets Manager rotate a secret with this stack's function: on the schedule `rules`, and if `now` also at once.
 */
export function rotateStep(
  calls: CredentialCalls,
  stack: Stack,
  found: FoundSecret,
  { rules, now, token }: RotateStepOptions,
): EnrolStep {
  const arn = outputOf(stack, 'RotateSecretFunctionArn')
  const { RotationEnabled, RotationLambdaARN, RotationRules } = found.secret
  return {
    shownCall: {
      service: 'secretsmanager',
      operation: 'RotateSecret',
      resource: fullId(found.store, found.name),
      sets: `RotationLambdaARN=${arn} ${rotationRulesText(rules)} RotateImmediately=${now}`,
    },
    async run(say) {
      await calls.rotateBy(found, { function: arn, rules, now, ...(now && { token }) })
      say(`Secrets Manager rotates it with this stack's function, ${rotationRulesText(rules)}`)
    },
    async undo() {
      if (!RotationEnabled || !RotationLambdaARN) await calls.cancelRotation(found)
      else await calls.rotateBy(found, { function: RotationLambdaARN, rules: RotationRules, now: false })
      return ["Secrets Manager's rotation is as before"]
    },
  }
}

/** A step that ends Secrets Manager's rotation of a secret. */
export function cancelRotationStep(calls: CredentialCalls, found: FoundSecret): EnrolStep {
  const { RotationLambdaARN = '', RotationRules } = found.secret
  return {
    shownCall: {
      service: 'secretsmanager',
      operation: 'CancelRotateSecret',
      resource: fullId(found.store, found.name),
      sets: "ends Secrets Manager's own schedule",
    },
    async run(say) {
      await calls.cancelRotation(found)
      say("ended Secrets Manager's own schedule")
    },
    async undo() {
      await calls.rotateBy(found, { function: RotationLambdaARN, rules: RotationRules, now: false })
      return ["Secrets Manager's schedule runs again"]
    },
  }
}

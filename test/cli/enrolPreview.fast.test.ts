import { expect, test } from 'vitest'
import type { FoundSecret } from '../../cli/credential.ts'
import type { EnrolPlan } from '../../cli/enrol/plan.ts'
import { callsOf } from '../../cli/enrol/preview.ts'
import { cancelRotationStep } from '../../cli/enrol/serviceSteps.ts'
import type { Stack } from '../../cli/stack.ts'

const rotateSecretArn = 'arn:aws:lambda:eu-west-1:123456789012:function:keyturn-dev-rotateSecret'
const stack = {
  outputs: {
    RotateSecretFunctionArn: rotateSecretArn,
    CheckStateMachineArn: 'arn:aws:states:eu-west-1:123456789012:stateMachine:keyturn-dev-check',
  },
} as unknown as Stack

const secret = (RotationLambdaARN?: string): FoundSecret => ({
  store: 'secrets-manager',
  name: 'shop/database',
  arn: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/database-AbCdEf',
  tags: {},
  secret: { ...(RotationLambdaARN && { RotationEnabled: true, RotationLambdaARN }) },
})

const lastCallOf = (found: FoundSecret, plan: Partial<EnrolPlan> = {}) => {
  const steps = { accessSteps: [], settingSteps: [], rotationSteps: [] }
  const calls = callsOf(stack, { found, ...steps, now: true, ...plan } as unknown as EnrolPlan)
  return calls.at(-1)?.operation
}

test('--now shows RotateSecret if Secrets Manager rotates the secret with this stack, as that call begins the rotation', () => {
  expect(lastCallOf(secret(rotateSecretArn))).toBe('RotateSecret')
})

test('--now shows StartExecution if Secrets Manager does not rotate the secret, or if the plan ends that', () => {
  expect(lastCallOf(secret())).toBe('StartExecution')
  const found = secret(rotateSecretArn)
  expect(lastCallOf(found, { rotationSteps: [cancelRotationStep({} as never, found)] })).toBe(
    'StartExecution',
  )
})

import { isRotatedByStack } from '../beginRotation.ts'
import { checkStateMachineArn } from '../check/run.ts'
import { fullId } from '../credential.ts'
import type { Stack } from '../stack.ts'
import { type EnrolPlan, isEmptyPlan } from './plan.ts'
import { type ShownCall, shownCallText } from './step.ts'

/** The calls that enrolling a credential makes, in their order, with the executions of its checks. */
export function callsOf(stack: Stack, plan: EnrolPlan): ShownCall[] {
  const { found, accessSteps, settingSteps, rotationSteps, now, token } = plan
  const shownCalls = (steps: EnrolPlan['accessSteps']) => steps.map(step => step.shownCall)
  const resource = fullId(found.store, found.name)
  const startCall = (sets: string): ShownCall => ({
    service: 'states',
    operation: 'StartExecution',
    resource,
    sets,
  })
  const name = checkStateMachineArn(stack).split(':').at(-1)
  const checkCall = startCall(`${name} checks whether a rotation would go well, and changes nothing`)
  const checkCalls = isEmptyPlan(plan) ? [] : [checkCall]
  const firstCheckCall = startCall(
    `${name} checks the value as it is, and repeats that until IAM has seen the tag, a minute at most`,
  )
  const rotateCall: ShownCall = {
    service: 'secretsmanager',
    operation: 'RotateSecret',
    resource,
    sets: 'begins a rotation',
  }
  return [
    ...shownCalls(accessSteps),
    ...(accessSteps.length && settingSteps.length ? [firstCheckCall] : []),
    ...shownCalls(settingSteps),
    ...checkCalls,
    ...shownCalls(rotationSteps),
    ...(now && !token ? [isRotatedByService(stack, plan) ? rotateCall : startCall('begins a rotation')] : []),
  ]
}

/** Whether Secrets Manager rotates the secret before the plan and after it, so that RotateSecret begins a rotation. */
const isRotatedByService = (stack: Stack, { found, rotationSteps }: EnrolPlan): boolean =>
  found.store === 'secrets-manager' &&
  isRotatedByStack(stack, found) &&
  !rotationSteps.some(({ shownCall }) => shownCall.operation === 'CancelRotateSecret')

/** The plan in lines, as the user confirms it: the notes, then the calls. */
export function previewOf(stack: Stack, plan: EnrolPlan): string[] {
  const { found, notes } = plan
  const calls = callsOf(stack, plan)
  const id = fullId(found.store, found.name)
  if (!calls.length) return [`${id} is already enrolled like this: there is nothing to change.`]
  return [
    `${id}: ${calls.length} ${calls.length === 1 ? 'call' : 'calls'}`,
    ...notes.map(note => `  ${note}`),
    ...calls.map(call => `  ${shownCallText(call)}`),
  ]
}

import { checkStateMachineArn } from '../check/run.ts'
import { fullId } from '../credential.ts'
import type { Stack } from '../stack.ts'
import { type EnrolPlan, isEmptyPlan } from './plan.ts'
import { type ShownCall, shownCallText } from './step.ts'

/** The calls that enrolling a credential makes, in their order. */
export function callsOf(stack: Stack, plan: EnrolPlan): ShownCall[] {
  const { found, accessSteps, settingSteps, rotationSteps, now, token } = plan
  const shown = (steps: EnrolPlan['accessSteps']) => steps.map(step => step.shownCall)
  const resource = fullId(found.store, found.name)
  const start = (sets: string): ShownCall => ({
    service: 'states',
    operation: 'StartExecution',
    resource,
    sets,
  })
  const name = checkStateMachineArn(stack).split(':').at(-1)
  const looks = `${name} looks whether a rotation would go well, and changes nothing`
  const check = start(looks)
  const checks = isEmptyPlan(plan) ? [] : [check]
  const first = start(
    `${name} looks until IAM has seen that tag, a minute at most, and at the value as it is`,
  )
  return [
    ...shown(accessSteps),
    ...(accessSteps.length && settingSteps.length ? [first] : []),
    ...shown(settingSteps),
    ...checks,
    ...shown(rotationSteps),
    ...(now && !token ? [start('begins a rotation')] : []),
  ]
}

/** The same in lines, with what somebody should know first. */
export function previewOf(stack: Stack, plan: EnrolPlan): string[] {
  const { found, notes } = plan
  const calls = callsOf(stack, plan)
  const id = fullId(found.store, found.name)
  if (!calls.length) return [`${id} is enrolled so already: there is nothing to change.`]
  return [
    `${id}: ${calls.length} ${calls.length === 1 ? 'call' : 'calls'}`,
    ...notes.map(note => `  ${note}`),
    ...calls.map(call => `  ${shownCallText(call)}`),
  ]
}

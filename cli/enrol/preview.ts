import { checkMachineOf } from '../check/run.ts'
import { fullId } from '../credentialId.ts'
import type { Stack } from '../stack.ts'
import { isEmpty, type Plan } from './plan.ts'
import { lineOf, type Shown } from './step.ts'

/** The calls that enrolling a credential makes, in their order. */
export function callsOf(stack: Stack, plan: Plan): Shown[] {
  const { found, admit, prepare, turn, now, token } = plan
  const shown = (steps: Plan['admit']) => steps.map(step => step.shown)
  const resource = fullId(found.store, found.name)
  const start = (sets: string): Shown => ({ service: 'states', operation: 'StartExecution', resource, sets })
  const name = checkMachineOf(stack).split(':').at(-1)
  const looks = `${name} looks whether a rotation would go well, and changes nothing`
  const check = start(looks)
  const checks = isEmpty(plan) ? [] : [check]
  const first = start(
    `${name} looks until IAM has seen that tag, a minute at most, and at the value as it is`,
  )
  return [
    ...shown(admit),
    ...(admit.length && prepare.length ? [first] : []),
    ...shown(prepare),
    ...checks,
    ...shown(turn),
    ...(now && !token ? [start('begins a rotation')] : []),
  ]
}

/** The same in lines, with what somebody should know first. */
export function previewOf(stack: Stack, plan: Plan): string[] {
  const { found, notes } = plan
  const calls = callsOf(stack, plan)
  const id = fullId(found.store, found.name)
  if (!calls.length) return [`${id} is enrolled so already: there is nothing to change.`]
  return [
    `${id}: ${calls.length} ${calls.length === 1 ? 'call' : 'calls'}`,
    ...notes.map(note => `  ${note}`),
    ...calls.map(call => `  ${lineOf(call)}`),
  ]
}

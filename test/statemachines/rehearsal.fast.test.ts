import { describe, expect, test } from 'vitest'
import type { StateName } from '../../fleet/states.ts'
import { definitionOf, runRotation, statesOf, type Task } from '../../local/embedded/stateMachine.ts'
import {
  createdRotation,
  executionInput,
  executionName,
  makeFailingTask,
  makeTaskFailingFirst,
  makeTasks,
} from '../support/rotateTasks.ts'

const branches = [
  ['RehearseTest', 'TestSecret', 'AtRehearseTest', 'TestUnrehearsed'],
  ['RehearseFinish', 'FinishSecret', 'AtRehearseFinish', 'FinishUnrehearsed'],
  ['RehearseRollback', 'RollbackSecret', 'AtRehearseRollback', 'RollbackUnrehearsed'],
] as const satisfies StateName<'rotate'>[][]
const rehearsing = branches.map(([state]) => state)
const rehearsal = ['Rehearse', ...rehearsing, 'Rehearsed']
const discarded = ['DiscardSecret', 'AnnounceFailure', 'RotationFailed']

/** Lambda's errors that pass after a while: a function that is not ready yet, or too many calls. */
const passes = [
  'Throttled',
  'Lambda.TooManyRequestsException',
  'Lambda.EC2ThrottledException',
  'Lambda.CodeArtifactUserDeletedException',
  'Lambda.CodeArtifactUserPendingException',
  'Lambda.ENILimitReachedException',
  'Lambda.ENINotReadyException',
  'Lambda.ResourceConflictException',
  'Lambda.ResourceNotReadyException',
  'Lambda.SubnetIPAddressLimitReachedException',
]

/** Runs an execution whose createSecret requires a rehearsal. @returns it with the input of each state */
async function run(given: Record<string, Task> = {}, more: object = {}) {
  const CreateSecret = () => ({ ...createdRotation, rehearse: true, ...more })
  const { all, events } = makeTasks({ CreateSecret, ...given })
  const entered = new Map<string, unknown>()
  const execution = await runRotation(all, executionName, executionInput, {
    onStateEntered: (state, input) => entered.set(state, input),
  })
  return { ...execution, events, entered }
}

describe('a rehearsal', () => {
  test('comes between createSecret and SetSecret, and leaves the state as it was', async () => {
    const { states, entered, failure, output } = await run()
    expect(states.slice(1, 8)).toEqual(['CreateSecret', 'HasReplicas', ...rehearsal])
    expect(states.slice(8)).toEqual([
      'SetSecret',
      'TestSecret',
      'FinishSecret',
      'AnnounceSuccess',
      'MustRetire',
      'Rotated',
    ])
    expect(entered.get('SetSecret')).toEqual({ ...createdRotation, rehearse: true })
    expect(output).toEqual({ ...createdRotation, rehearse: true })
    expect(failure).toBeUndefined()
  })

  test('comes after the wait for replicas, so that the functions that it warms are used at once', async () => {
    const { states, entered } = await run(
      {
        AwaitPendingReplicas: () => ({ outcome: 'replicated' }),
        AwaitReplicas: () => ({ outcome: 'superseded' }),
      },
      { replicas: ['us-east-1'] },
    )
    const since = states.indexOf('AwaitPendingReplicas')
    expect(states.slice(since, since + 8)).toEqual([
      'AwaitPendingReplicas',
      'MustRehearse',
      ...rehearsal,
      'SetSecret',
    ])
    expect(entered.get('SetSecret')).toMatchObject({ pendingReplication: { outcome: 'replicated' } })
  })

  test.each([
    ['without replicas', {}, ['HasReplicas', 'SetSecret']],
    [
      'with replicas',
      { replicas: ['us-east-1'] },
      ['HasReplicas', 'AwaitPendingReplicas', 'MustRehearse', 'SetSecret'],
    ],
  ])(
    'is left out if createSecret does not ask for one, like that of the last release: %s',
    async (_, more, way) => {
      const AwaitReplicas = () => ({ outcome: 'superseded' })
      const { states } = await run({ CreateSecret: () => ({ ...createdRotation, ...more }), AwaitReplicas })
      const since = states.indexOf('HasReplicas')
      expect(states.slice(since, since + way.length)).toEqual(way)
    },
  )

  test('passes the state to each function as `rehearsal`, without a key `rotation`', async () => {
    const seen: Record<string, unknown> = {}
    const watching = rehearsing.map((state): [string, Task] => [state, event => (seen[state] = event)])
    await run(Object.fromEntries(watching))
    const event = { execution: executionName, rehearsal: { ...createdRotation, rehearse: true } }
    expect(seen).toEqual({
      RehearseTest: event,
      RehearseFinish: { ...event, started: expect.stringContaining('T') },
      RehearseRollback: { ...event, retries: ['AdminRefused'] },
    })
  })

  test('is retried in each function as often as the function’s step', () => {
    const states = new Map(statesOf(definitionOf('rotate')))
    const of = (state: string) =>
      states.get(state) as { Retry?: object[]; Resource?: string; TimeoutSeconds?: number }
    for (const [state, step] of branches) {
      expect(of(state).Retry, state).toEqual(of(step).Retry)
      expect([of(state).Resource, of(state).TimeoutSeconds]).toEqual([
        of(step).Resource,
        of(step).TimeoutSeconds,
      ])
    }
  })
})

describe.each(branches)('%s', (state, _, at, unrehearsed) => {
  test.each([
    'TestFailed',
    'NotPermitted',
    'TlsFailed',
    'InvalidCredential',
    'InvalidInput',
    'Unreachable',
    'Unexpected',
    'Lambda.ServiceException',
    'Lambda.EC2UnexpectedException',
    'Lambda.KMSAccessDeniedException',
  ])('%s ends the rotation before anything is changed, at severity error', async error => {
    const { states, events, failure, tries, entered } = await run({ [state]: makeFailingTask(error) })
    expect(states.slice(-4)).toEqual(['Rehearsed', ...discarded])
    expect(states).toContain(at)
    for (const never of ['SetSecret', 'RollbackSecret']) expect(tries[never]).toBeUndefined()
    expect(failure).toMatchObject({ error, cause: { errorMessage: 'the reason' } })
    expect(entered.get('DiscardSecret')).toMatchObject({ failedState: state, failure: { Error: error } })
    expect(events).toMatchObject([
      {
        DetailType: 'Credential Rotation Failed',
        Detail: { severity: 'error', rotation: { failedState: state } },
      },
    ])
    if (error === 'Unreachable') expect(tries[state]).toBe(10)
  })

  test.each(passes)(
    'after %s in every try, the rotation goes on, and its state has no trace of that',
    async error => {
      const { states, entered, failure, tries } = await run({ [state]: makeFailingTask(error) })
      expect(failure).toBeUndefined()
      expect(tries[state]).toBeGreaterThan(9)
      expect(states).toContain(unrehearsed)
      expect(entered.get('SetSecret')).toEqual({ ...createdRotation, rehearse: true })
    },
  )

  test('an error that passes within its tries is no failure', async () => {
    const { failure, tries } = await run({ [state]: makeTaskFailingFirst('Unreachable', 3) })
    expect([failure, tries[state]]).toEqual([undefined, 4])
  })
})

test('if several branches fail, one failure is announced, with its own state', async () => {
  const { entered, failure } = await run({
    RehearseTest: makeFailingTask('TestFailed'),
    RehearseFinish: makeFailingTask('NotPermitted'),
    RehearseRollback: makeFailingTask('Throttled'),
  })
  expect(failure?.error).toBe('TestFailed')
  expect(entered.get('DiscardSecret')).toMatchObject({
    failedState: 'RehearseTest',
    failure: { Error: 'TestFailed' },
  })
})

test('no state of a rehearsal has the name of a step, as histories are read by these names', () => {
  const inBranches = statesOf(definitionOf('rotate')).flatMap(([, state]) =>
    'Branches' in state ? state.Branches.flatMap(branch => Object.keys(branch.States)) : [],
  )
  expect(inBranches.sort()).toEqual(
    branches.flatMap(([state, , at, unrehearsed]) => [state, at, unrehearsed]).sort(),
  )
})

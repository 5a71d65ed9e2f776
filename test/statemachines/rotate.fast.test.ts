import { hash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { isToken } from '../../fleet/token.ts'
import { parseCreateSecretEvent } from '../../functions/shared/event.ts'
import { definitionOf, runRotation, type Task } from '../../local/embedded/stateMachine.ts'
import * as errors from '../../rotation/errors.ts'
import {
  createdRotation,
  executionInput,
  executionName,
  makeFailingTask,
  makeTaskFailingFirst,
  makeTasks,
  retiringStates,
} from '../support/rotateTasks.ts'

beforeAll(() => {
  vi.stubEnv('KEYTURN_PEER_REGIONS', 'us-east-1')
})
afterAll(() => {
  vi.unstubAllEnvs()
})

const ours = Object.values(errors)
  .filter(error => error !== errors.RotationError)
  .map(error => error.name)
const lambdas = [
  'Lambda.EC2ThrottledException',
  'Lambda.EC2UnexpectedException',
  'Lambda.ServiceException',
  'Lambda.AWSLambdaException',
  'Lambda.SdkClientException',
  'Lambda.ClientExecutionTimeoutException',
  'Lambda.TooManyRequestsException',
  'Lambda.Unknown',
  'Runtime.ExitError',
  'Sandbox.Timedout',
  'States.Timeout',
]
const retried = ['Unreachable', 'Throttled', 'Conflict', ...lambdas]
/** Errors that last for minutes: RDS is busy, or Lambda restores an idle function or lacks IP addresses. */
const slow = [
  'RdsBusy',
  'Lambda.CodeArtifactUserDeletedException',
  'Lambda.CodeArtifactUserPendingException',
  'Lambda.ENILimitReachedException',
  'Lambda.ENINotReadyException',
  'Lambda.ResourceConflictException',
  'Lambda.ResourceNotReadyException',
  'Lambda.SubnetIPAddressLimitReachedException',
]
/** The names of unknown errors, also of one that is thrown outside a promise and ends the process. */
const unforeseen = ['Unexpected', 'Error', 'TypeError', 'RangeError', 'Runtime.UnhandledPromiseRejection']
const every = [...new Set([...ours, ...lambdas, ...slow, ...unforeseen, 'SyntaxError', 'States.TaskFailed'])]
const TRIES = 10

/** The states that roll back, and those in which an admin may be at work. */
const rollingBack = ['DiscardSecret', 'RollbackAbandoned', 'RollbackSecret']
const administering = [...rollingBack, 'SetSecret', 'RetireSecret', 'MayMoveBack']

function triesOf(state: string, error: string): number {
  if (slow.includes(error)) return 241
  if (retried.includes(error)) return TRIES
  if (unforeseen.includes(error)) return rollingBack.includes(state) ? TRIES : state === 'TestSecret' ? 4 : 1
  return error === 'AdminRefused' && administering.includes(state) ? 13 : 1
}

/** The states that ask other Regions just before something is closed. */
const looking = ['LookBeforeRetiring', 'LookBeforeMovingBack']

/** How an execution ends if something after the rotation failed, with its events. */
const told = ['AnnounceRetirementFailure', 'RetirementFailed']
const toldOf = (state: string, error: string) => ({
  DetailType: 'Credential Retirement Failed',
  Detail: { severity: 'error', state, rotation: { id: 'app', retirement: { Error: error } } },
})

describe('an input that is no object', () => {
  // This holds for null too, which the interpreter of these tests does not accept.
  test.each([['a text'], [7], [[executionInput]], [true]])(
    'such as %j is announced as InvalidInput',
    async odd => {
      const seen: unknown[] = []
      const CreateSecret: Task = event => {
        seen.push(event)
        return parseCreateSecretEvent(event)
      }
      const { all, events } = makeTasks({ CreateSecret })
      const execution = await runRotation(all, executionName, odd)
      expect(seen).toEqual([{ looked: 'secrets-manager', execution: executionName, rotation: odd }])
      expect(execution.states).toEqual([
        'MayHaveReplicas',
        'CreateSecret',
        'NoObject',
        'AnnounceFailure',
        'RotationFailed',
      ])
      expect(execution.failure).toMatchObject({
        error: 'InvalidInput',
        cause: { errorMessage: expect.stringContaining('input: should be an object') },
      })
      expect(events).toMatchObject([
        { Detail: { severity: 'error', rotation: { failure: { Error: 'InvalidInput' } } } },
      ])
    },
  )
})

describe('a successful rotation', () => {
  test('passes the steps in order, and its event has no value', async () => {
    const { events, all } = makeTasks()
    const execution = await runRotation(all, executionName, executionInput)
    expect(execution.states).toEqual([
      'MayHaveReplicas',
      'LookAtReplicas',
      'CreateSecret',
      'HasReplicas',
      'SetSecret',
      'TestSecret',
      'FinishSecret',
      'AnnounceSuccess',
      'MustRetire',
      'Rotated',
    ])
    expect(execution.failure).toBeUndefined()
    expect(events).toEqual([
      {
        Source: 'keyturn',
        DetailType: 'Credential Rotated',
        EventBusName: 'default',
        Detail: {
          ...createdRotation,
          rotation: createdRotation,
          execution: expect.stringContaining(executionName),
        },
      },
    ])
  })

  test('with a grace time waits, and then retires, in at most 10 transitions, or 12 with peer Regions', async () => {
    const { all } = makeTasks({ CreateSecret: () => ({ ...createdRotation, grace: 3600 }) })
    const execution = await runRotation(all, executionName, executionInput)
    expect(execution.states.slice(-4)).toEqual([
      'MustRetire',
      'GraceBeforeLook',
      'LookBeforeRetiring',
      'RetireSecret',
    ])
    expect(execution.states.length).toBeLessThanOrEqual(12)
    expect(execution.output).toMatchObject({ retirement: { outcome: 'retired' } })
    const parameter = { ...executionInput, store: 'parameter-store' }
    const ofParameter = () => ({ ...createdRotation, ...parameter, grace: 3600 })
    const alone = await runRotation({ ...all, CreateSecret: ofParameter }, executionName, parameter)
    vi.stubEnv('KEYTURN_PEER_REGIONS', '')
    const withoutPeers = await runRotation(all, executionName, executionInput)
    vi.stubEnv('KEYTURN_PEER_REGIONS', 'us-east-1')
    for (const { states } of [alone, withoutPeers]) {
      expect(states.slice(-4)).toEqual(['AnnounceSuccess', 'MustRetire', 'Grace', 'RetireSecret'])
      expect(states.length).toBeLessThanOrEqual(10)
      expect(states).not.toContain('LookAtReplicas')
    }
  })

  describe('on a temporary clone', () => {
    const onClone = { ...createdRotation, grace: 3600, clone: 'drop', halfway: true }
    const CreateSecret = () => onClone

    test('waits, and then starts the rotation back, with a name that is made from its own', async () => {
      const started: unknown[] = []
      const { all } = makeTasks({ CreateSecret, MoveBack: input => started.push(input) })
      const execution = await runRotation(all, executionName, executionInput)
      expect(execution.states.slice(-7)).toEqual([
        'MustRetire',
        'StayOnClone',
        'MayMoveBack',
        'MustMoveBack',
        'LookBeforeMovingBack',
        'MoveBack',
        'Rotated',
      ])
      expect(started).toEqual([
        {
          StateMachineArn: 'arn:aws:states:eu-west-1:123456789012:stateMachine:keyturn-local-rotate',
          Name: hash('sha256', executionName),
          Input: { ...executionInput, moveBack: true },
        },
      ])
      expect(isToken(hash('sha256', executionName))).toBe(true)
    })

    test('starts none if a newer rotation has moved the application meanwhile', async () => {
      const { all } = makeTasks({ CreateSecret, MayMoveBack: () => ({ outcome: 'superseded' }) })
      const { states, failure } = await runRotation(all, executionName, executionInput)
      expect(states.slice(-2)).toEqual(['MustMoveBack', 'Rotated'])
      expect(failure).toBeUndefined()
    })

    test('succeeds if the rotation back was started before', async () => {
      const { all } = makeTasks({
        CreateSecret,
        MoveBack: makeFailingTask('StepFunctions.ExecutionAlreadyExistsException'),
      })
      const { states, tries, failure } = await runRotation(all, executionName, executionInput)
      expect(states.slice(-2)).toEqual(['MoveBack', 'Rotated'])
      expect(tries.MoveBack).toBe(1)
      expect(failure).toBeUndefined()
    })

    test.each(['States.TaskFailed', 'StepFunctions.AWSStepFunctionsException'])(
      'tries again after %s when it starts the rotation back, and fails in the end',
      async error => {
        const passing = makeTasks({ CreateSecret, MoveBack: makeTaskFailingFirst(error, 2) })
        expect((await runRotation(passing.all, executionName, executionInput)).failure).toBeUndefined()
        const { all, events } = makeTasks({ CreateSecret, MoveBack: makeFailingTask(error) })
        const { states, tries, failure } = await runRotation(all, executionName, executionInput)
        expect(states.slice(-4)).toEqual(['MoveBack', 'AtMoveBack', ...told])
        expect(tries.MoveBack).toBe(7)
        expect(failure?.error).toBe(error)
        expect(events.at(-1)).toMatchObject(toldOf('MoveBack', error))
      },
    )
  })

  test('passes the execution’s name and its state to every function', async () => {
    const seen: Record<string, unknown> = {}
    const { all } = makeTasks()
    const spied = Object.fromEntries(
      Object.entries(all).map(([state, task]) => [
        state,
        (event: unknown) => {
          seen[state] = event
          return (task as Task)(event)
        },
      ]),
    )
    await runRotation(spied, executionName, executionInput)
    expect(seen.LookAtReplicas).toEqual({
      look: 'before',
      execution: executionName,
      rotation: executionInput,
    })
    const replication = { outcome: 'unasked' }
    expect(seen.CreateSecret).toEqual({
      looked: 'secrets-manager',
      execution: executionName,
      rotation: { ...executionInput, replication },
    })
    expect(seen.SetSecret).toEqual({
      execution: executionName,
      rotation: createdRotation,
      retries: ['AdminRefused'],
    })
    expect(seen.TestSecret).toEqual({ execution: executionName, rotation: createdRotation })
    const started = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
    expect(seen.FinishSecret).toEqual({ execution: executionName, started, rotation: createdRotation })
  })
})

describe.each(['CreateSecret', 'SetSecret', 'TestSecret', 'FinishSecret'])('if %s fails', step => {
  test.each(every.filter(error => error !== 'RotationAbandoned' || step !== 'CreateSecret'))(
    'with %s in every try, the rotation is rolled back, and fails with this error',
    async error => {
      const { events, all } = makeTasks({ [step]: makeFailingTask(error) })
      const execution = await runRotation(all, executionName, executionInput)
      expect(execution.tries[step]).toBe(triesOf(step, error))
      const undo = step === 'CreateSecret' ? ['DiscardSecret'] : ['RollbackSecret', 'HadFinished']
      expect(execution.states.slice(execution.states.indexOf(step) + 1)).toEqual([
        ...(error === 'InvalidInput' && step === 'CreateSecret' ? [] : undo),
        'AnnounceFailure',
        'RotationFailed',
      ])
      expect(execution.failure).toMatchObject({
        error,
        cause: { errorType: error, errorMessage: 'the reason' },
      })
      expect(events).toMatchObject([
        {
          DetailType: 'Credential Rotation Failed',
          Detail: { severity: 'error', rotation: { id: 'app', failure: { Error: error } } },
        },
      ])
    },
  )

  test.each(retried)('with %s nine times, and then succeeds, the rotation succeeds', async error => {
    const { events, all } = makeTasks({ [step]: makeTaskFailingFirst(error, TRIES - 1, createdRotation) })
    const execution = await runRotation(all, executionName, executionInput)
    expect(execution.states.at(-1)).toBe('Rotated')
    expect(events.map(event => event.DetailType)).toEqual(['Credential Rotated'])
  })
})

describe('an abandoned rotation', () => {
  test('is rolled back first, and then this rotation goes on', async () => {
    const seen: unknown[] = []
    const { all } = makeTasks({
      CreateSecret: makeTaskFailingFirst('RotationAbandoned', 1, createdRotation),
      RollbackAbandoned: event => void seen.push(event),
    })
    const execution = await runRotation(all, executionName, executionInput)
    expect(execution.states.slice(0, 8)).toEqual([
      'MayHaveReplicas',
      'LookAtReplicas',
      'CreateSecret',
      'RollbackAbandoned',
      'MayHaveReplicas',
      'LookAtReplicas',
      'CreateSecret',
      'HasReplicas',
    ])
    expect(seen).toMatchObject([{ abandoned: true, execution: executionName, rotation: executionInput }])
    expect(execution.states.at(-1)).toBe('Rotated')
  })

  test('that still runs makes this one fail with RotationInProgress', async () => {
    const { all } = makeTasks({
      CreateSecret: makeFailingTask('RotationAbandoned'),
      RollbackAbandoned: makeFailingTask('RotationInProgress'),
    })
    const execution = await runRotation(all, executionName, executionInput)
    expect(execution.states.slice(2)).toEqual([
      'CreateSecret',
      'RollbackAbandoned',
      'AnnounceFailure',
      'RotationFailed',
    ])
    expect(execution.failure?.error).toBe('RotationInProgress')
  })

  test('that cannot be rolled back is a lockout', async () => {
    const { events, all } = makeTasks({
      CreateSecret: makeFailingTask('RotationAbandoned'),
      RollbackAbandoned: makeFailingTask('LockedOut'),
    })
    const execution = await runRotation(all, executionName, executionInput)
    expect(execution.failure?.error).toBe('LockedOut')
    expect(events).toMatchObject([{ Detail: { severity: 'critical' } }])
  })
})

describe('if DiscardSecret fails', () => {
  test('with LockedOut, as an earlier execution set its value, a lockout is announced', async () => {
    const { events, all } = makeTasks({
      CreateSecret: makeFailingTask('NotPermitted'),
      DiscardSecret: makeFailingTask('LockedOut'),
    })
    const execution = await runRotation(all, executionName, executionInput)
    expect(execution.states.slice(-3)).toEqual(['DiscardSecret', 'AnnounceLockout', 'RollbackFailed'])
    expect(execution.failure?.error).toBe('LockedOut')
    expect(events).toMatchObject([
      {
        DetailType: 'Credential Rotation Failed',
        Detail: {
          severity: 'critical',
          rotation: { failure: { Error: 'NotPermitted' }, lockout: { Error: 'LockedOut' } },
        },
      },
    ])
  })

  test.each(every.filter(error => error !== 'LockedOut'))(
    'with %s in every try, the failure of createSecret is announced, and no lockout',
    async error => {
      const { events, all } = makeTasks({
        CreateSecret: makeFailingTask('NotPermitted'),
        DiscardSecret: makeFailingTask(error),
      })
      const execution = await runRotation(all, executionName, executionInput)
      expect(execution.tries.DiscardSecret).toBe(triesOf('DiscardSecret', error))
      expect(execution.states.slice(-3)).toEqual(['DiscardSecret', 'AnnounceFailure', 'RotationFailed'])
      expect(execution.failure?.error).toBe('NotPermitted')
      expect(events).toMatchObject([
        { Detail: { severity: 'error', rotation: { rollback: { Error: error } } } },
      ])
    },
  )
})

test.each(every)('if RollbackAbandoned fails with %s, it is tried as often as a rollback', async error => {
  const { all } = makeTasks({
    CreateSecret: makeFailingTask('RotationAbandoned'),
    RollbackAbandoned: makeFailingTask(error),
  })
  const execution = await runRotation(all, executionName, executionInput)
  expect(execution.tries.RollbackAbandoned).toBe(triesOf('RollbackAbandoned', error))
  expect(execution.failure?.error).toBe(error)
})

test.each(every)('if MayMoveBack fails with %s, it is tried as often as a retirement', async error => {
  const { all } = makeTasks({
    CreateSecret: () => ({ ...createdRotation, grace: 1, clone: 'drop', halfway: true }),
    MayMoveBack: makeFailingTask(error),
  })
  const execution = await runRotation(all, executionName, executionInput)
  expect(execution.tries.MayMoveBack).toBe(triesOf('MayMoveBack', error))
  expect(execution.failure?.error).toBe(error)
})

describe('if RollbackSecret fails', () => {
  test.each(every)('with %s in every try, a critical failure is announced', async error => {
    const { events, all } = makeTasks({
      TestSecret: makeFailingTask('TestFailed'),
      RollbackSecret: makeFailingTask(error),
    })
    const execution = await runRotation(all, executionName, executionInput)
    expect(execution.tries.RollbackSecret).toBe(triesOf('RollbackSecret', error))
    expect(execution.states.slice(-3)).toEqual(['RollbackSecret', 'AnnounceLockout', 'RollbackFailed'])
    expect(execution.failure?.error).toBe(error)
    expect(events).toMatchObject([
      {
        DetailType: 'Credential Rotation Failed',
        Detail: {
          severity: 'critical',
          rotation: { failure: { Error: 'TestFailed' }, lockout: { Error: error } },
        },
      },
    ])
  })
})

test('a FinishSecret that failed after it took effect leads to a success, which is announced', async () => {
  const { events, all } = makeTasks({
    CreateSecret: () => ({ ...createdRotation, grace: 60 }),
    FinishSecret: makeFailingTask('Throttled'),
    RollbackSecret: () => ({ outcome: 'finished' }),
  })
  const execution = await runRotation(all, executionName, executionInput)
  const after = execution.states.slice(execution.states.indexOf('RollbackSecret') + 1)
  expect(after).toEqual(['HadFinished', 'AnnounceSuccess', 'MustRetire', ...retiringStates])
  expect(execution.failure).toBeUndefined()
  expect(events).toMatchObject([{ DetailType: 'Credential Rotated', Detail: { token: executionName } }])
})

describe('after the rotation', () => {
  test('an event that cannot be sent is tried again, and does not hide the error of the step', async () => {
    const { all } = makeTasks({
      TestSecret: makeFailingTask('TestFailed'),
      AnnounceFailure: makeFailingTask('EventBridge.FailedEntry'),
    })
    const execution = await runRotation(all, executionName, executionInput)
    expect(execution.tries.AnnounceFailure).toBe(7)
    expect(execution.failure?.error).toBe('TestFailed')
    const lockout = makeTasks({
      TestSecret: makeFailingTask('TestFailed'),
      RollbackSecret: makeFailingTask('LockedOut'),
      AnnounceLockout: makeFailingTask('EventBridge.FailedEntry'),
    })
    expect((await runRotation(lockout.all, executionName, executionInput)).failure?.error).toBe('LockedOut')
  })

  test('a success that cannot be announced fails the execution, without a rollback', async () => {
    const { all } = makeTasks({ AnnounceSuccess: makeFailingTask('EventBridge.FailedEntry') })
    const execution = await runRotation(all, executionName, executionInput)
    expect(execution.states.at(-1)).toBe('AnnounceSuccess')
    expect(execution.failure?.error).toBe('EventBridge.FailedEntry')
  })

  test.each(every)(
    'RetireSecret that fails with %s is announced, and nothing is rolled back',
    async error => {
      const CreateSecret = () => ({ ...createdRotation, grace: 1 })
      const { all, events } = makeTasks({ CreateSecret, RetireSecret: makeFailingTask(error) })
      const execution = await runRotation(all, executionName, executionInput)
      expect(execution.states.slice(-4)).toEqual(['RetireSecret', 'AtRetireSecret', ...told])
      expect(execution.tries.RetireSecret).toBe(triesOf('RetireSecret', error))
      expect(execution.failure?.error).toBe(error)
      expect(events).toMatchObject([{ DetailType: 'Credential Rotated' }, toldOf('RetireSecret', error)])
    },
  )

  test('MayMoveBack that fails is announced, and without a bus the execution fails with the same error', async () => {
    const CreateSecret = () => ({ ...createdRotation, grace: 1, halfway: true })
    const { all, events } = makeTasks({ CreateSecret, MayMoveBack: makeFailingTask('LoginRefused') })
    const execution = await runRotation(all, executionName, executionInput)
    expect(execution.states.slice(-4)).toEqual(['MayMoveBack', 'AtMayMoveBack', ...told])
    expect(events.at(-1)).toMatchObject(toldOf('MayMoveBack', 'LoginRefused'))
    const mute = makeTasks({
      CreateSecret,
      MayMoveBack: makeFailingTask('LoginRefused'),
      AnnounceRetirementFailure: makeFailingTask('EventBridge.FailedEntry'),
    })
    expect((await runRotation(mute.all, executionName, executionInput)).failure?.error).toBe('LoginRefused')
  })
})

describe('the definition', () => {
  const states = Object.entries<object>(definitionOf('rotate').States) as [string, Record<string, unknown>][]
  const functions = states.filter(([, state]) => String(state.Resource).includes(':function:'))
  type Retrier = {
    ErrorEquals: string[]
    IntervalSeconds: number
    BackoffRate: number
    MaxDelaySeconds: number
    MaxAttempts: number
    JitterStrategy: string
  }

  const retriersOf = (name: string) => states.find(([state]) => state === name)?.[1].Retry as Retrier[]

  test('retries every function alike: temporary errors with full jitter, and slow ones for minutes', () => {
    expect(functions.length).toBe(15)
    for (const [state, { Retry, TimeoutSeconds }] of functions) {
      if (['AwaitPendingReplicas', 'AwaitReplicasLonger'].includes(state)) continue
      const errors = rollingBack.includes(state) ? [...retried, ...unforeseen] : retried
      expect((Retry as Retrier[]).slice(0, 2)).toMatchObject([
        { ErrorEquals: errors, JitterStrategy: 'FULL', MaxAttempts: TRIES - 1 },
        { ErrorEquals: slow, IntervalSeconds: 5, BackoffRate: 1, MaxAttempts: 240 },
      ])
      expect(TimeoutSeconds).toBeGreaterThan(60)
    }
  })

  test('retries AdminRefused for minutes in the functions that use an admin, which are told so', () => {
    for (const [state, { Parameters }] of functions) {
      const admin = administering.includes(state)
      expect((Parameters as { retries?: string[] }).retries, state).toEqual(
        admin ? ['AdminRefused'] : undefined,
      )
      expect(retriersOf(state).slice(2), state).toMatchObject(
        admin
          ? [{ ErrorEquals: ['AdminRefused'], IntervalSeconds: 10, BackoffRate: 1, MaxAttempts: 12 }]
          : ['TestSecret', 'LookAtReplicas', 'AwaitReplicas', ...looking].includes(state)
            ? [{}]
            : [],
      )
    }
  })

  test('retries an unknown error of TestSecret three times within ten seconds, as the application may wait', () => {
    const [, , retrier] = retriersOf('TestSecret')
    expect(retrier).toEqual({ ErrorEquals: unforeseen, IntervalSeconds: 1, BackoffRate: 2, MaxAttempts: 3 })
    const { IntervalSeconds = 0, BackoffRate = 0 } = retrier ?? {}
    expect([0, 1, 2].reduce((sum, i) => sum + IntervalSeconds * BackoffRate ** i, 0)).toBeLessThan(10)
  })

  test('has retries that last longer than a minute on average, and in 99 of 100 cases', () => {
    const [retrier] = functions.flatMap(([, { Retry }]) => Retry as Retrier[])
    if (!retrier) throw new Error('no function is retried')
    const delays = Array.from({ length: retrier.MaxAttempts }, (_, i) =>
      Math.min(retrier.IntervalSeconds * retrier.BackoffRate ** i, retrier.MaxDelaySeconds),
    )
    const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0)
    // Full jitter: each delay is uniform between nothing and its maximum.
    const mean = sum(delays) / 2
    const deviation = Math.sqrt(sum(delays.map(delay => delay ** 2 / 12)))
    expect(mean - 2.33 * deviation).toBeGreaterThan(60)
  })

  test('has no failed branch that ends as a success', () => {
    for (const [state, { Type, ErrorPath }] of states)
      if (/Failed$/.test(state)) expect([Type, ErrorPath]).toEqual(['Fail', expect.any(String)])
    // The rotation succeeded. What is left open has an event, and the next rotation closes it.
    const green = states.filter(([, { Type }]) => Type === 'Succeed').map(([state]) => state)
    expect(green).toEqual(['LeftOpen', 'Rotated'])
  })
})

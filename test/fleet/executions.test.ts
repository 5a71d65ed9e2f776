import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, describe, expect, test, vi } from 'vitest'
import * as errors from '../../rotation/errors.ts'
import { setLambdaEnvironment } from '../support/lambdaEnvironment.ts'

/** Plays Step Functions: answers each DescribeExecution with this, except for further attempts, which do not exist. */
let execution: { status: number; body: object }
/** The answers about `<token>-2`, `<token>-3` and so on. */
let attempts: (typeof execution)[] = []
let asked: { target: unknown; executionArn?: string }[] = []
const stepFunctions = createServer(async (incoming, outgoing) => {
  const { executionArn } = JSON.parse(Buffer.concat(await incoming.toArray()).toString())
  asked.push({ target: incoming.headers['x-amz-target'], executionArn })
  const none = { status: 400, body: { __type: 'ExecutionDoesNotExist' } }
  const { status, body } = /-\d$/.test(executionArn) ? (attempts.shift() ?? none) : execution
  outgoing.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' })
  outgoing.end(JSON.stringify(body))
})
stepFunctions.listen(0, '127.0.0.1')
await once(stepFunctions, 'listening')
afterAll(() => {
  stepFunctions.close()
  stepFunctions.closeAllConnections()
})

setLambdaEnvironment({
  AWS_MAX_ATTEMPTS: '1',
  AWS_ENDPOINT_URL_SFN: `http://127.0.0.1:${(stepFunctions.address() as AddressInfo).port}`,
  KEYTURN_EXECUTIONS: 'arn:aws:states:eu-west-1:123456789012:execution:keyturn-rotate',
})
const { pipelines } = await import('../../functions/shared/ownPipelines.ts')
const { executions } = pipelines

const token = '8f14e45f-ceea-467f-a0e6-0123456789ab'

const describing = (name: string) => ({
  target: 'AWSStepFunctions.DescribeExecution',
  executionArn: `arn:aws:states:eu-west-1:123456789012:execution:keyturn-rotate:${name}`,
})
const running = async (status: number, body: object, version = token) => {
  asked = []
  execution = { status, body }
  return (await pipelines.of('secrets-manager')).isExecutionRunning(version)
}

test.each([
  ['RUNNING', true],
  ['SUCCEEDED', false],
])(
  'isExecutionRunning of a %s execution is %j, without a look at further attempts',
  async (status, answer) => {
    expect(await running(200, { status })).toBe(answer)
    expect(asked).toEqual([describing(token)])
  },
)

test.each(['PENDING_REDRIVE', 'FAILED', 'TIMED_OUT', 'ABORTED'])(
  'isExecutionRunning of a %s execution is false, unless a further attempt runs',
  async status => {
    expect(await running(200, { status })).toBe(false)
    expect(asked).toEqual([describing(token), describing(`${token}-2`)])
    attempts = [
      { status: 200, body: { status } },
      { status: 200, body: { status: 'RUNNING' } },
    ]
    expect(await running(200, { status })).toBe(true)
    expect(asked).toEqual([describing(token), describing(`${token}-2`), describing(`${token}-3`)])
  },
)

test.each([
  ['SetSecret', true],
  ['AnnounceSuccess', false],
])('isRotating of a running execution that has entered %s is %j', async (name, answer) => {
  asked = []
  const events = [{ type: 'TaskStateEntered', stateEnteredEventDetails: { name } }]
  execution = { status: 200, body: { status: 'RUNNING', events } }
  expect(await (await pipelines.of('secrets-manager')).isRotating(token)).toBe(answer)
  const history = { ...describing(token), target: 'AWSStepFunctions.GetExecutionHistory' }
  expect(asked).toEqual([describing(token), history])
})

test('isRotating does not read the history of an execution that does not run', async () => {
  asked = []
  execution = { status: 200, body: { status: 'SUCCEEDED' } }
  expect(await (await pipelines.of('secrets-manager')).isRotating(token)).toBe(false)
  expect(asked).toEqual([describing(token)])
})

const entered = (name: string) => ({ type: 'TaskStateEntered', stateEnteredEventDetails: { name } })
const scheduled = { type: 'LambdaFunctionScheduled' }
const failed = (errorMessage: string, error = 'E') => ({
  type: 'LambdaFunctionFailed',
  lambdaFunctionFailedEventDetails: { error, cause: JSON.stringify({ errorMessage }) },
})
const lost = { type: 'LambdaFunctionTimedOut', lambdaFunctionTimedOutEventDetails: {} }
const notReady = failed('The function is idle', 'Lambda.ENINotReadyException')
const { lambdaFunctionFailedEventDetails } = failed('', 'Lambda.TooManyRequestsException')
const notStarted = {
  type: 'LambdaFunctionStartFailed',
  lambdaFunctionStartFailedEventDetails: lambdaFunctionFailedEventDetails,
}
const created = [entered('CreateSecret'), scheduled, { type: 'LambdaFunctionSucceeded' }]
const early = [scheduled, failed('no answer; this try changed nothing')]
const succeeded = { type: 'LambdaFunctionSucceeded' }
const over = entered('RollbackSecret')
const stopped = { type: 'ExecutionAborted' }
const redriven = { type: 'ExecutionRedriven' }
const refused = failed('setSecret: id: should be a text', 'InvalidInput')
const taskScheduled = { type: 'TaskScheduled' }
const taskFailed = {
  type: 'TaskFailed',
  taskFailedEventDetails: failed('no answer; this try changed nothing').lambdaFunctionFailedEventDetails,
}
const taskNotStarted = {
  type: 'TaskStartFailed',
  taskStartFailedEventDetails: lambdaFunctionFailedEventDetails,
}
test.each([
  ['an error before the login', true, [entered('SetSecret'), ...early, over]],
  ['several errors before the login', true, [entered('SetSecret'), ...early, ...early, over]],
  [
    'a function that Lambda had yet to make ready',
    true,
    [entered('SetSecret'), scheduled, notReady, ...early, scheduled, notStarted, over],
  ],
  ['no try at all', true, [entered('DiscardSecret')]],
  ['an error after the login', false, [entered('SetSecret'), scheduled, failed('no answer'), over]],
  [
    'an error before the login, then one after it',
    false,
    [entered('SetSecret'), ...early, scheduled, failed('no'), over],
  ],
  ['a try that gave no answer', false, [entered('SetSecret'), scheduled, lost, ...early, over]],
  ['a try that went well', false, [entered('SetSecret'), scheduled, over]],
  ['no end of SetSecret yet', false, [entered('SetSecret'), ...early]],
  ['a stop between two tries', true, [entered('SetSecret'), ...early, stopped]],
  ['a stop during a try', false, [entered('SetSecret'), ...early, scheduled, stopped]],
  [
    'a redrive, and no end of SetSecret yet',
    false,
    [entered('SetSecret'), ...early, stopped, redriven, ...early],
  ],
  [
    'a redrive, with an error before the login',
    true,
    [entered('SetSecret'), ...early, stopped, redriven, ...early, over],
  ],
  [
    'a redrive, after a try that gave no answer',
    false,
    [entered('SetSecret'), scheduled, stopped, redriven, ...early, over],
  ],
  ['an event that the function refused', true, [entered('SetSecret'), scheduled, refused, over]],
  [
    'a function that is called as another kind of resource',
    true,
    [entered('SetSecret'), taskScheduled, taskNotStarted, taskScheduled, taskFailed, over],
  ],
])('hasChangedNothing, if the history has %s: %j', async (_, answer, events) => {
  asked = []
  execution = { status: 200, body: { status: 'RUNNING', events: [...created, ...events] } }
  expect(await (await pipelines.of('secrets-manager')).hasChangedNothing(token)).toBe(answer)
  const history = { ...describing(token), target: 'AWSStepFunctions.GetExecutionHistory' }
  const next = { ...history, executionArn: `${history.executionArn}-2` }
  expect(asked).toEqual(answer ? [history, next] : [history])
})

test.each([
  ...['KMSDisabled', 'ENILimitReached', 'EC2Throttled', 'EFSMountTimeout', 'SubnetIPAddressLimitReached'],
  ...['ResourceNotFound', 'InvalidRuntime', 'AccessDenied', 'TooManyRequests', 'CodeArtifactUserDeleted'],
])('hasChangedNothing is true if Lambda has not run the function: %sException', async name => {
  const events = [entered('SetSecret'), scheduled, failed('no', `Lambda.${name}Exception`), over]
  execution = { status: 200, body: { events } }
  expect(await (await pipelines.of('secrets-manager')).hasChangedNothing(token)).toBe(true)
})

test.each([
  ...['Lambda.ServiceException', 'Lambda.SdkClientException', 'Lambda.Unknown', 'Sandbox.Timedout'],
  ...['Runtime.ExitError', 'Runtime.UnhandledPromiseRejection', 'Error', 'TypeError', 'Unexpected'],
])('hasChangedNothing is false if the function may have run: %s', async error => {
  const events = [entered('SetSecret'), scheduled, failed('no', error), over]
  execution = { status: 200, body: { events } }
  expect(await (await pipelines.of('secrets-manager')).hasChangedNothing(token)).toBe(false)
})

test.each([
  ['runs', false, [entered('SetSecret'), scheduled]],
  ['failed', true, [entered('SetSecret'), stopped]],
  ['succeeded', true, [entered('SetSecret'), { type: 'ExecutionSucceeded' }]],
  ['was redriven', false, [entered('SetSecret'), stopped, redriven, scheduled]],
])('progressOf an attempt that %s says that it has ended: %j', async (_, ended, events) => {
  execution = { status: 200, body: { events: [...created, ...events] } }
  const progress = await executions.progressOf({ token, number: 1 })
  expect(progress).toEqual({ enteredStates: new Set(['CreateSecret', 'SetSecret']), hasEnded: ended })
})

test('progressOf returns undefined for an attempt that does not exist', async () => {
  attempts = []
  expect(await executions.progressOf({ token, number: 2 })).toBeUndefined()
})

test('hasChangedNothing is true only if it is of every attempt', async () => {
  const untouched = async (...histories: object[][]) => {
    const [first, ...others] = histories.map(events => ({ status: 200, body: { events } }))
    execution = first as typeof execution
    attempts = others
    return (await pipelines.of('secrets-manager')).hasChangedNothing(token)
  }
  const [yes, no] = [
    [entered('SetSecret'), ...early, over],
    [entered('SetSecret'), scheduled, over],
  ]
  expect(await untouched(yes, yes, yes)).toBe(true)
  expect(await untouched(yes, no, yes)).toBe(false)
  expect(await untouched(no, yes, yes)).toBe(false)
  attempts = []
})

/** The history of a rehearsal, in which the events of its branches are mixed. */
const rehearsed = [
  [entered('Rehearse'), 0],
  [entered('RehearseTest'), 1],
  [entered('RehearseFinish'), 1],
  [scheduled, 2],
  [entered('RehearseRollback'), 1],
  [scheduled, 3],
  [failed('no answer', 'Throttled'), 4],
  [scheduled, 5],
  [succeeded, 6],
  [scheduled, 7],
  [succeeded, 8],
  [lost, 10],
  [scheduled, 12],
  [succeeded, 13],
  [entered('Rehearsed'), 9],
].map(([event, previousEventId], index) => ({ ...(event as object), id: index + 1, previousEventId }))

test.each([
  ['that ended the rotation', true, false, [entered('DiscardSecret'), scheduled]],
  ['before a try that changed nothing', true, false, [entered('SetSecret'), ...early, over]],
  ['before a try that went well', false, true, [entered('SetSecret'), scheduled, succeeded, over]],
  ['before a try that gave no answer', false, false, [entered('SetSecret'), scheduled, lost, over]],
  ['that is all there is', true, false, []],
])(
  'a rehearsal %s does not count as SetSecret: hasChangedNothing %j, wasSet %j',
  async (_, untouched, wasSet, events) => {
    execution = { status: 200, body: { status: 'RUNNING', events: [...created, ...rehearsed, ...events] } }
    const pipeline = await pipelines.of('secrets-manager')
    expect([await pipeline.hasChangedNothing(token), await pipeline.wasSet?.(token)]).toEqual([
      untouched,
      wasSet,
    ])
  },
)

test.each([
  ['a try that went well', true, [entered('SetSecret'), scheduled, succeeded]],
  [
    'a try that went well after one that did not',
    true,
    [entered('SetSecret'), ...early, scheduled, succeeded, entered('TestSecret')],
  ],
  [
    'a function that is called as another kind of resource',
    true,
    [entered('SetSecret'), { type: 'TaskSucceeded' }],
  ],
  [
    'another state that went well',
    false,
    [entered('CreateSecret'), scheduled, succeeded, entered('SetSecret'), ...early, over],
  ],
  ['a try that gave no answer', false, [entered('SetSecret'), scheduled, lost, over]],
])('wasSet, if the history has %s: %j', async (_, answer, events) => {
  asked = []
  execution = { status: 200, body: { status: 'FAILED', events: [...created, ...events] } }
  expect(await (await pipelines.of('secrets-manager')).wasSet?.(token)).toBe(answer)
  const history = { ...describing(token), target: 'AWSStepFunctions.GetExecutionHistory' }
  const next = { ...history, executionArn: `${history.executionArn}-2` }
  expect(asked).toEqual(answer ? [history] : [history, next])
})

test('hasChangedNothing and wasSet are false for an unknown execution', async () => {
  execution = { status: 400, body: { __type: 'ExecutionDoesNotExist' } }
  const { hasChangedNothing, wasSet } = await pipelines.of('secrets-manager')
  expect(await wasSet?.(token)).toBe(false)
  expect(await wasSet?.('terraform-20261121')).toBe(false)
  expect(await hasChangedNothing(token)).toBe(false)
  expect(await hasChangedNothing('terraform-20261121')).toBe(false)
})

test('isExecutionRunning is false for an execution that does not exist', async () => {
  expect(await running(400, { __type: 'ExecutionDoesNotExist', message: 'no' })).toBe(false)
})

test.each(['terraform-20261121', 'x'.repeat(65), `${token}:1`, ''])(
  'isExecutionRunning is false, without a call, for a version that no execution can have made: %j',
  async foreign => {
    expect(await running(200, { status: 'RUNNING' }, foreign)).toBe(false)
    expect(asked).toEqual([])
  },
)

test.each(['InvalidArn', 'ValidationException'])(
  'the error %s throws InvalidInput about KEYTURN_EXECUTIONS',
  async name => {
    const answer = running(400, { __type: name, message: 'no' })
    await expect(answer).rejects.toThrow(errors.InvalidInput)
    await expect(answer).rejects.toThrow('environment variable KEYTURN_EXECUTIONS: should be')
  },
)

test.each(['', undefined])('KEYTURN_EXECUTIONS=%j throws InvalidInput for every version', async value => {
  vi.resetModules()
  vi.stubEnv('KEYTURN_EXECUTIONS', value)
  try {
    const { pipelines } = await import('../../functions/shared/ownPipelines.ts')
    const answer = (await pipelines.of('secrets-manager')).isExecutionRunning(token)
    await expect(answer).rejects.toMatchObject({
      name: 'InvalidInput',
      message: 'environment variable KEYTURN_EXECUTIONS: is not set',
    })
  } finally {
    vi.unstubAllEnvs()
    vi.resetModules()
  }
})

test.each([
  [400, 'ThrottlingException'],
  [429, 'TooManyRequestsException'],
  [500, 'InternalServerError'],
  [503, 'ServiceUnavailable'],
])('the answer %i %s throws Throttled', async (status, name) => {
  const answer = running(status, { __type: name, message: 'later' })
  await expect(answer).rejects.toThrow(errors.Throttled)
  await expect(answer).rejects.toThrow(`Step Functions: ${name}`)
})

test('AccessDenied throws NotPermitted, which says who may not do what', async () => {
  const answer = running(400, { __type: 'AccessDeniedException', message: 'User: x is not authorized' })
  await expect(answer).rejects.toThrow(errors.NotPermitted)
  await expect(answer).rejects.toThrow('Step Functions: User: x is not authorized')
})

describe('failureOf returns an execution’s error in one line', () => {
  const fails = (body: object) => {
    execution = { status: 200, body }
    return executions.failureOf({ token, number: 1 })
  }

  test.each([
    [
      'LoginRefused',
      "Lambda's answer",
      { error: 'LoginRefused', cause: '{"errorMessage":"setSecret:\\n  no","trace":["at x"]}' },
      'setSecret: no',
    ],
    ['States.Timeout', 'a text', { error: 'States.Timeout', cause: 'too\nlong' }, 'too long'],
    ['States.Timeout', 'no cause', { error: 'States.Timeout' }, `execution ${token} is FAILED`],
    ['Sandbox.Timedout', 'an answer without text', { error: 'Sandbox.Timedout', cause: '{}' }, 'FAILED'],
    ['ExecutionFailed', 'stopped by hand', { status: 'ABORTED' }, `execution ${token} is ABORTED`],
  ])('%s, %s', async (name, _, body, message) => {
    const error = await fails({ status: 'FAILED', ...body })
    expect(error).toBeInstanceOf(errors.RotationError)
    expect(error).toMatchObject({ name, message: expect.stringContaining(message) })
  })
})

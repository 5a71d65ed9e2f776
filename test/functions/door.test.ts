import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Event } from '../../functions/shared/event.ts'
import { startSecretsManager } from '../../local/aws/secretsManager.ts'
import type { StoreName } from '../../rotation/stores/store.ts'
import { captureOutput, failure } from '../support/observe.ts'

/** Plays Step Functions: answers every DescribeExecution with this, but for further attempts, which there are none. */
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
const secretsManager = await startSecretsManager()
afterAll(async () => {
  stepFunctions.close()
  stepFunctions.closeAllConnections()
  await secretsManager.stop()
})

// What Lambda sets for a function. The modules read it as they load, so they are loaded after it.
Object.assign(process.env, {
  AWS_REGION: 'eu-west-1',
  AWS_ACCESS_KEY_ID: 'local',
  AWS_SECRET_ACCESS_KEY: 'local',
  AWS_MAX_ATTEMPTS: '1',
  AWS_ENDPOINT_URL_SFN: `http://127.0.0.1:${(stepFunctions.address() as AddressInfo).port}`,
  AWS_ENDPOINT_URL_SECRETS_MANAGER: secretsManager.url,
  KEYTURN_EXECUTIONS: 'arn:aws:states:eu-west-1:123456789012:execution:keyturn-rotate',
})
const { parseEnvironment } = await import('../../functions/shared/environment.ts')
const { NoObject, rollbackEvent, rotationEvent, serviceEvent, startEvent } = await import(
  '../../functions/shared/event.ts'
)
const { count, logger } = await import('../../functions/shared/handler.ts')
const { stepHandler } = await import('../../functions/shared/stepHandler.ts')
const { pipelines } = await import('../../functions/shared/ownPipelines.ts')
const { executions } = pipelines
const { Credential } = await import('../../rotation/credential.ts')
const errors = await import('../../rotation/errors.ts')

const token = '8f14e45f-ceea-467f-a0e6-0123456789ab'
const start = { execution: token, rotation: { store: 'secrets-manager', id: 'app/db' } }
const untold = {
  ...start.rotation,
  engine: 'postgres',
  host: 'db.example.com',
  strategy: 'single-user',
  user: 'app',
  nextUser: 'app',
  replaces: 'first',
}
const created = { ...untold, token }

describe('event.ts', () => {
  test("startEvent: the execution's input; its name becomes the token", () => {
    expect(startEvent(start)).toEqual({ abandoned: false, rotation: { ...start.rotation, token } })
    expect(startEvent({ ...start, rotation: { ...start.rotation, token } }).rotation.token).toBe(token)
  })

  test('startEvent: the way back from a temporary clone', () => {
    const back = { ...start.rotation, moveBack: true }
    expect(startEvent({ ...start, rotation: back }).rotation).toMatchObject(back)
    const other = { ...start, rotation: { ...back, moveBack: 'soon' } }
    expect(() => startEvent(other)).toThrow('moveBack: should be true, or left out')
  })

  test('a further attempt is named after its token, which the input must then name', () => {
    for (const execution of [`${token}-2`, `${token}-10`])
      expect(startEvent({ execution, rotation: { ...start.rotation, token } }).rotation.token).toBe(token)
    expect(startEvent({ ...start, execution: `${token}-2` }).rotation.token).toBe(`${token}-2`)
  })

  test('serviceEvent: what Secrets Manager calls a rotation function with', () => {
    const call = { Step: 'setSecret', SecretId: 'arn', ClientRequestToken: token }
    const rotation = { store: 'secrets-manager', id: 'arn', token }
    expect(serviceEvent(call)).toEqual({ step: 'setSecret', rotation, rotationToken: undefined })
    expect(serviceEvent({ ...call, RotationToken: 'proof' }).rotationToken).toBe('proof')
    for (const [field, value] of [
      ['Step', 'dropSecret'],
      ['SecretId', ''],
      ['ClientRequestToken', 'short'],
      ['ClientRequestToken', `${token}:more`],
      ['RotationToken', 7],
    ])
      expect(() => serviceEvent({ ...call, [`${field}`]: value })).toThrow(
        expect.objectContaining({
          name: 'InvalidInput',
          message: expect.stringMatching(`^${field}: should be `),
        }),
      )
  })

  test('what it does not know is left out', () => {
    expect(startEvent({ ...start, more: 1, rotation: { ...start.rotation, more: 1 } })).toEqual(
      startEvent(start),
    )
  })

  test('rotationEvent: what createSecret returned', () => {
    const all = { ...created, grace: 60, testQuery: 'select 1', pooler: 'auth-query' }
    expect(rotationEvent({ execution: token, rotation: all })).toEqual({ abandoned: false, rotation: all })
    expect(rotationEvent({ execution: token, rotation: created }).rotation).toEqual(created)
  })

  test('rotationEvent: a connection, and an opaque value, which has neither host nor user', () => {
    const connected = { ...created, connection: '/shop/connection' }
    expect(rotationEvent({ execution: token, rotation: connected }).rotation).toEqual(connected)
    const opaque = { ...created, engine: 'opaque', host: '', user: '', nextUser: '' }
    expect(rotationEvent({ execution: token, rotation: opaque }).rotation).toEqual(opaque)
    for (const field of ['host', 'user', 'nextUser'])
      expect(() => rotationEvent({ execution: token, rotation: { ...opaque, [field]: 'x' } })).toThrow(
        `${field}: should be as the state machine passes it`,
      )
  })

  test('rollbackEvent: as much as there was, of this rotation or an abandoned one', () => {
    expect(rollbackEvent(start)).toEqual({ abandoned: false, rotation: { ...start.rotation, token } })
    expect(rollbackEvent({ ...start, abandoned: true, rotation: created })).toEqual({
      abandoned: true,
      rotation: {
        ...{ ...start.rotation, token, engine: 'postgres', strategy: 'single-user' },
        // By these it knows whether the user was changed meanwhile.
        ...{ host: 'db.example.com', user: 'app', replaces: 'first' },
      },
    })
    for (const kind of [{ engine: 'opaque' }, { engine: 'postgres', connection: '/shop/connection' }])
      expect(rollbackEvent({ ...start, rotation: { ...start.rotation, ...kind } }).rotation).toMatchObject(
        kind,
      )
  })

  test.each([
    ['execution', { execution: undefined }],
    ['execution', { execution: '' }],
    ['execution', { execution: 5 }],
    ['rotation', { rotation: undefined }],
    ['rotation', { rotation: null }],
    ['rotation', { rotation: 'text' }],
    ['abandoned', { abandoned: 'yes' }],
    ['store', { rotation: { ...created, store: undefined } }],
    ['store', { rotation: { ...created, store: 'vault' } }],
    ['id', { rotation: { ...created, id: undefined } }],
    ['id', { rotation: { ...created, id: '' } }],
    ['id', { rotation: { ...created, id: ['app/db'] } }],
    ['token', { rotation: { ...created, token: 5 } }],
    ['token', { rotation: { ...created, token: 'of another execution' } }],
    ['token', { execution: 'too-short', rotation: untold }],
    ['token', { execution: 'x'.repeat(65), rotation: untold }],
    ['token', { execution: `${token}:more`, rotation: untold }],
    ['token', { execution: `${token}\n`, rotation: untold }],
    ['token', { execution: `${token}-1` }],
    ['token', { execution: `${token}-02` }],
    ['token', { execution: `${token}-2-2` }],
    ['token', { execution: `${token}-two` }],
    ['token', { execution: `x${token}-2` }],
  ])('every parser refuses a wrong %s by its name: %j', (field, change) => {
    // An execution's input that has no fields has an error of its own.
    const fieldless =
      'rotation' in change && (change.rotation === null || typeof change.rotation === 'string')
    for (const parse of [...(fieldless ? [] : [startEvent]), rotationEvent, rollbackEvent]) {
      const run = () => parse({ execution: token, rotation: created, ...change })
      expect(run).toThrow(errors.InvalidInput)
      expect(run).toThrow(new RegExp(`^${field}: should be `))
    }
  })

  test.each([[null], ['a text'], [7], [[created]], [true]])('an input that has no fields: %j', rotation => {
    const run = () => startEvent({ execution: token, rotation })
    expect(run).toThrow(NoObject)
    expect(run).toThrow(/^input: should be an object, such as \{"store":"secrets-manager"/)
  })

  test.each([
    ['engine', 'oracle'],
    ['engine', undefined],
    ['engine', null],
    ['connection', ''],
    ['host', ''],
    ['strategy', 'none'],
    ['user', undefined],
    ['nextUser', ''],
    ['replaces', undefined],
    ['grace', 'never'],
    ['testQuery', ''],
    ['pooler', 'static'],
  ])('rotationEvent refuses a wrong %s: %j', (field, value) => {
    const run = () => rotationEvent({ execution: token, rotation: { ...created, [field]: value } })
    expect(run).toThrow(errors.InvalidInput)
    expect(run).toThrow(`${field}: should be as the state machine passes it`)
  })

  test.each([undefined, null, 'text', 5])('an event that is no object: %j', event => {
    expect(() => startEvent(event)).toThrow(errors.InvalidInput)
  })

  test('says what a store, an id and a token are', () => {
    const change = (rotation: object) => () =>
      startEvent({ ...start, rotation: { ...start.rotation, ...rotation } })
    expect(change({ store: 'vault' })).toThrow('store: should be one of: secrets-manager, parameter-store')
    expect(change({ id: '' })).toThrow(
      'id: should be the name or the ARN of the secret, or the name of the parameter',
    )
    expect(change({ token: 'other' })).toThrow('token: should be the name of the execution')
  })
})

describe('environment.ts', () => {
  const unset = { strategy: undefined, testQuery: undefined }

  test('nothing set', () => {
    expect(parseEnvironment({})).toEqual({
      caFile: '/var/runtime/ca-cert.pem',
      executions: undefined,
      servers: '',
      defaults: { ...unset, grace: 86_400, password: {} },
    })
  })

  test('all set', () => {
    const variables = {
      KEYTURN_CA_FILE: '/opt/ca.pem',
      KEYTURN_EXECUTIONS: 'arn:aws:states:eu-west-1:123456789012:execution:rotate',
      KEYTURN_GRACE: '2h',
      KEYTURN_TEST_QUERY_MAY_WRITE: 'true',
      PASSWORD_LENGTH: '40',
      EXCLUDE_CHARACTERS: '%',
      EXCLUDE_NUMBERS: 'true',
      EXCLUDE_PUNCTUATION: 'false',
      EXCLUDE_UPPERCASE: 'true',
      EXCLUDE_LOWERCASE: 'false',
      REQUIRE_EACH_INCLUDED_TYPE: 'false',
      PATH: '/bin',
      strategy: 'single-user',
    }
    expect(parseEnvironment(variables)).toEqual({
      caFile: '/opt/ca.pem',
      executions: 'arn:aws:states:eu-west-1:123456789012:execution:rotate',
      servers: 'arn:aws:states:eu-west-1:123456789012:stateMachine:rotate-server',
      testMayWrite: true,
      defaults: {
        ...unset,
        grace: 7200,
        password: {
          PASSWORD_LENGTH: 40,
          EXCLUDE_CHARACTERS: '%',
          EXCLUDE_NUMBERS: true,
          EXCLUDE_PUNCTUATION: false,
          EXCLUDE_UPPERCASE: true,
          EXCLUDE_LOWERCASE: false,
          REQUIRE_EACH_INCLUDED_TYPE: false,
        },
      },
    })
  })

  test.each([
    'KEYTURN_CA_FILE',
    'KEYTURN_EXECUTIONS',
    'KEYTURN_GRACE',
    'KEYTURN_TEST_QUERY_MAY_WRITE',
    'PASSWORD_LENGTH',
    'EXCLUDE_CHARACTERS',
    'EXCLUDE_NUMBERS',
  ])('%s empty counts as unset', name => {
    expect(parseEnvironment({ [name]: '' })).toEqual(parseEnvironment({}))
  })

  test('never closes nothing', () => {
    expect(parseEnvironment({ KEYTURN_GRACE: 'never' }).defaults.grace).toBe('never')
  })

  test.each([
    ['KEYTURN_GRACE', 'soon', /^grace: should be/],
    ['KEYTURN_TEST_QUERY_MAY_WRITE', 'yes', /^testQueryMayWrite: should be true or false/],
    ['PASSWORD_LENGTH', '0', /^PASSWORD_LENGTH: should be/],
    ['EXCLUDE_NUMBERS', 'yes', /^EXCLUDE_NUMBERS: should be true or false/],
  ])('%s=%s is refused', (name, value, message) => {
    const run = () => parseEnvironment({ [name]: value })
    expect(run).toThrow(errors.InvalidOption)
    expect(run).toThrow(message)
  })
})

describe('handler.ts', () => {
  let written: string[] = []

  beforeEach(() => {
    written = captureOutput()
  })
  afterEach(() => {
    vi.restoreAllMocks()
  })

  type Start = { store: StoreName; id: string; token?: string }
  type Run = Parameters<typeof stepHandler<Event<Start>, unknown>>[2]
  const call = (run: Run, event: unknown = start) =>
    stepHandler('testStep', startEvent, run)(event, { awsRequestId: 'request-1' } as never)
  const lines = () => written.map(line => JSON.parse(line))

  test('gives the step its pipeline and its event, and returns what it returns', async () => {
    const result = await call(async (pipeline, event) => {
      expect(await pipeline.store.describe('app/db').catch(({ name }) => name)).toBe('InvalidCredential')
      return { event, defaults: pipeline.defaults }
    })
    expect(result).toMatchObject({ event: startEvent(start), defaults: { grace: 86_400 } })
  })

  test('the log names the step and the rotation', async () => {
    await call(async () => ({ outcome: 'fine' }))
    expect(lines().find(({ message }) => message === 'done')).toMatchObject({
      level: 'INFO',
      step: 'testStep',
      ...start.rotation,
      token,
      function_request_id: 'request-1',
      result: { outcome: 'fine' },
    })
  })

  test('what one rotation logged is not in the lines of the next', async () => {
    await call(async () => logger.appendKeys({ left: 'behind' }))
    written.length = 0
    await call(async () => {})
    expect(written.join('')).toContain('done')
    expect(written.join('')).not.toContain('behind')
  })

  test('an error of ours leaves as it is, with the name of the step in front', async () => {
    const thrown = new errors.Throttled('Secrets Manager: slow down')
    const error = await failure(call(() => Promise.reject(thrown)))
    expect(error).toBe(thrown)
    expect(error).toMatchObject({ name: 'Throttled', message: 'testStep: Secrets Manager: slow down' })
  })

  test.each([
    ['that retries it', ['AdminRefused'], 'AdminRefused'],
    ['that retries something else', ['SomethingElse'], 'Conflict'],
    ['of the first release, which names nothing', undefined, 'Conflict'],
  ])(
    'an error that came later leaves by a name that is retried: a definition %s',
    async (_, retries, name) => {
      const thrown = new errors.AdminRefused('master: no; this try changed nothing')
      const event = { ...start, ...(retries && { retries }) }
      const error = await failure(call(() => Promise.reject(thrown), event))
      expect(error).toMatchObject({ name, message: 'testStep: master: no; this try changed nothing' })
    },
  )

  test('a wrong event is InvalidInput, and the step does not run', async () => {
    const run = vi.fn(async () => {})
    const error = await failure(call(run, { ...start, rotation: { id: 'app/db' } }))
    expect(error).toMatchObject({
      name: 'InvalidInput',
      message: 'testStep: store: should be one of: secrets-manager, parameter-store',
    })
    expect(run).not.toHaveBeenCalled()
  })

  test.each([
    ['an error', new TypeError('Hidden-1'), 'TypeError'],
    ['a text', 'Hidden-1', 'string'],
    ['an error with more on it', Object.assign(new Error('Hidden-1'), { query: 'Hidden-2' }), 'Error'],
  ])('any other throw becomes Unexpected without its text: %s', async (_, thrown, kind) => {
    const error = await failure(call(() => Promise.reject(thrown)))
    expect(error).toBeInstanceOf(errors.Unexpected)
    expect(error).toMatchObject({ name: 'Unexpected', message: `testStep: an unexpected ${kind}` })
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain('Hidden')
    expect(written.join('')).not.toContain('Hidden')
  })

  test('a step that throws at once, without a promise', async () => {
    const error = await failure(
      call(() => {
        throw new RangeError('Hidden-1')
      }),
    )
    expect(error.message).toBe('testStep: an unexpected RangeError')
  })

  test.each([
    'password',
    'PASSWORD',
    'newPassword',
    'SecretString',
    'SecretBinary',
    'RotationToken',
    'verifier',
  ])('a log line hides what is named %s, however deep', async key => {
    await call(async () => {
      logger.info('found', {
        [key]: 'Hidden-1',
        deep: { list: [{ [key]: { inside: 'Hidden-2' } }] },
      } as never)
      logger.appendKeys({ more: { [key]: 'Hidden-3' } })
      return { [key]: 'Hidden-4' }
    })
    expect(written.join('')).toContain('"***"')
    expect(written.join('')).not.toContain('Hidden')
  })

  test('a log line shows of a credential what anybody may see', async () => {
    const text = '{"engine":"postgres","host":"h","username":"app","password":"Hidden-1","key":"Hidden-2"}'
    await call(async () => ({ credential: Credential.parse(text) }))
    expect(lines().find(({ message }) => message === 'done').result).toEqual({
      credential: { engine: 'postgres', host: 'h', username: 'app' },
    })
    expect(written.join('')).not.toContain('Hidden')
  })

  test('a metric is written with its dimensions', async () => {
    await call(async () => count('CredentialRotated', { engine: 'postgres', strategy: 'single-user' }))
    const metric = lines().find(line => 'CredentialRotated' in line)
    expect(metric).toMatchObject({ CredentialRotated: 1, engine: 'postgres', strategy: 'single-user' })
    expect(metric._aws.CloudWatchMetrics[0].Namespace).toBe('Keyturn')
  })
})

describe('executions.ts: running asks Step Functions', () => {
  const describing = (name: string) => ({
    target: 'AWSStepFunctions.DescribeExecution',
    executionArn: `arn:aws:states:eu-west-1:123456789012:execution:keyturn-rotate:${name}`,
  })
  const running = async (status: number, body: object, version = token) => {
    asked = []
    execution = { status, body }
    return (await pipelines.of('secrets-manager')).running(version)
  }

  test.each([
    ['RUNNING', true],
    ['SUCCEEDED', false],
  ])('%s is %j, and there is no further attempt', async (status, answer) => {
    expect(await running(200, { status })).toBe(answer)
    expect(asked).toEqual([describing(token)])
  })

  test.each(['PENDING_REDRIVE', 'FAILED', 'TIMED_OUT', 'ABORTED'])(
    '%s is false, unless a further attempt runs',
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
  ])('rotating: one that runs and has entered %s: %j', async (name, answer) => {
    asked = []
    const events = [{ type: 'TaskStateEntered', stateEnteredEventDetails: { name } }]
    execution = { status: 200, body: { status: 'RUNNING', events } }
    expect(await (await pipelines.of('secrets-manager')).rotating(token)).toBe(answer)
    const history = { ...describing(token), target: 'AWSStepFunctions.GetExecutionHistory' }
    expect(asked).toEqual([describing(token), history])
  })

  test('rotating: one that does not run is not asked for more', async () => {
    asked = []
    execution = { status: 200, body: { status: 'SUCCEEDED' } }
    expect(await (await pipelines.of('secrets-manager')).rotating(token)).toBe(false)
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
    ['several of them', true, [entered('SetSecret'), ...early, ...early, over]],
    [
      'a function that Lambda had yet to make ready',
      true,
      [entered('SetSecret'), scheduled, notReady, ...early, scheduled, notStarted, over],
    ],
    ['no try at all', true, [entered('DiscardSecret')]],
    ['an error after it', false, [entered('SetSecret'), scheduled, failed('no answer'), over]],
    [
      'first one before, then one after',
      false,
      [entered('SetSecret'), ...early, scheduled, failed('no'), over],
    ],
    ['a try that gave no answer', false, [entered('SetSecret'), scheduled, lost, ...early, over]],
    ['a try that went well', false, [entered('SetSecret'), scheduled, over]],
    ['it is still at it, as far as the history is known', false, [entered('SetSecret'), ...early]],
    ['stopped between two tries', true, [entered('SetSecret'), ...early, stopped]],
    ['stopped while a try was at it', false, [entered('SetSecret'), ...early, scheduled, stopped]],
    ['redriven, and at it again', false, [entered('SetSecret'), ...early, stopped, redriven, ...early]],
    [
      'redriven, with an error before the login',
      true,
      [entered('SetSecret'), ...early, stopped, redriven, ...early, over],
    ],
    [
      'redriven, when a try had given no answer',
      false,
      [entered('SetSecret'), scheduled, stopped, redriven, ...early, over],
    ],
    ['an event that the function does not take', true, [entered('SetSecret'), scheduled, refused, over]],
    [
      'a function that is called as another kind of resource',
      true,
      [entered('SetSecret'), taskScheduled, taskNotStarted, taskScheduled, taskFailed, over],
    ],
  ])('untouched: %s: %j', async (_, answer, events) => {
    asked = []
    execution = { status: 200, body: { status: 'RUNNING', events: [...created, ...events] } }
    expect(await (await pipelines.of('secrets-manager')).untouched(token)).toBe(answer)
    const history = { ...describing(token), target: 'AWSStepFunctions.GetExecutionHistory' }
    const next = { ...history, executionArn: `${history.executionArn}-2` }
    expect(asked).toEqual(answer ? [history, next] : [history])
  })

  test.each([
    ...['KMSDisabled', 'ENILimitReached', 'EC2Throttled', 'EFSMountTimeout', 'SubnetIPAddressLimitReached'],
    ...['ResourceNotFound', 'InvalidRuntime', 'AccessDenied', 'TooManyRequests', 'CodeArtifactUserDeleted'],
  ])('untouched: Lambda has not run the function: %sException', async name => {
    const events = [entered('SetSecret'), scheduled, failed('no', `Lambda.${name}Exception`), over]
    execution = { status: 200, body: { events } }
    expect(await (await pipelines.of('secrets-manager')).untouched(token)).toBe(true)
  })

  test.each([
    ...['Lambda.ServiceException', 'Lambda.SdkClientException', 'Lambda.Unknown', 'Sandbox.Timedout'],
    ...['Runtime.ExitError', 'Runtime.UnhandledPromiseRejection', 'Error', 'TypeError', 'Unexpected'],
  ])('untouched: it may have run, and changed something: %s', async error => {
    const events = [entered('SetSecret'), scheduled, failed('no', error), over]
    execution = { status: 200, body: { events } }
    expect(await (await pipelines.of('secrets-manager')).untouched(token)).toBe(false)
  })

  test('untouched: every attempt counts', async () => {
    const untouched = async (...histories: object[][]) => {
      const [first, ...others] = histories.map(events => ({ status: 200, body: { events } }))
      execution = first as typeof execution
      attempts = others
      return (await pipelines.of('secrets-manager')).untouched(token)
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

  test.each([
    ['a try that went well', true, [entered('SetSecret'), scheduled, succeeded]],
    [
      'one that did after another',
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
  ])('wasSet: %s: %j', async (_, answer, events) => {
    asked = []
    execution = { status: 200, body: { status: 'FAILED', events: [...created, ...events] } }
    expect(await (await pipelines.of('secrets-manager')).wasSet?.(token)).toBe(answer)
    const history = { ...describing(token), target: 'AWSStepFunctions.GetExecutionHistory' }
    const next = { ...history, executionArn: `${history.executionArn}-2` }
    expect(asked).toEqual(answer ? [history] : [history, next])
  })

  test('untouched: false of an execution that is not known', async () => {
    execution = { status: 400, body: { __type: 'ExecutionDoesNotExist' } }
    const { untouched, wasSet } = await pipelines.of('secrets-manager')
    expect(await wasSet?.(token)).toBe(false)
    expect(await wasSet?.('terraform-20261121')).toBe(false)
    expect(await untouched(token)).toBe(false)
    expect(await untouched('terraform-20261121')).toBe(false)
  })

  test('ExecutionDoesNotExist is false', async () => {
    expect(await running(400, { __type: 'ExecutionDoesNotExist', message: 'no' })).toBe(false)
  })

  test.each(['terraform-20261121', 'x'.repeat(65), `${token}:1`, ''])(
    'a version that no execution of ours can have made is false, without a call: %j',
    async foreign => {
      expect(await running(200, { status: 'RUNNING' }, foreign)).toBe(false)
      expect(asked).toEqual([])
    },
  )

  test.each(['InvalidArn', 'ValidationException'])(
    '%s is InvalidInput: nothing is said about the execution',
    async name => {
      const answer = running(400, { __type: name, message: 'no' })
      await expect(answer).rejects.toThrow(errors.InvalidInput)
      await expect(answer).rejects.toThrow('environment variable KEYTURN_EXECUTIONS: should be')
    },
  )

  test.each(['', undefined])('KEYTURN_EXECUTIONS=%j is InvalidInput, for every version', async value => {
    vi.resetModules()
    vi.stubEnv('KEYTURN_EXECUTIONS', value)
    try {
      const { pipelines: fresh } = await import('../../functions/shared/ownPipelines.ts')
      const answer = (await fresh.of('secrets-manager')).running(token)
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
  ])('%i %s is Throttled', async (status, name) => {
    const answer = running(status, { __type: name, message: 'later' })
    await expect(answer).rejects.toThrow(errors.Throttled)
    await expect(answer).rejects.toThrow(`Step Functions: ${name}`)
  })

  test('AccessDenied is NotPermitted and says who may not do what', async () => {
    const answer = running(400, { __type: 'AccessDeniedException', message: 'User: x is not authorized' })
    await expect(answer).rejects.toThrow(errors.NotPermitted)
    await expect(answer).rejects.toThrow('Step Functions: User: x is not authorized')
  })
})

describe('executions.ts: what an execution failed with, in one line', () => {
  const fails = (body: object) => {
    execution = { status: 200, body }
    return executions.failure({ token, number: 1 })
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

describe('pipeline.ts: the admin', () => {
  test('without a secret of that ARN is InvalidCredential', async () => {
    const arn = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:admin-AbCdEf'
    const read = (await pipelines.of('secrets-manager')).admin(arn)
    await expect(read).rejects.toMatchObject({ name: 'InvalidCredential', field: 'masterarn' })
  })
})

test('a service that accepts a call and never answers is Throttled, and not waited for without end', async () => {
  const silent = createServer(() => {})
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  vi.resetModules()
  vi.stubEnv('AWS_ENDPOINT_URL_SECRETS_MANAGER', `http://127.0.0.1:${(silent.address() as AddressInfo).port}`)
  const { pipelines: fresh } = await import('../../functions/shared/ownPipelines.ts')
  const { store } = await fresh.of('secrets-manager')
  await expect(store.describe('app/db')).rejects.toMatchObject({
    name: 'Throttled',
  })
  vi.unstubAllEnvs()
  silent.closeAllConnections()
  silent.close()
}, 30_000)

import { inspect } from 'node:util'
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest'
import { parseCreateSecretEvent, type StepEvent } from '../../../functions/shared/event.ts'
import { startSecretsManager } from '../../../local/aws/secretsManager.ts'
import { Credential } from '../../../rotation/credential.ts'
import * as errors from '../../../rotation/errors.ts'
import type { Pipeline } from '../../../rotation/pipeline.ts'
import type { StoreName } from '../../../rotation/stores/store.ts'
import { setLambdaEnvironment } from '../../support/lambdaEnvironment.ts'
import { captureOutput, rejectionOf } from '../../support/observe.ts'

const secretsManager = await startSecretsManager()
afterAll(() => secretsManager.stop())

setLambdaEnvironment({
  AWS_MAX_ATTEMPTS: '1',
  AWS_ENDPOINT_URL_SECRETS_MANAGER: secretsManager.url,
})
const { logger } = await import('../../../functions/shared/logger.ts')
const { count } = await import('../../../functions/shared/metrics.ts')
const { pipelines } = await import('../../../functions/shared/ownPipelines.ts')
const { stepHandler } = await import('../../../functions/shared/stepHandler.ts')

const token = '8f14e45f-ceea-467f-a0e6-0123456789ab'
const start = { execution: token, rotation: { store: 'secrets-manager', id: 'app/db' } }
let written: string[] = []

beforeEach(() => {
  written = captureOutput()
})
afterEach(() => {
  vi.restoreAllMocks()
})

type Start = { store: StoreName; id: string; token?: string }
type Run = Parameters<typeof stepHandler<Pipeline, StepEvent<Start>, unknown>>[3]
const call = (run: Run, event: unknown = start) =>
  stepHandler(
    'testStep',
    pipelines,
    parseCreateSecretEvent,
    run,
  )(event, { awsRequestId: 'request-1' } as never)
const lines = () => written.map(line => JSON.parse(line))

test('a handler calls the step with its pipeline and event, and returns its result', async () => {
  const result = await call(async (pipeline, event) => {
    expect(await pipeline.store.describe('app/db').catch(({ name }) => name)).toBe('InvalidCredential')
    return { event, defaults: pipeline.defaults }
  })
  expect(result).toMatchObject({ event: parseCreateSecretEvent(start), defaults: { grace: 86_400 } })
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

test('the log of one rotation has nothing of an earlier one', async () => {
  await call(async () => logger.appendKeys({ left: 'behind' }))
  written.length = 0
  await call(async () => {})
  expect(written.join('')).toContain('done')
  expect(written.join('')).not.toContain('behind')
})

test('a RotationError is thrown with the name of the step in front', async () => {
  const thrown = new errors.Throttled('Secrets Manager: slow down')
  const error = await rejectionOf(call(() => Promise.reject(thrown)))
  expect(error).toBe(thrown)
  expect(error).toMatchObject({ name: 'Throttled', message: 'testStep: Secrets Manager: slow down' })
})

test.each([
  ['that retries it', ['AdminRefused'], 'AdminRefused'],
  ['that retries something else', ['SomethingElse'], 'Conflict'],
  ['of the first release, which names nothing', undefined, 'Conflict'],
])('a new error has a name that a state machine %s retries', async (_, retries, name) => {
  const thrown = new errors.AdminRefused('master: no; this try changed nothing')
  const event = { ...start, ...(retries && { retries }) }
  const error = await rejectionOf(call(() => Promise.reject(thrown), event))
  expect(error).toMatchObject({ name, message: 'testStep: master: no; this try changed nothing' })
})

test('a wrong event throws InvalidInput, and the step does not run', async () => {
  const run = vi.fn(async () => {})
  const error = await rejectionOf(call(run, { ...start, rotation: { id: 'app/db' } }))
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
  const error = await rejectionOf(call(() => Promise.reject(thrown)))
  expect(error).toBeInstanceOf(errors.Unexpected)
  expect(error).toMatchObject({ name: 'Unexpected', message: `testStep: an unexpected ${kind}` })
  expect(inspect(error, { depth: null, showHidden: true })).not.toContain('Hidden')
  expect(written.join('')).not.toContain('Hidden')
})

test('a step may throw without a promise', async () => {
  const error = await rejectionOf(
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

test('a log line shows only the harmless parts of a credential', async () => {
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

import { randomUUID } from 'node:crypto'
import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager'
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Embedded, loadHandler, startEmbedded } from '../../local/embedded/embedded.ts'
import { type BusEvent, makeEventBusTasks } from '../../local/embedded/eventBus.ts'
import { runExecution, type Tasks } from '../../local/embedded/stateMachine.ts'
import { pythonBin } from '../../local/stack/python.ts'
import type { CheckResult } from '../../rotation/check/line.ts'
import { type Moto, startMoto } from '../support/moto.ts'

const bin = await pythonBin()
let embedded: Embedded
let tasks: Tasks
const announced: BusEvent[] = []

beforeAll(async () => {
  embedded = await startEmbedded()
  tasks = {
    ...makeEventBusTasks(entry => announced.push(entry)),
    CheckCredential: await loadHandler('checkCredential'),
  }
})
afterAll(() => embedded?.stop())

const run = (input: unknown) => runExecution('check', tasks, randomUUID(), input)
const states = ({ lines }: CheckResult) =>
  Object.fromEntries(lines.map(({ line, state, says }) => [line, `${state} ${says}`]))

test('a check reads the secret and the admin’s secret, and writes neither', async () => {
  const admin = await embedded.users.makeAdmin('check_admin')
  const id = await embedded.users.enrol('checked', { admin, tags: { 'keyturn:test-query': 'select 1' } })
  const { calls } = embedded.secretsManager
  const before = calls.length
  const { output, failure } = await run({ store: 'secrets-manager', id })
  expect(failure).toBeUndefined()
  const checked = output as CheckResult
  expect(checked).toMatchObject({
    ...{ store: 'secrets-manager', id, arn: id, name: 'demo/checked', strategy: 'alternating-users' },
    ...{ user: 'checked', nextUser: 'checked_clone', admin: admin.arn },
  })
  expect(states(checked)).toMatchObject({
    tls: expect.stringMatching(/^ok /),
    login: 'ok "checked" logs in',
    'test-query': 'ok ran',
    'admin-login': 'ok "check_admin" logs in',
    'password-rules': expect.stringMatching(/^ok /),
  })
  const actions = calls.slice(before).map(({ action }) => action)
  expect(actions.sort()).toEqual(['DescribeSecret', 'GetSecretValue', 'GetSecretValue'])
  expect(announced.at(-1)?.Detail).toMatchObject({ id, result: checked.result, failed: [] })
})

test('a check logs in with no admin’s secret of its own, and with none that is not enrolled', async () => {
  const admin = await embedded.users.makeAdmin('lone_admin')
  const id = await embedded.users.enrol('lone', { tags: { 'keyturn:managed': 'false' } })
  for (const each of [admin.arn, id]) {
    const { output } = await run({ store: 'secrets-manager', id: each })
    expect(states(output as CheckResult)).toMatchObject({
      tags: expect.stringMatching(/^failed /),
      value: expect.stringMatching(/^not-looked-at /),
      login: expect.stringMatching(/^not-looked-at /),
    })
  }
  expect(announced.at(-1)?.Detail).toMatchObject({ id, result: 'failed', failed: ['tags'], warnings: [] })
})

test('an input with anything else in it is refused', async () => {
  const { failure } = await run({ store: 'secrets-manager', id: 'x', testQuery: 'select 1' })
  expect(failure?.error).toBe('InvalidInput')
})

describe.skipIf(!bin)('a parameter', () => {
  let moto: Moto
  beforeAll(async () => {
    moto = await startMoto(bin ?? '')
    process.env.AWS_ENDPOINT_URL_SSM = moto.url
  })
  afterAll(() => moto?.stop())

  test('is read, with its limits, and no parameter is written', async () => {
    const ssm = new SSMClient()
    const SecretId = await embedded.users.enrol('stored')
    const { SecretString = '' } = await embedded.secrets.send(new GetSecretValueCommand({ SecretId }))
    const Tags = [{ Key: 'keyturn:managed', Value: 'true' }]
    const put = (Name: string, Value: string) =>
      ssm.send(new PutParameterCommand({ Name, Value, Type: 'SecureString', Tags }))
    await put('/check/stored', SecretString)
    const { output } = await run({ store: 'parameter-store', id: '/check/stored' })
    expect(states(output as CheckResult)).toMatchObject({
      key: expect.stringMatching(/^ok /),
      store: 'ok it takes another value',
      login: 'ok "stored" logs in',
    })
    expect(states(output as CheckResult)).not.toHaveProperty('replicas')
    const long = JSON.stringify({
      ...JSON.parse(SecretString),
      more: 'x'.repeat(4050 - SecretString.length),
    })
    Tags.push({ Key: 'keyturn:PASSWORD_LENGTH', Value: '100' })
    await put('/check/long', long)
    const full = await run({ store: 'parameter-store', id: '/check/long' })
    expect(states(full.output as CheckResult).store).toMatch(/^failed value: would have 4\d+ characters/)
  })
})

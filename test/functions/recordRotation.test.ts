import { randomUUID } from 'node:crypto'
import { DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb'
import { ReplicateSecretToRegionsCommand } from '@aws-sdk/client-secrets-manager'
import { SFNClient } from '@aws-sdk/client-sfn'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { fetchHistory } from '../../fleet/records/history.ts'
import { rotationRecordOf } from '../../fleet/records/recordFromHistory.ts'
import { RecordTable } from '../../fleet/records/recordTable.ts'
import type { RotationRecord } from '../../fleet/records/rotationRecord.ts'
import { type Embedded, loadHandler, startEmbedded } from '../../local/embedded/embedded.ts'
import { type BusEvent, makeEventBusTasks } from '../../local/embedded/eventBus.ts'
import { arnOf, type Task } from '../../local/embedded/stateMachine.ts'
import { pythonBin } from '../../local/stack/python.ts'
import { PENDING_WAIT_MS } from '../../rotation/awaitPending.ts'
import { type Moto, startMoto } from '../support/moto.ts'
import { captureOutput } from '../support/observe.ts'
import { makeRecordTable } from '../support/records.ts'

const bin = await pythonBin()
let embedded: Embedded
let moto: Moto
let recordRotation: Task
let stepFunctions: SFNClient
let dynamo: DynamoDBClient
let table: RecordTable
let events: BusEvent[] = []

beforeAll(async () => {
  if (!bin) throw new Error('there is no python3, of which moto is made')
  moto = await startMoto(bin)
  process.env.AWS_ENDPOINT_URL_DYNAMODB = moto.url
  process.env.KEYTURN_RECORD_TABLE = 'rotations'
  embedded = await startEmbedded()
  Object.assign(
    embedded.tasks,
    makeEventBusTasks(entry => events.push(entry)),
  )
  Object.assign(embedded.stepFunctions.tasks, embedded.tasks)
  recordRotation = await loadHandler('recordRotation')
  stepFunctions = new SFNClient()
  dynamo = new DynamoDBClient()
  await makeRecordTable(dynamo, 'rotations')
  table = new RecordTable(dynamo, 'rotations')
})
afterAll(async () => {
  await embedded?.stop()
  await moto?.stop()
})
beforeEach(() => {
  events = []
  captureOutput()
})

const executionOf = (name: string) => arnOf('states', `execution:keyturn-local-rotate:${name}`)

/** Runs a rotation to its end. @returns its execution's name */
async function rotate(input: object, name: string = randomUUID()): Promise<string> {
  const { StartExecutionCommand } = await import('@aws-sdk/client-sfn')
  const start = { stateMachineArn: arnOf('states', 'stateMachine:keyturn-local-rotate'), name }
  await stepFunctions.send(new StartExecutionCommand({ ...start, input: JSON.stringify(input) }))
  await embedded.stepFunctions.rotateExecutions.get(name)?.ended
  return name
}
const secret = async (user: string, options: Parameters<Embedded['users']['enrol']>[1] = {}) => ({
  store: 'secrets-manager',
  id: await embedded.users.enrol(user, options),
})

/** The batch that a queue delivers. */
const messages = (all: object[], tries = 1) => ({
  Records: all.map((event, index) => ({
    messageId: `${index}`,
    body: JSON.stringify(event),
    attributes: { ApproximateReceiveCount: `${tries}` },
  })),
})
const announcement = ({ Source, DetailType, Detail }: BusEvent) => ({
  source: Source,
  'detail-type': DetailType,
  detail: Detail,
})
const statusChange = (name: string, status = 'SUCCEEDED') => ({
  source: 'aws.states',
  'detail-type': 'Step Functions Execution Status Change',
  detail: { executionArn: executionOf(name), status },
})
const none = { batchItemFailures: [] }

/** @returns the record of an execution after all its events were delivered */
async function recorded(name: string): Promise<RotationRecord | undefined> {
  expect(await recordRotation(messages([...events.map(announcement), statusChange(name)]))).toEqual(none)
  return written(name)
}
async function written(name: string): Promise<RotationRecord | undefined> {
  const found = await table.listSince(new Date(Date.now() - 3_600_000), new Date(), 1000)
  return found.find(({ execution }) => execution === executionOf(name))
}

const time = expect.stringMatching(/^2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)

describe('a record', () => {
  test('of a successful rotation has all its facts', async () => {
    const admin = await embedded.users.makeAdmin('recorder')
    const started = await secret('billing', { admin })
    const name = await rotate(started)
    expect(await recorded(name)).toEqual({
      ...started,
      name: 'demo/billing',
      arn: expect.stringContaining(':secret:demo/billing-'),
      execution: executionOf(name),
      token: name,
      startedBy: 'by-hand',
      strategy: 'alternating-users',
      engine: 'postgres',
      host: embedded.postgres.host,
      address: `${embedded.postgres.host}:${embedded.postgres.port}`,
      user: 'billing',
      nextUser: 'billing_clone',
      admin: admin.arn,
      began: time,
      ended: time,
      milliseconds: expect.any(Number),
      outcome: 'rotated',
      retirement: 'closed',
      retired: time,
    })
  })

  test('of a single user’s rotation has nothing to close', async () => {
    const record = await recorded(await rotate(await secret('shop')))
    expect(record).toMatchObject({ outcome: 'rotated', user: 'shop', nextUser: 'shop' })
    expect(record).not.toHaveProperty('retirement')
  })

  test('of a rotation whose replica is behind is written after the event that says so', async () => {
    PENDING_WAIT_MS.total = 100
    const started = await secret('far', { admin: await embedded.users.makeAdmin('far_admin') })
    embedded.secretsManager.setRegionBehaviour('us-east-1', { arrivalMs: Number.POSITIVE_INFINITY })
    const AddReplicaRegions = [{ Region: 'us-east-1' }]
    await embedded.secrets.send(
      new ReplicateSecretToRegionsCommand({ SecretId: started.id, AddReplicaRegions }),
    )
    embedded.secretsManager.setRegionBehaviour('us-east-1', { failsBecause: 'key disabled' })
    const name = await rotate(started)
    const behind = events.filter(({ DetailType }) => DetailType === 'Credential Replicas Behind')
    expect(await recordRotation(messages(behind.map(announcement)))).toEqual(none)
    expect(await written(name)).toMatchObject({
      outcome: 'rotated',
      retirement: 'not-closed',
      behindSince: time,
      behind: expect.stringMatching(/^awaitReplicas: the replica in us-east-1 is Failed/),
    })
  })

  test('of a rotation whose grace time never ends says so', async () => {
    const admin = await embedded.users.makeAdmin('endless')
    const tags = { 'keyturn:grace': 'never' }
    const record = await recorded(await rotate(await secret('open_user', { admin, tags })))
    expect(record).toMatchObject({ outcome: 'rotated', retirement: 'never' })
  })

  test('of a rotation that was rolled back has the error and the rollback’s outcome', async () => {
    const record = await recorded(await rotate(await secret('orders', { failsOnceChanged: true })))
    expect(record).toMatchObject({
      outcome: 'failed',
      error: 'TestFailed',
      step: 'TestSecret',
      reason: expect.stringMatching(/^testSecret: the test query failed/),
      rollback: 'restored',
    })
  })

  test('of a rotation that failed in its rehearsal has the step and the error', async () => {
    const tags = { 'keyturn:test-query': 'TABLE absent' }
    const record = await recorded(await rotate(await secret('books', { tags })))
    expect(record).toMatchObject({
      outcome: 'failed',
      error: 'TestFailed',
      step: 'RehearseTest',
      strategy: 'single-user',
      user: 'books',
      reason: expect.stringMatching(
        /^testSecret: in the rehearsal, before anything was changed: the test query failed/,
      ),
      rollback: 'intact',
    })
  })

  test('of a rotation whose rollback failed says that the application is locked out', async () => {
    const started = await secret('locked')
    embedded.stepFunctions.tasks.TestSecret = () => {
      throw Object.assign(new Error('testSecret: no'), { name: 'TestFailed' })
    }
    embedded.stepFunctions.tasks.RollbackSecret = () => {
      throw Object.assign(new Error('rollbackSecret: no'), { name: 'LockedOut' })
    }
    const name = await rotate(started)
    Object.assign(embedded.stepFunctions.tasks, embedded.tasks)
    expect(await recorded(name)).toMatchObject({
      outcome: 'locked-out',
      error: 'TestFailed',
      step: 'TestSecret',
      rollback: 'failed',
    })
  })

  test('of a rotation that failed before its secret was read is found by the name that was asked for', async () => {
    const name = await rotate({ store: 'secrets-manager', id: 'absent/secret' })
    const record = await recorded(name)
    expect(record).toMatchObject({ outcome: 'failed', error: 'InvalidCredential', step: 'CreateSecret' })
    expect(record).not.toHaveProperty('arn')
    expect(await table.listRotations('secrets-manager', 'arn', 'absent/secret', 1)).toEqual([record])
  })

  test('of a rotation whose retirement failed has the time and the error', async () => {
    const admin = await embedded.users.makeAdmin('careless')
    embedded.stepFunctions.tasks.RetireSecret = () => {
      throw Object.assign(new Error('retireSecret: no'), { name: 'NotPermitted' })
    }
    const name = await rotate(await secret('left_open', { admin }))
    Object.assign(embedded.stepFunctions.tasks, embedded.tasks)
    expect(await recorded(name)).toMatchObject({
      outcome: 'rotated',
      retirement: 'not-closed',
      retired: time,
      retirementError: 'NotPermitted',
    })
  })

  test('of a temporary clone’s rotation says that it moved back, and the second one that it is the way back', async () => {
    const admin = await embedded.users.makeAdmin('mover')
    const tags = { 'keyturn:strategy': 'temporary-clone' }
    const started = await secret('mobile', { admin, tags })
    embedded.stepFunctions.tasks.MoveBack = () => ({})
    const out = await rotate(started)
    delete embedded.stepFunctions.tasks.MoveBack
    expect(await recorded(out)).toMatchObject({ strategy: 'temporary-clone', retirement: 'moved-back' })
    expect(await recorded(await rotate({ ...started, moveBack: true }))).toMatchObject({
      startedBy: 'way-back',
    })
  })

  test.each([
    [{ group: 'run-1 db' }, 'schedule'],
    [{ token: 'x'.repeat(36) }, 'secrets-manager'],
  ])('of a rotation with the input %j says who started it', async (more, startedBy) => {
    const started = { store: 'secrets-manager', id: `by/${startedBy}`, ...more }
    const name = await rotate(started, (more as { token?: string }).token)
    expect(await recorded(name)).toMatchObject({ startedBy, token: name })
  })

  test('expires after 400 days', async () => {
    const { Items = [] } = await dynamo.send(new ScanCommand({ TableName: 'rotations' }))
    expect(Items.length).toBeGreaterThan(0)
    for (const { began, expiresAt } of Items)
      expect(Number(expiresAt?.N) - Math.floor(Date.parse(began?.S ?? '') / 1000)).toBe(400 * 24 * 3600)
  })

  test('holds no value', async () => {
    const { Items } = await dynamo.send(new ScanCommand({ TableName: 'rotations' }))
    const { GetSecretValueCommand } = await import('@aws-sdk/client-secrets-manager')
    const { SecretString } = await embedded.secrets.send(
      new GetSecretValueCommand({ SecretId: 'demo/billing' }),
    )
    expect(JSON.stringify(Items)).not.toContain(JSON.parse(SecretString ?? '{}').password)
  })
})

describe('an event', () => {
  test('counts only if the history proves it', async () => {
    const name = await rotate(await secret('honest', { tags: { 'keyturn:test-query': 'TABLE absent' } }))
    const [failed] = events.map(announcement)
    const forged = { ...failed, 'detail-type': 'Credential Rotated' }
    // What the history lacks may come later: the event is delivered once more, and then the history counts.
    expect(await recordRotation(messages([forged]))).toEqual({ batchItemFailures: [{ itemIdentifier: '0' }] })
    expect(await written(name)).toBeUndefined()
    expect(await recordRotation(messages([forged], 2))).toEqual(none)
    expect(await written(name)).toMatchObject({ outcome: 'failed', error: 'TestFailed' })
  })

  test.each([
    ['an execution that is not there', { detail: { execution: executionOf(randomUUID()) } }],
    ["another stack's", { detail: { execution: executionOf('x').replace('local', 'other') } }],
    ['a run', { detail: { executionArn: executionOf('x').replace('-rotate:', '-rotate-due:') } }],
    ['nothing', { detail: {} }],
    ['no object', []],
  ])('of %s leaves no record', async (_, event) => {
    const before = await dynamo.send(new ScanCommand({ TableName: 'rotations' }))
    expect(await recordRotation(messages([event], 2))).toEqual(none)
    const after = await dynamo.send(new ScanCommand({ TableName: 'rotations' }))
    expect(after.Count).toBe(before.Count)
  })

  test('that cannot be written is delivered again, and the others are not', async () => {
    const name = await rotate(await secret('busy'))
    const other = events.map(announcement)
    const send = vi.spyOn(DynamoDBClient.prototype, 'send')
    send.mockImplementationOnce(() => Promise.reject(new Error('down')) as never)
    expect(await recordRotation(messages([statusChange(name), ...other]))).toEqual({
      batchItemFailures: [{ itemIdentifier: '0' }],
    })
    send.mockRestore()
    expect(await written(name)).toMatchObject({ outcome: 'rotated' })
  })
})

test('recordRotation makes no call but the two that its role allows', async () => {
  const name = await rotate(await secret('least'))
  const all = [
    ...events.map(announcement),
    statusChange(name),
    { detail: { execution: executionOf('none') } },
  ]
  embedded.stepFunctions.calls.length = 0
  const send = vi.spyOn(DynamoDBClient.prototype, 'send')
  await recordRotation(messages(all, 2))
  const written = send.mock.calls.map(([command]) => command.constructor.name)
  send.mockRestore()
  const asked = embedded.stepFunctions.calls.map(({ action }) => action)
  expect(new Set([...written, ...asked])).toEqual(new Set(['PutItemCommand', 'GetExecutionHistory']))
  // test/stack/roles.test.ts has the same for the role: dynamodb:PutItem, states:GetExecutionHistory.
})

describe('the table', () => {
  test('has the record of the longest history, in whatever order records come, even if some are lost or repeated', async () => {
    const admin = await embedded.users.makeAdmin('chaotic')
    const name = await rotate(await secret('shuffled', { admin }))
    const history = await fetchHistory(stepFunctions, executionOf(name))
    expect(history.length).toBeGreaterThan(15)
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: history.length }), { minLength: 1, maxLength: 8 }),
        async lengths => {
          // Of another execution each time, as the table outlives a round.
          const execution = executionOf(randomUUID())
          const records = lengths.map(length => rotationRecordOf(execution, history.slice(0, length)))
          for (const [index, record] of records.entries())
            await table.writeRotation(record as RotationRecord, lengths[index] as number)
          const longest = rotationRecordOf(execution, history.slice(0, Math.max(...lengths)))
          const arn = (await written(name))?.arn ?? ''
          const found = await table.listRotations('secrets-manager', arn || 'arn', longest?.id ?? '', 1000)
          expect(found.find(record => record.execution === execution)).toEqual(longest)
        },
      ),
      { numRuns: 40 },
    )
  })

  test('finds the latest of a credential, and those of a day with what could not be closed on it', async () => {
    const now = new Date('2026-03-10T12:00:00Z')
    const record = (execution: string, began: string, more: Partial<RotationRecord>): RotationRecord => ({
      store: 'parameter-store',
      id: '/shop/database',
      execution: executionOf(execution),
      token: execution,
      startedBy: 'schedule',
      began,
      outcome: 'rotated',
      ...more,
    })
    const all = [
      record('one', '2026-03-08T11:00:00.000Z', { ended: '2026-03-08T11:00:01.000Z' }),
      record('two', '2026-03-09T11:00:00.000Z', { ended: '2026-03-09T11:00:01.000Z' }),
      record('late', '2026-03-02T10:00:00.000Z', {
        ended: '2026-03-02T10:00:01.000Z',
        retirement: 'not-closed',
        retired: '2026-03-10T10:00:00.000Z',
      }),
      record('running', '2026-03-10T11:59:00.000Z', { outcome: 'running' }),
    ]
    for (const one of all) await table.writeRotation(one, 1)
    const names = (records: RotationRecord[]) => records.map(({ token }) => token)
    const arn = arnOf('ssm', 'parameter/shop/database')
    expect(names(await table.listRotations('parameter-store', arn, '/shop/database', 10))).toEqual([
      'running',
      'two',
      'one',
      'late',
    ])
    expect(names(await table.listRotations('parameter-store', arn, '/shop/database', 2))).toEqual([
      'running',
      'two',
    ])
    expect(names(await table.listSince(new Date('2026-03-09T00:00:00Z'), now, 10))).toEqual(['late', 'two'])
    expect(names(await table.listSince(new Date('2026-03-09T00:00:00Z'), now, 1))).toEqual(['late'])
    expect(await table.listSince(new Date('2026-03-10T11:00:00Z'), now, 10)).toEqual([])
  })
})

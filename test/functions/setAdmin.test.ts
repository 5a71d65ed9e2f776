import { randomUUID } from 'node:crypto'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
} from '@aws-sdk/client-secrets-manager'
import { SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn'
import { GetParameterCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { RecordTable } from '../../fleet/records/recordTable.ts'
import type { Admin } from '../../local/client/users.ts'
import { type Embedded, loadHandler, startEmbedded } from '../../local/embedded/embedded.ts'
import { type BusEvent, makeEventBusTasks } from '../../local/embedded/eventBus.ts'
import { arnOf, type Execution, type Task } from '../../local/embedded/stateMachine.ts'
import { randomHex } from '../../local/servers/postgresDatabase.ts'
import { pythonBin } from '../../local/stack/python.ts'
import { type Moto, startMoto } from '../support/moto.ts'
import { captureOutput } from '../support/observe.ts'
import { makeRecordTable } from '../support/records.ts'

const bin = await pythonBin()
const strategy = { 'keyturn:strategy': 'alternating-users' }

describe.skipIf(!bin)('an execution of set-admin', () => {
  let embedded: Embedded
  let moto: Moto
  let ssm: SSMClient
  let table: RecordTable
  let recordRotation: Task
  let admin: Admin
  let events: BusEvent[] = []

  beforeAll(async () => {
    ;[embedded, moto] = await Promise.all([startEmbedded(), startMoto(bin ?? '')])
    Object.assign(process.env, {
      AWS_ENDPOINT_URL_SSM: moto.url,
      AWS_ENDPOINT_URL_DYNAMODB: moto.url,
      KEYTURN_RECORD_TABLE: 'rotations',
      KEYTURN_ROTATION_FUNCTION: arnOf('lambda', 'function:keyturn-local-rotateSecret'),
    })
    const bus = makeEventBusTasks(entry => events.push(entry))
    Object.assign(embedded.stepFunctions.tasks, bus, { SetAdmin: await loadHandler('setAdmin') })
    recordRotation = await loadHandler('recordRotation')
    ssm = new SSMClient()
    const dynamo = new DynamoDBClient()
    await makeRecordTable(dynamo, 'rotations')
    table = new RecordTable(dynamo, 'rotations')
    admin = await embedded.users.makeAdmin('boss')
  })
  afterAll(() => Promise.all([embedded?.stop(), moto?.stop()]))
  beforeEach(() => {
    events = []
    captureOutput()
  })

  async function run(input: object, name: string = randomUUID()): Promise<Execution> {
    const stateMachineArn = arnOf('states', 'stateMachine:keyturn-local-set-admin')
    const start = new StartExecutionCommand({ stateMachineArn, name, input: JSON.stringify(input) })
    await new SFNClient().send(start)
    return (await embedded.stepFunctions.setAdminExecutions.get(name)?.ended) as Execution
  }
  const setOf = (id: string, more = {}) => run({ store: 'secrets-manager', id, admin: admin.arn, ...more })
  const text = async (SecretId: string) =>
    (await embedded.secrets.send(new GetSecretValueCommand({ SecretId }))).SecretString ?? ''
  const enrol = (tags: Record<string, string> = strategy) =>
    embedded.users.enrol(`shop_${randomHex()}`, { tags })
  /** The secrets whose values the last run has read, and its writes. */
  const valuesRead = () =>
    embedded.secretsManager.calls.filter(({ action }) => action === 'GetSecretValue').map(call => call.secret)
  const writes = () => embedded.secretsManager.calls.filter(({ action }) => /^(Put|Update)/.test(action))

  test('stores the admin in the value of a user who logs in, and the user rotates by it', async () => {
    const user = `shop_${randomHex()}`
    const id = await embedded.users.enrol(user, { tags: strategy, admin })
    const { masterarn: _, ...value } = JSON.parse(await text(id))
    const put = new PutSecretValueCommand({ SecretId: id, SecretString: JSON.stringify(value) })
    const { VersionId: replaced = '' } = await embedded.secrets.send(put)
    const { output, failure } = await setOf(id)
    expect(failure).toBeUndefined()
    const { VersionIdsToStages = {} } = await embedded.secrets.send(
      new DescribeSecretCommand({ SecretId: id }),
    )
    const current = Object.entries(VersionIdsToStages).find(([, stages]) => stages.includes('AWSCURRENT'))
    expect(output).toMatchObject({
      ...{ store: 'secrets-manager', id, arn: id, admin: admin.arn, outcome: 'set' },
      ...{ version: current?.[0], replaced },
    })
    expect(current?.[1]).toEqual(['AWSCURRENT'])
    expect(await text(id)).toBe(JSON.stringify({ ...value, masterarn: admin.arn }))
    expect(events.map(({ DetailType, Detail }) => [DetailType, Detail])).toEqual([
      [
        'Credential Admin Set',
        {
          execution: expect.stringContaining(':execution:keyturn-local-set-admin:'),
          ...{ store: 'secrets-manager', id, admin: admin.arn, version: current?.[0], replaced },
        },
      ],
    ])
    expect(JSON.stringify([output, events])).not.toContain(value.password)

    // The record of the edit.
    const [event] = events
    const body = { source: 'keyturn', 'detail-type': event?.DetailType, detail: event?.Detail }
    const records = [{ messageId: '1', body: JSON.stringify(body) }]
    expect(await recordRotation({ Records: records })).toEqual({ batchItemFailures: [] })
    const { output: o } = { output: output as { made: string; passwordSince: string } }
    expect(await table.latestEdit('secrets-manager', id)).toEqual({
      ...{ store: 'secrets-manager', id, arn: id, admin: admin.arn, version: current?.[0], replaced },
      ...{ made: o.made, passwordSince: o.passwordSince, execution: event?.Detail.execution },
    })
    expect(await table.listRotations('secrets-manager', id, 'demo', 10)).toEqual([])

    // A second run writes nothing, and sends no event.
    embedded.secretsManager.calls.length = events.length = 0
    expect((await setOf(id)).output).toMatchObject({ outcome: 'already' })
    expect([writes(), events]).toEqual([[], []])

    const name = randomUUID()
    await new SFNClient().send(
      new StartExecutionCommand({
        ...{ stateMachineArn: arnOf('states', 'stateMachine:keyturn-local-rotate'), name },
        input: JSON.stringify({ store: 'secrets-manager', id }),
      }),
    )
    await embedded.stepFunctions.rotateExecutions.get(name)?.ended
    expect(JSON.parse(await text(id))).toMatchObject({ username: `${user}_clone`, masterarn: admin.arn })
  })

  test('stores the admin in a parameter', async () => {
    const value = await text(await enrol())
    const id = `/shop/${randomHex()}`
    const Tags = Object.entries({ ...strategy, 'keyturn:managed': 'true' }).map(([Key, Value]) => ({
      Key,
      Value,
    }))
    await ssm.send(new PutParameterCommand({ Name: id, Value: value, Type: 'SecureString', Tags }))
    const { output } = await run({ store: 'parameter-store', id, admin: admin.arn })
    expect(output).toMatchObject({ outcome: 'set', replaced: 'v1' })
    const { Parameter } = await ssm.send(new GetParameterCommand({ Name: id, WithDecryption: true }))
    expect(Parameter?.Value).toBe(value.replace(/}$/, `,"masterarn":"${admin.arn}"}`))
  })

  test.each<[string, object]>([
    ['more than it takes', { strategy: 'single-user' }],
    ['an admin of no ARN', { admin: 'boss' }],
    ['another store', { store: 's3' }],
    ['no id', { id: '' }],
  ])('that is given %s ends before any call', async (_, more) => {
    embedded.secretsManager.calls.length = 0
    expect((await setOf('any', more)).failure?.error).toBe('InvalidInput')
    expect(embedded.secretsManager.calls).toEqual([])
  })

  describe('used by an attacker', () => {
    beforeEach(() => {
      embedded.secretsManager.calls.length = 0
    })
    /** Stores a changed value by hand, as anybody who may write the secret can. */
    async function change(id: string, more: object): Promise<string> {
      const SecretString = JSON.stringify({ ...JSON.parse(await text(id)), ...more })
      await embedded.secrets.send(new PutSecretValueCommand({ SecretId: id, SecretString }))
      embedded.secretsManager.calls.length = 0
      return SecretString
    }
    const isAdmins = (secret: string | undefined) => secret?.includes('demo/boss') ?? false

    test.each<[string, () => Promise<string>, string]>([
      [
        'a secret that nobody tagged for Keyturn',
        () => enrol({ ...strategy, 'keyturn:managed': 'false' }),
        'NotPermitted',
      ],
      ["an admin's own secret", async () => admin.arn, 'NotPermitted'],
      [
        "an admin's own secret that rotates too",
        async () =>
          (await embedded.users.makeAdmin(`boss_${randomHex()}`, { 'keyturn:managed': 'true', ...strategy }))
            .arn,
        'InvalidOption',
      ],
    ])('that names %s reads no value', async (_, made, error) => {
      const id = await made()
      embedded.secretsManager.calls.length = 0
      expect((await setOf(id)).failure?.error).toBe(error)
      expect([valuesRead(), writes()]).toEqual([[], []])
    })

    test.each<[string, object, string]>([
      ['a password that does not log in', { password: 'guessed' }, 'LoginRefused'],
      ['another user whose password is not known', { username: 'postgres' }, 'LoginRefused'],
      ['the host of a server of the attacker’s', { host: 'attacker.invalid' }, 'Unreachable'],
      ['no TLS', { ssl: 'false' }, 'TlsFailed'],
    ])('that stores %s reads no admin’s value, and writes nothing', async (_, more, error) => {
      const id = await enrol()
      const stored = await change(id, more)
      const { failure } = await setOf(id)
      expect(failure?.error, failure?.cause.errorMessage).toBe(error)
      expect(valuesRead().some(isAdmins)).toBe(false)
      expect(writes()).toEqual([])
      expect(await text(id)).toBe(stored)
    })

    test.each<[string, () => Promise<string>, string]>([
      ['of another database', () => foreignAdmin(), 'HostMismatch'],
      ['that is no admin’s', () => enrol(), 'NotPermitted'],
      ['that does not exist', async () => `${admin.arn.slice(0, -6)}zzzzzz`, 'InvalidCredential'],
    ])('that names an admin %s writes nothing', async (_, made, error) => {
      const [id, arn] = [await enrol(), await made()]
      embedded.secretsManager.calls.length = 0
      const { failure } = await setOf(id, { admin: arn })
      expect(failure?.error, failure?.cause.errorMessage).toBe(error)
      expect(writes()).toEqual([])
    })
    async function foreignAdmin(): Promise<string> {
      const { arn } = await embedded.users.makeAdmin(`boss_${randomHex()}`)
      await change(arn, { host: 'elsewhere.example' })
      return arn
    }
  })
})

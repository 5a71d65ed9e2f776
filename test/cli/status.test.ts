import { setTimeout as sleep } from 'node:timers/promises'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  PutSecretValueCommand,
  ReplicateSecretToRegionsCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import {
  AddTagsToResourceCommand,
  DeleteParameterCommand,
  PutParameterCommand,
  SSMClient,
} from '@aws-sdk/client-ssm'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { runStatusCommand } from '../../cli/commands/status.ts'
import { Output } from '../../cli/output.ts'
import { RecordTable } from '../../fleet/records/recordTable.ts'
import type { RotationRecord } from '../../fleet/records/rotationRecord.ts'
import { serverIdOf } from '../../fleet/serverLocks.ts'
import { type StepFunctionsServer, startStepFunctions } from '../../local/aws/stepFunctions.ts'
import { arnOf } from '../../local/embedded/stateMachine.ts'
import { pythonBin } from '../../local/stack/python.ts'
import { type Moto, startMoto } from '../support/moto.ts'
import { makeRecordTable } from '../support/records.ts'
import { type Account, commandEnvironment, runCommand, stackOf, startAccount } from './account.ts'
import { terminalContext } from './terminal.ts'

const bin = await pythonBin()
let moto: Moto
let stepFunctions: StepFunctionsServer
let account: Account
let table: RecordTable
let secrets: SecretsManagerClient
let ssm: SSMClient

beforeAll(async () => {
  if (!bin) throw new Error('there is no python3, of which moto is made')
  moto = await startMoto(bin)
  stepFunctions = await startStepFunctions()
  account = await startAccount({ others: moto.url, stepFunctions: stepFunctions.url })
  account.stacks.push(stackOf('local', { RotationTableName: 'rotations', DueSchedule: 'rate(15 minutes)' }))
  const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' }
  const settings = { endpoint: moto.url, region: 'eu-west-1', credentials }
  const dynamo = new DynamoDBClient(settings)
  await makeRecordTable(dynamo, 'rotations')
  table = new RecordTable(dynamo, 'rotations')
  secrets = new SecretsManagerClient(settings)
  ssm = new SSMClient(settings)
})
afterAll(async () => {
  account?.stop()
  stepFunctions?.stop()
  await moto?.stop()
})
beforeEach(() => account.refuse())

const keyturn = (...words: string[]) => runCommand(words, commandEnvironment(account.url))
const json = async (...words: string[]) => {
  const { code, stdout, stderr } = await keyturn(...words, '--json')
  expect(stderr).toBe('')
  return { code, document: JSON.parse(stdout) }
}
const listed = (tags: Record<string, string>) => Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
const managed = { 'keyturn:managed': 'true' }

async function secret(Name: string, tags: Record<string, string> = managed): Promise<string> {
  const command = new CreateSecretCommand({ Name, SecretString: 'Hidden-1', Tags: listed(tags) })
  return (await secrets.send(command)).ARN ?? ''
}
async function parameter(Name: string, tags: Record<string, string> = managed): Promise<string> {
  await ssm.send(new PutParameterCommand({ Name, Value: 'Hidden-1', Type: 'SecureString' }))
  const tag = { ResourceType: 'Parameter', ResourceId: Name, Tags: listed(tags) } as const
  await ssm.send(new AddTagsToResourceCommand(tag))
  return arnOf('ssm', `parameter${Name}`)
}

let rotations = 0
const ago = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString()
/** A rotation as an item of the table. */
async function record(of: Partial<RotationRecord> & Pick<RotationRecord, 'store' | 'id'>) {
  const token = `00000000-0000-4000-8000-${`${rotations++}`.padStart(12, '0')}`
  const { began = ago(1) } = of
  const whole: RotationRecord = {
    execution: arnOf('states', `execution:keyturn-local-rotate:${token}`),
    token,
    startedBy: 'schedule',
    strategy: 'alternating-users',
    engine: 'postgres',
    host: 'db.example.com',
    address: 'db.example.com:5432',
    user: 'shop',
    nextUser: 'shop_clone',
    began,
    ended: began,
    milliseconds: 340,
    outcome: 'rotated',
    ...of,
  }
  await table.writeRotation(whole, 1)
  return whole
}
const failed = {
  outcome: 'failed',
  error: 'TestFailed',
  step: 'TestSecret',
  reason: 'testSecret: no',
} as const

describe('status of one credential', () => {
  const store = 'secrets-manager'

  test('whose value was edited and which never rotated has the age of its password', async () => {
    const arn = await secret('one/edited')
    const { VersionIdsToStages = {} } = await secrets.send(new DescribeSecretCommand({ SecretId: arn }))
    const edit = { store, id: arn, arn, replaced: 'old', admin: 'arn', made: ago(1) } as const
    await table.writeEdit({
      ...{
        ...edit,
        passwordSince: '2026-01-02T03:04:05.000Z',
        version: `${Object.keys(VersionIdsToStages)}`,
      },
      execution: arnOf('states', 'execution:keyturn-local-set-admin:one'),
    })
    const { stdout } = await keyturn('status', 'one/edited')
    expect(stdout).toMatch(/^ {2}last good {3}none on record; its value dates from 2026-01-02 03:04 UTC$/m)
    expect(stdout).toMatch(/^ {2}edited {6}to name an admin; the password dates from 2026-01-02 03:04 UTC/m)
    expect((await keyturn('history', 'one/edited')).stdout).toMatch(/^No rotation of/)
  })

  test('that rotated has its last rotation, and until when the old user stays open', async () => {
    const arn = await secret('one/well', { ...managed, 'keyturn:every': '30d' })
    const openUntil = new Date(Date.now() + 5 * 3_600_000).toISOString()
    await record({ store, id: arn, arn, name: 'one/well', retirement: 'open', openUntil })
    const { code, stdout, stderr } = await keyturn('status', 'one/well')
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^secret:one\/well\n {2}state {7}grace\n/)
    expect(stdout).toMatch(/^ {2}rotated by {2}Keyturn, every 30d$/m)
    expect(stdout).toMatch(
      /^ {2}last good {3}\d{4}-\d\d-\d\d \d\d:\d\d UTC, rotated in 340 ms, started by its schedule$/m,
    )
    expect(stdout).toMatch(/^ {2}next {8}\d{4}-\d\d-\d\d \d\d:\d\d UTC$/m)
    expect(stdout).toMatch(
      /^ {2}in use {6}shop_clone on db.example.com:5432 \(postgres, alternating-users\)$/m,
    )
    expect(stdout).toMatch(/^ {2}before {6}shop stays open until .* UTC, for 5 h$/m)
    expect(stdout).not.toContain('Hidden')
  })

  test('whose rotation waits for a replica says since when, beside the rotation and beside the replica', async () => {
    const name = 'one/behind'
    const arn = await secret(name, { ...managed, 'keyturn:home': 'eu-west-1' })
    const AddReplicaRegions = [{ Region: 'us-east-1' }]
    await secrets.send(new ReplicateSecretToRegionsCommand({ SecretId: arn, AddReplicaRegions }))
    const behindSince = '2026-11-29T10:00:00.000Z'
    await record({ store, id: arn, arn, name, behindSince, behind: 'awaitReplicas: it cannot be asked' })
    const { stdout } = await keyturn('status', name)
    expect(stdout).toMatch(
      /^ {2}state {7}behind: since 2026-11-29T10:00.*: awaitReplicas: it cannot be asked$/m,
    )
    const follows = await json('replicas', name)
    expect(follows.document.replicas[0]).toMatchObject({ state: 'follows' })
    expect(follows.document.replicas[0]).not.toHaveProperty('behindSince')
    account.refuse((action, region) =>
      action === 'DescribeSecret' && region === 'us-east-1' ? { name: 'AccessDeniedException' } : undefined,
    )
    expect((await json('replicas', name)).document).toMatchObject({
      replicas: [{ state: 'unseen', behindSince }],
    })
    expect((await keyturn('replicas', name)).stdout).toContain('behind since 2026-11-29 10:00 UTC')
  })

  test('with replicas says where they are, which Region was given up, and whether it has a home', async () => {
    const ReplicationStatus = [{ Region: 'us-east-1', Status: 'InSync' }]
    const givenUp = { 'keyturn:given-up:us-east-1': '2026-11-29 down' }
    await secret('one/homeless', { ...managed, ...givenUp })
    await secret('one/at-home', { ...managed, 'keyturn:home': 'eu-west-1' })
    for (const name of ['one/homeless', 'one/at-home']) account.secrets.set(name, { ReplicationStatus })
    const { stdout } = await keyturn('status', 'one/homeless')
    expect(stdout).toMatch(/^ {2}replicas {4}us-east-1 given up 2026-11-29 down$/m)
    expect(stdout).toMatch(/^ {2}home {8}missing: it has replicas and no tag keyturn:home, so /m)
    expect((await json('status', 'one/homeless')).document).toMatchObject({ home: null })
    expect((await keyturn('status', 'one/at-home')).stdout).toMatch(/^ {2}home {8}eu-west-1$/m)
    expect((await json('status', 'one/at-home')).document).toMatchObject({ home: 'eu-west-1' })
  })

  test('with its home in another Region shows no schedule of this Region', async () => {
    await secret('one/away', { ...managed, 'keyturn:home': 'us-east-1', 'keyturn:every': '1d' })
    const { stdout } = await keyturn('status', 'one/away')
    expect(stdout).toMatch(/^ {2}state {7}by-hand$/m)
    expect(stdout).toMatch(/^ {2}rotated by {2}no schedule/m)
    expect(stdout).toMatch(/^ {2}home {8}us-east-1, so it does not rotate in this Region$/m)
    expect(stdout).not.toMatch(/^ {2}next/m)
  })

  test('whose last rotation failed has the remedy, also for a parameter', async () => {
    const arn = await parameter('/one/failed')
    const base = { store: 'parameter-store', id: '/one/failed', arn } as const
    await record({ ...base, began: ago(50) })
    await record({ ...base, ...failed, began: new Date().toISOString(), rollback: 'restored' })
    const { code, stdout } = await keyturn('status', 'parameter:/one/failed')
    expect(code).toBe(5)
    expect(stdout).toMatch(/^ {2}state {7}failed: TestFailed at TestSecret: testSecret: no$/m)
    expect(stdout).toMatch(/^ {2}what to do {2}Mend what the message names/m)
    expect(stdout).toMatch(/^ {2}latest {6}.*failed with TestFailed at TestSecret.*; rollback: restored$/m)
    expect(stdout).toMatch(/^ {2}rotated by {2}no schedule/m)
  })

  test('whose rotation died is stuck, with the remedy to rotate', async () => {
    const arn = await secret('one/stuck')
    const token = '11111111-0000-4000-8000-000000000001'
    const put = { SecretId: arn, SecretString: 'Hidden-2', ClientRequestToken: token }
    await secrets.send(new PutSecretValueCommand({ ...put, VersionStages: ['AWSPENDING'] }))
    const { code, document } = await json('status', arn)
    expect(code).toBe(5)
    expect(document).toMatchObject({
      state: 'stuck',
      finding: true,
      pending: { token, running: false },
      remedy: expect.stringMatching(/^Rotate it/),
      last: null,
    })
    stepFunctions.foreignRunning.add(token)
    expect((await json('status', arn)).document).toMatchObject({
      state: 'rotating',
      pending: { running: true },
    })
  })

  test('that is not in the table has no record, and is never called fine', async () => {
    await secret('one/unknown')
    const { code, stdout } = await keyturn('status', 'secret:one/unknown')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^ {2}last good {3}none on record; its value dates from /m)
  })

  test('that Keyturn may not rotate says so', async () => {
    await secret('one/foreign', {})
    const { code, stdout } = await keyturn('status', 'one/foreign')
    expect(code).toBe(5)
    expect(stdout).toMatch(/state {7}unmanaged/)
    expect(stdout).toMatch(/what to do {2}If Keyturn is to rotate it: keyturn enrol secret:one\/foreign$/m)
  })

  test('whose rotation failed before it was read is found by its name', async () => {
    await secret('one/early')
    const began = new Date().toISOString()
    await record({ store, id: 'one/early', began, ...failed, error: 'NotPermitted', step: 'CreateSecret' })
    expect((await json('status', 'one/early')).document).toMatchObject({
      state: 'failed',
      latest: { error: 'NotPermitted' },
    })
  })

  test('whose server does not answer says so', async () => {
    await parameter('/one/parked', { ...managed, 'keyturn:every': '1d' })
    const address = 'down.example.com:5432'
    await record({ store: 'parameter-store', id: '/one/parked', address, host: 'down.example.com' })
    for (const name of [`${serverIdOf(address)}-3`, `${serverIdOf(address)}-3-down`])
      stepFunctions.rotateServerExecutions.set(name, {
        input: '{}',
        startDate: Date.now() / 1000,
        history: [],
        ended: Promise.resolve({ states: [], tries: {} }),
      })
    expect((await json('status', '/one/parked')).document).toMatchObject({ state: 'parked', parked: true })
  })
})

/** Writes what a rotation of a parameter writes before it changes the database: the pending value, then the lock. */
async function pending(name: string, token: string): Promise<void> {
  const put = (Name: string, Value: string, Type: 'String' | 'SecureString') =>
    ssm.send(new PutParameterCommand({ Name: `/keyturn/pending${name}/${Name}`, Value, Type }))
  await put(token, 'Hidden-3', 'SecureString')
  // Emulators tell the time of a write in whole seconds.
  await sleep(1100)
  await put('lock', token, 'String')
}

describe('rotate of a parameter', () => {
  test('whose rotation failed is not stuck: the discarded value is kept for a while, without the lock', async () => {
    await parameter('/one/discarded')
    const [older, newer] = ['22222222-0000-4000-8000-000000000002', '22222222-0000-4000-8000-000000000003']
    const lock = '/keyturn/pending/one/discarded/lock'
    await pending('/one/discarded', older)
    expect((await json('status', '/one/discarded')).document).toMatchObject({ pending: { token: older } })
    await ssm.send(new DeleteParameterCommand({ Name: lock }))
    expect((await json('status', '/one/discarded')).document).toMatchObject({ state: 'by-hand' })
    await pending('/one/discarded', newer)
    expect((await json('status', '/one/discarded')).document).toMatchObject({ pending: { token: newer } })
  })

  test('whose rotation runs already starts no other', async () => {
    await parameter('/one/runs')
    const token = '22222222-0000-4000-8000-000000000001'
    await pending('/one/runs', token)
    stepFunctions.foreignRunning.add(token)
    expect((await json('status', '/one/runs')).document).toMatchObject({
      state: 'rotating',
      pending: { token },
    })
    account.calls.length = 0
    const { code, document } = await json('rotate', '--no-wait', 'parameter:/one/runs')
    expect(code).toBe(0)
    expect(document.rotations).toEqual([
      expect.objectContaining({ execution: arnOf('states', `execution:keyturn-local-rotate:${token}`) }),
    ])
    expect(account.calls).not.toContain('StartExecution')
    expect(account.calls).not.toContain('GetParameter')
  })
})

describe('status of all', () => {
  test('has the worst first and no value, and can be filtered by tag, state and host', async () => {
    await parameter('/all/late', { ...managed, 'keyturn:every': 'never', team: 'shop' })
    await parameter('/all/locked')
    await record({
      store: 'parameter-store',
      id: '/all/locked',
      outcome: 'locked-out',
      error: 'LockedOut',
      host: 'other.example.com',
    })
    const { code, stdout, stderr } = await keyturn('status')
    expect([code, stderr]).toEqual([5, ''])
    const rows = stdout.trimEnd().split('\n')
    expect(rows[0]).toMatch(/^STATE +CREDENTIAL +LAST +NEXT +HOST/)
    expect(rows[1]).toMatch(/^locked-out +parameter:\/all\/locked +not known/)
    const late = rows.findIndex(row => row.startsWith('late'))
    expect(rows[late]).toMatch(/parameter:\/all\/late .*keyturn:every: should be a whole number/)
    expect(late).toBeLessThan(rows.findIndex(row => row.startsWith('grace')))
    expect(rows.at(-1)).toMatch(/^1 locked-out, .*1 late/)
    expect(stdout).not.toContain('Hidden')

    const names = async (...words: string[]) =>
      (await json('status', ...words)).document.credentials.map(({ name }: { name: string }) => name)
    expect(await names('--tag', 'team=shop')).toEqual(['/all/late'])
    expect(await names('--state', 'locked-out')).toEqual(['/all/locked'])
    expect(await names('--host', 'other.example.com')).toEqual(['/all/locked'])
    expect(await names('--tag', 'team=none')).toEqual([])
    expect((await keyturn('status', '--tag', 'team=none')).stdout).toBe(
      'There is no such credential that this stack rotates or may rotate.\n',
    )
  })
})

test('on a terminal of 80 columns is a table too, with the reasons under it', async () => {
  for (const [name, value] of Object.entries(commandEnvironment(account.url))) vi.stubEnv(name, value)
  const { printed, context } = terminalContext(undefined, false)
  const stdout = { isTTY: true, columns: 80, rows: 100, write: (text: string) => (printed.out += text) }
  Object.assign(context, { output: new Output(stdout, stdout, { TERM: 'dumb' }) })
  await parameter('/narrow/late', { ...managed, 'keyturn:every': 'never', team: 'narrow' })
  await parameter('/narrow/well', { ...managed, team: 'narrow' })
  await runStatusCommand(context, undefined, { tag: [['team', 'narrow']] })
  vi.unstubAllEnvs()
  expect(printed.out.split('\n')).toEqual([
    expect.stringMatching(/^STATE +CREDENTIAL +LAST +NEXT$/),
    expect.stringMatching(/^late +parameter:\/narrow\/late +none on record +/),
    expect.stringMatching(/^by-hand +parameter:\/narrow\/well +none on record +-$/),
    '',
    expect.stringMatching(/^parameter:\/narrow\/late: keyturn:every: should be/),
    expect.any(String),
    '',
    '1 late, 1 by-hand',
    '',
  ])
  for (const line of printed.out.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
})

describe('history', () => {
  test('has every rotation, the latest first, each with a link', async () => {
    const arn = await secret('past/well')
    const base = { store: 'secrets-manager', id: arn, arn, name: 'past/well' } as const
    const first = await record({ ...base, began: ago(48), retirement: 'closed', retired: ago(24) })
    const second = await record({ ...base, ...failed, began: ago(2), startedBy: 'by-hand' })
    const { code, stdout, stderr } = await keyturn('history', 'past/well')
    expect([code, stderr]).toEqual([0, ''])
    const blocks = stdout.split(/\n(?=\S)/)
    expect(blocks).toHaveLength(2)
    expect(blocks[0]).toMatch(
      /failed with TestFailed at TestSecret in 340 ms, started by hand\n {2}testSecret: no\n/,
    )
    expect(blocks[0]).toContain(second.execution)
    expect(blocks[0]).toContain('https://eu-west-1.console.aws.amazon.com/')
    expect(blocks[1]).toMatch(/rotated in 340 ms, started by its schedule\n {2}shop to shop_clone/)
    expect(blocks[1]).toMatch(/shop was closed at/)
    expect(blocks[1]).toContain(first.execution)
    expect((await json('history', 'past/well', '--most', '1')).document.rotations).toEqual([second])
  })

  test('without rotations says how far the table goes back', async () => {
    await secret('past/none')
    expect(await keyturn('history', 'past/none')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /^No rotation of secret:past\/none is known; records are kept for 400 days/,
      ),
    })
  })

  test('--last says that an execution no longer exists', async () => {
    const arn = await secret('past/gone')
    await record({ store: 'secrets-manager', id: arn, arn, name: 'past/gone' })
    expect((await keyturn('history', 'past/gone', '--last')).stdout).toMatch(
      /Its steps are not known any more/,
    )
  })
})

describe('events', () => {
  test('has every outcome, the latest last, and what could not be closed', async () => {
    const base = { store: 'parameter-store', id: '/event/one' } as const
    await record({ ...base, id: '/event/before', began: ago(40) })
    await record({ ...base, began: ago(3) })
    await record({
      ...base,
      id: '/event/open',
      began: ago(100),
      retirement: 'not-closed',
      retired: ago(2.5),
      retirementError: 'Unreachable',
    })
    await record({ ...base, id: '/event/two', ...failed, began: ago(2.2) })
    const { code, stdout, stderr } = await keyturn('events', '--since', '4h')
    expect([code, stderr]).toEqual([0, ''])
    const rows = stdout.split('\n').filter(row => row.includes('/event/'))
    expect(rows).toEqual([
      expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}parameter:\/event\/one {2}rotated in 340 ms/),
      expect.stringMatching(/parameter:\/event\/open {2}shop was not closed at .*: Unreachable$/),
      expect.stringMatching(/parameter:\/event\/two {2}failed with TestFailed at TestSecret/),
    ])
    const { document } = await json('events', '--since', '3d')
    expect(document.rotations.map(({ id }: RotationRecord) => id)).toContain('/event/before')
    const few = await keyturn('events', '--most', '1')
    expect(few.stdout.trimEnd().split('\n')).toHaveLength(1)
    expect(few.stderr).toMatch(/^There may be more/)
  })
})

const commands = [['status', '/one/failed'], ['status'], ['history', '/one/failed'], ['events']]
describe.each(commands)('%s %s reports in one line, with a remedy,', (...words) => {
  test.each([
    ['AccessDeniedException', 3, /refuses /],
    ['ExpiredTokenException', 3, /credentials have expired/],
    ['ThrottlingException', 1, /throttled the call/],
  ])('%s from the table', async (name, code, says) => {
    account.refuse(action => (action === 'Query' ? { name, message: 'no' } : undefined))
    const ran = await keyturn(...words)
    expect(ran.code).toBe(code)
    const lines = ran.stderr.trimEnd().split('\n')
    expect(lines[0]).toMatch(/^keyturn: /)
    expect(lines[0]).toMatch(says)
    expect(lines).toHaveLength(2)
    expect(ran.stdout).toBe('')
  })

  test('that the endpoint does not answer', async () => {
    const ran = await runCommand(words as string[], commandEnvironment('http://127.0.0.1:9'))
    expect(ran).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^keyturn: CloudFormation does not answer/),
    })
  })

  test('that the stack is older than the table', async () => {
    const [stack] = account.stacks.splice(0, 1, stackOf('local'))
    const ran = await keyturn(...words)
    if (stack) account.stacks.splice(0, 1, stack)
    expect(ran).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/has no output RotationTableName/),
    })
  })
})

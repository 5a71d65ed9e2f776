import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import {
  CreateSecretCommand,
  ReplicateSecretToRegionsCommand,
  SecretsManagerClient,
  StopReplicationToReplicaCommand,
  TagResourceCommand,
} from '@aws-sdk/client-secrets-manager'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { runPromoteCommand } from '../../cli/commands/promote.ts'
import { runReplicasCommand } from '../../cli/commands/replicas.ts'
import { CommandError } from '../../cli/exit.ts'
import type { PromoteOptions } from '../../cli/promotion/request.ts'
import { type PromotionNote, PromotionTable } from '../../fleet/promotion/promotionTable.ts'
import { type SecretsManagerServer, startSecretsManager } from '../../local/aws/secretsManager.ts'
import { arnOf } from '../../local/embedded/stateMachine.ts'
import { pythonBin } from '../../local/stack/python.ts'
import { type Moto, startMoto } from '../support/moto.ts'
import {
  type Account,
  commandEnvironment,
  runCommand,
  stackOf,
  startAccount,
  stubEnvironment,
} from './account.ts'
import { type Execution, type PlayedStepFunctions, startPlayedStepFunctions } from './playedStepFunctions.ts'
import { terminalContext } from './terminal.ts'

const here = 'eu-west-1'
const lost = 'us-east-1'
const machine = arnOf('states', 'stateMachine:keyturn-local-promote')
const bin = await pythonBin()

let moto: Moto
let secretsManager: SecretsManagerServer
let states: PlayedStepFunctions
let account: Account
let table: PromotionTable
let tables = 0
beforeAll(async () => {
  if (!bin) throw new Error('there is no python3, of which moto is made')
  ;[moto, secretsManager, states] = await Promise.all([
    startMoto(bin),
    startSecretsManager(),
    startPlayedStepFunctions(),
  ])
  account = await startAccount({
    secretsManager: secretsManager.url,
    stepFunctions: states.url,
    others: moto.url,
  })
  process.setMaxListeners(100)
})
afterAll(async () => {
  account?.stop()
  states?.stop()
  await Promise.all([secretsManager?.stop(), moto?.stop()])
})
beforeEach(async () => {
  stubEnvironment(account.url)
  account.refuse()
  account.sent.length = 0
  account.calls.length = 0
  states.executions.length = 0
  states.onStarted = ends({})
  const TableName = `promotions-${tables++}`
  const dynamo = new DynamoDBClient({
    endpoint: moto.url,
    region: here,
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' },
  })
  const keys = ['kind', 'credential'] as const
  await dynamo.send(
    new CreateTableCommand({
      TableName,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: keys.map(AttributeName => ({ AttributeName, AttributeType: 'S' })),
      KeySchema: keys.map((AttributeName, n) => ({ AttributeName, KeyType: n ? 'RANGE' : 'HASH' })),
    }),
  )
  table = new PromotionTable(dynamo, TableName)
  const outputs = { PromoteStateMachineArn: machine, PromotionTableName: TableName, PeerRegions: lost }
  account.stacks.splice(0, 9, stackOf('local', outputs))
})
afterEach(() => {
  vi.unstubAllEnvs()
  expect(account.sent.map(({ action }) => action)).not.toContain('GetSecretValue')
})

const clientIn = (region: string) =>
  new SecretsManagerClient({
    endpoint: secretsManager.url,
    region,
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' },
  })

let made = 0
/** Makes a secret of the lost Region with a replica here. @returns its name and the replica's ARN */
async function replica(tags: Record<string, string> = { 'keyturn:managed': 'true' }, from = lost) {
  const name = `shop/db-${made++}`
  const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
  const there = clientIn(from)
  const { ARN = '' } = await there.send(
    new CreateSecretCommand({ Name: name, SecretString: 'Hidden-1', Tags }),
  )
  const AddReplicaRegions = [{ Region: here }]
  await there.send(new ReplicateSecretToRegionsCommand({ SecretId: ARN, AddReplicaRegions }))
  return { name, arn: ARN.replace(`:${from}:`, `:${here}:`), there: ARN }
}

const none = { count: 0, names: [] as string[] }
type Result = {
  promoted: number
  before: number
  unknown: number
  failed: typeof none
  warned: typeof none
}

/** Has the next execution write these notes and end like this. */
const ends =
  (result: Partial<Result>, noted: Partial<PromotionNote>[] = [], failure?: Partial<Execution>) =>
  async (execution: Execution): Promise<void> => {
    for (const one of noted) await table.note(whole(one, execution.executionArn))
    Object.assign(execution, failure ?? { status: 'SUCCEEDED' })
    if (failure) return
    const counts = { promoted: 0, before: 0, unknown: 0, failed: none, warned: none, ...result }
    execution.output = JSON.stringify(counts)
  }

const whole = (one: Partial<PromotionNote>, execution = `${machine}:earlier`): PromotionNote => ({
  kind: 'promotion',
  credential: arnOf('secretsmanager', `secret:${one.name}-AbCdEf`),
  name: '',
  from: lost,
  execution,
  at: new Date().toISOString(),
  outcome: 'promoted',
  warnings: [],
  refused: [],
  ...one,
})

type Called = { typed?: string; json?: boolean; ids?: string[] }

/** Runs the command in this process. */
async function keyturn(options: PromoteOptions, { typed, json = false, ids = [] }: Called = {}) {
  const { printed, context } = terminalContext(typed, json)
  return ended(printed, () => runPromoteCommand(context, ids, options))
}
async function ready(id?: string, json = false) {
  const { printed, context } = terminalContext(undefined, json)
  return ended(printed, () => runReplicasCommand(context, id, { ready: true }))
}
async function ended(printed: { out: string; err: string }, act: () => Promise<number>) {
  try {
    return { code: await act(), ...printed }
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    return { code: error.code, ...printed, err: `${printed.err}${error.message}\n${error.remedy}` }
  }
}
const inputs = () => states.executions.map(({ input }) => JSON.parse(input))
const given = { from: lost, lost: true, confirm: lost } as const

describe('a promotion', () => {
  test('says what will happen, has the lost Region typed, and reports each secret', async () => {
    const one = await replica()
    await replica({})
    states.onStarted = ends(
      { promoted: 1, failed: { count: 1, names: ['x'] }, warned: { ...none, count: 1 } },
      [
        {
          name: 'shop/late',
          outcome: 'failed',
          error: 'StillStandby',
          reason: 'the server takes no changes',
        },
        { name: one.name, credential: one.arn, warnings: ['its schedule was not set'] },
      ],
    )
    const { code, out, err } = await keyturn({ from: lost, lost: true }, { typed: lost })
    expect(code).toBe(1)
    expect(err).toMatch(/^promote from us-east-1: \d+ secrets?; \d+ more have neither keyturn:managed=true/)
    expect(err).toMatch(/its home in eu-west-1; no command makes it a replica again\n/)
    expect(err).toMatch(/the latest values of us-east-1 may not have been replicated: such values are lost\n/)
    expect(err).toContain('Type us-east-1 to go on: ')
    expect(inputs()).toEqual([{ from: lost, lost: true }])
    expect(out.replaceAll(/^\d\d:\d\d:\d\d .*\n/gm, '').split('\n')).toEqual([
      `started: ${states.executions[0]?.executionArn}`,
      `promoted  secret:${one.name}`,
      '  warning: its schedule was not set',
      'failed  secret:shop/late',
      '  StillStandby: the server takes no changes',
      '  Promote the database here first: it takes logins, and no changes.',
      '1 promoted, 1 failed, 1 with a warning.',
      'Repair the named causes, then run the same command again: it promotes what is left.',
      '',
    ])
  })

  test.each([
    [
      { from: lost },
      undefined,
      /no terminal to ask on.*\nTo confirm it without a question: --confirm us-east-1/,
    ],
    [{ from: lost }, 'yes', /not confirmed: nothing was changed/],
    [{ from: lost, lost: true as const }, here, /not confirmed: nothing was changed/],
  ])('%j, answered by %j, begins nothing', async (options, typed, problem) => {
    const { code, err } = await keyturn(options, typed === undefined ? {} : { typed })
    expect([code, states.executions]).toEqual([2, []])
    expect(err).toMatch(problem)
  })

  test('with --planned says that nothing is lost; without --planned and --lost, that it may be refused', async () => {
    const planned = await keyturn({ from: lost, planned: true, confirm: lost })
    expect([planned.code, inputs()]).toEqual([0, [{ from: lost, planned: true }]])
    expect(planned.err).toMatch(/the promotion waits until every value of us-east-1 is here: nothing is lost/)
    expect(planned.err).not.toContain('still answers')
    expect((await keyturn({ from: lost, confirm: lost })).err).toMatch(
      /if Secrets Manager in us-east-1 still/,
    )
  })

  test('is refused while the Region answers, with the options to use then', async () => {
    states.onStarted = ends({}, [], {
      status: 'FAILED',
      error: 'RegionAnswers',
      cause: '{"errorMessage":"x"}',
    })
    const { code, err } = await keyturn({ from: lost, confirm: lost })
    expect(code).toBe(2)
    expect(err).toMatch(
      /Secrets Manager in us-east-1 still answers: nothing was promoted\nWith --planned .* --lost: /,
    )
  })

  test('that fails says why, what it did, and that the same command continues', async () => {
    states.onStarted = ends({}, [{ name: 'shop/first' }, { name: 'shop/half', outcome: 'begun' }], {
      status: 'FAILED',
      error: 'Throttled',
      cause: JSON.stringify({ errorMessage: 'findReplicas: too\nmany' }),
    })
    const { code, out, err } = await keyturn(given)
    expect(code).toBe(1)
    expect(out).toMatch(
      /^promoted {2}secret:shop\/first\nhalf done {2}secret:shop\/half\n {2}the run that began/m,
    )
    expect(err).toMatch(
      /the promotion did not succeed: Throttled: findReplicas: too many\nWhat was promoted by then stays promoted; the same command again promotes what is left\. https:/,
    )
    states.onStarted = ends({}, [], { status: 'ABORTED' })
    expect((await keyturn(given)).err).toMatch(/did not succeed: ABORTED\n/)
  })

  test('that is repeated reports what was promoted before, and what earlier runs found', async () => {
    await table.note(whole({ name: 'shop/done', at: '2026-11-30T10:20:00.000Z' }))
    await table.note(whole({ name: 'shop/other', from: 'sa-east-1' }))
    states.onStarted = ends({ before: 7 })
    const { code, out } = await keyturn(given)
    expect(code).toBe(0)
    expect(out).toMatch(/^promoted {2}secret:shop\/done, 2026-11-30 10:20 UTC$/m)
    expect(out).toMatch(/^0 promoted, 1 promoted before, 0 failed\.$/m)
    expect(out).not.toContain('shop/other')
  })

  test('that runs already is followed without a question, and other options than its own are reported', async () => {
    const running = states.addRunning(machine, { from: lost, planned: true })
    states.addRunning(machine, { from: lost, dryRun: true })
    states.addRunning(machine, { from: 'sa-east-1', lost: true })
    const call = keyturn({ from: lost, lost: true, again: true })
    await vi.waitFor(() => expect(account.calls).toContain('DescribeExecution'))
    await ends({ promoted: 3 })(running)
    const { code, out, err } = await call
    expect([code, states.executions.length]).toEqual([0, 3])
    expect(err).toMatch(
      /^A promotion from us-east-1 has been running since .* UTC, and no other was begun: arn:/,
    )
    expect(err).toMatch(/^It was started with other options: {"from":"us-east-1","planned":true}\. Run this/m)
    expect(out).toBe('3 promoted, 0 failed.\n')
  })

  test('without a note on some secrets is no success', async () => {
    states.onStarted = ends({ promoted: 1, unknown: 2 })
    expect(await keyturn(given)).toMatchObject({
      code: 1,
      out: expect.stringMatching(/^1 promoted, 0 failed, 2 without an outcome\.\nRepair the named causes/m),
    })
  })

  test('with an input that the state machine refuses is wrong use', async () => {
    const errorMessage = 'findReplicas: ids: there is nothing of shop/x to promote'
    const cause = JSON.stringify({ errorMessage })
    states.onStarted = ends({}, [], { status: 'FAILED', error: 'InvalidInput', cause })
    const { code, err } = await keyturn(given)
    expect(code).toBe(2)
    expect(err).toMatch(/nothing was begun: findReplicas: ids: there is nothing of shop\/x to promote\n/)
  })

  test('with a warning ends with a finding', async () => {
    states.onStarted = ends({ promoted: 1, warned: { count: 1, names: [] } })
    expect((await keyturn(given)).code).toBe(5)
  })

  test('--json prints one document', async () => {
    const { name, arn } = await replica()
    states.onStarted = ends({ promoted: 1, failed: { count: 1, names: [`${name}: HostUnmapped: no`] } }, [
      { name, credential: arn, outcome: 'failed', error: 'HostUnmapped', reason: 'add "a": "…"' },
    ])
    const { code, out, err } = await keyturn(given, { json: true })
    expect([code, err]).toEqual([1, ''])
    expect(JSON.parse(out)).toMatchObject({
      execution: states.executions[0]?.executionArn,
      input: { from: lost, lost: true },
      status: 'SUCCEEDED',
      promoted: 1,
      failed: { count: 1 },
      secrets: [
        {
          secret: name,
          arn,
          outcome: 'failed',
          error: 'HostUnmapped',
          remedy: expect.stringContaining('hostMap'),
        },
      ],
    })
  })

  test('without access to the table reports what the execution says', async () => {
    account.refuse(action => (action === 'Query' ? { name: 'AccessDeniedException' } : undefined))
    states.onStarted = ends({ failed: { count: 1, names: ['shop/x: LoginRefused: none of three'] } })
    const { code, out, err } = await keyturn(given)
    expect(code).toBe(1)
    expect(err).toMatch(
      /^The table of promotions cannot be read, so the outcomes of the single credentials are not shown: DynamoDB/m,
    )
    expect(out).toMatch(/^shop\/x: LoginRefused: none of three\n0 promoted, 1 failed\.$/m)
  })

  test('prints its progress in lines, and Ctrl-C ends the wait', async () => {
    const { name, arn } = await replica()
    states.onStarted = async ({ executionArn }) => table.note(whole({ name, credential: arn }, executionArn))
    const words = ['promote', '--from', lost, '--lost', '--confirm', lost, name]
    const { code, stdout, stderr } = await runCommand(
      words,
      commandEnvironment(account.url),
      (child, printed) => {
        child.stdout.on('data', () => {
          if (printed().includes('1 of 1')) child.kill('SIGINT')
        })
      },
    )
    expect(code).toBe(4)
    expect(stdout).toMatch(/\n\d\d:\d\d:\d\d 1 of 1\n$/)
    expect(stderr).toMatch(
      /\nkeyturn: stopped waiting\nThe promotion goes on: arn:\S+\. The same command again watches it\.\n$/,
    )
    expect(states.executions[0]?.status).toBe('RUNNING')
  })
})

describe('what is to be promoted', () => {
  test('is named by its name, its ARN here, or that in the lost Region, and taken once', async () => {
    const [one, other] = [await replica(), await replica()]
    const ids = [`secret:${one.name}`, one.arn, one.there, other.name]
    expect((await keyturn({ ...given, again: true }, { ids })).err).toMatch(
      /^promote from us-east-1: 2 secrets\n/,
    )
    expect(inputs()).toEqual([{ from: lost, lost: true, again: true, ids: [one.arn, other.arn] }])
  })

  test('is left out and reported if it is promoted already', async () => {
    const [one, other] = [await replica(), await replica()]
    const client = clientIn(here)
    await client.send(new StopReplicationToReplicaCommand({ SecretId: one.arn }))
    const Tags = [
      { Key: 'keyturn:home', Value: here },
      { Key: `keyturn:given-up:${lost}`, Value: '2026-11-30 promoted in its place' },
    ]
    await client.send(new TagResourceCommand({ SecretId: one.arn, Tags }))
    await table.note(whole({ name: one.name, credential: one.arn }))
    const both = await keyturn(given, { ids: [one.name, other.name] })
    expect(inputs()).toEqual([{ from: lost, lost: true, ids: [other.arn] }])
    expect(both.out).toContain(`promoted  secret:${one.name}, `)
    const alone = await keyturn({ from: lost }, { ids: [one.name] })
    expect(alone).toMatchObject({ code: 0, out: `promoted  secret:${one.name}, earlier\n`, err: '' })
    expect(states.executions).toHaveLength(1)
  })

  test.each<[string, PromoteOptions, string[], RegExp]>([
    ['no Region', {}, [], /--from was not given\nName the Region that was lost/],
    ['both kinds', { from: lost, planned: true, lost: true }, [], /--planned and --lost were given/],
    [
      'a kind of dry run',
      { from: lost, dryRun: true, lost: true },
      [],
      /--dry-run was given, and --lost too/,
    ],
    ['an answer to no question', { from: lost, dryRun: true, confirm: lost }, [], /a dry run asks nothing/],
    ['another answer', { from: lost, confirm: here }, [], /--confirm says eu-west-1, and --from us-east-1/],
    [
      'the own Region',
      { from: here, confirm: here },
      [],
      /--from names eu-west-1, where the stack keyturn-local is/,
    ],
    ['no peer', { from: 'sa-east-1', confirm: 'sa-east-1' }, [], /has us-east-1 as its peers\n.*peerRegions/],
    ['a parameter', given, ['parameter:/shop'], /parameter:\/shop is a parameter, which has no replicas/],
    [
      'no such secret',
      given,
      ['shop/nowhere'],
      /there is no secret shop\/nowhere in the account 123456789012, eu-west-1/,
    ],
    [
      'an ARN of a third Region',
      given,
      ['arn:aws:secretsmanager:sa-east-1:123456789012:secret:x-AbCdEf'],
      /is in the Region sa-east-1, and this is about us-east-1 and eu-west-1/,
    ],
    [
      'an ARN of another account',
      given,
      ['arn:aws:secretsmanager:us-east-1:210987654321:secret:x-AbCdEf'],
      /is in another account than the stack, 123456789012/,
    ],
  ])('%s is refused, and nothing begins', async (_, options, ids, problem) => {
    const { code, err } = await keyturn(options, { ids })
    expect([code, states.executions]).toEqual([2, []])
    expect(err).toMatch(problem)
  })

  test('a replica of a third Region is refused', async () => {
    const { name } = await replica({ 'keyturn:managed': 'true' }, 'sa-east-1')
    const { code, err } = await keyturn(given, { ids: [name] })
    expect([code, states.executions]).toEqual([2, []])
    expect(err).toMatch(/ is a replica of sa-east-1, and --from says us-east-1\n/)
  })

  test('somebody who may not start a promotion is told which permission it needs', async () => {
    account.refuse(action => (action === 'StartExecution' ? { name: 'AccessDeniedException' } : undefined))
    const { stderr, code } = await runCommand(
      ['promote', '--from', lost, '--lost', '--confirm', lost],
      commandEnvironment(account.url),
    )
    expect(code).toBe(3)
    expect(stderr).toMatch(
      /refuses StartExecution: .*\n.*docs\/cli\.md lists those that each command needs\.\n$/,
    )
  })
})

describe('a dry run', () => {
  test('asks no question, needs no Region, and reports what is not ready', async () => {
    states.onStarted = ends({ promoted: 1, failed: { count: 1, names: [] } }, [
      { kind: 'rehearsal', name: 'shop/well', outcome: 'ready' },
      {
        kind: 'rehearsal',
        name: 'shop/ill',
        outcome: 'unready',
        error: 'ReplicaMissing',
        reason: 'none here',
      },
    ])
    await table.note(whole({ kind: 'rehearsal', name: 'shop/earlier', outcome: 'ready' }))
    const { code, out, err } = await keyturn({ dryRun: true })
    expect([code, err, inputs()]).toEqual([5, '', [{ dryRun: true }]])
    expect(out).toMatch(
      /^ready {2}secret:shop\/well\nnot ready {2}secret:shop\/ill\n {2}ReplicaMissing: none here\n {2}Make the replica, /m,
    )
    expect(out).toMatch(
      /^1 ready, 1 not ready\.\nNothing was changed\. keyturn replicas --ready shows this again\.$/m,
    )
    expect(out).not.toContain('earlier')
  })

  test('ends with 0 if all are ready', async () => {
    states.onStarted = ends({ promoted: 2 })
    expect(await keyturn({ from: lost, dryRun: true })).toMatchObject({
      code: 0,
      out: expect.stringMatching(/\n2 ready, 0 not ready\.\n$/),
    })
    expect(inputs()).toEqual([{ from: lost, dryRun: true }])
  })
})

describe('replicas --ready', () => {
  const rehearsed = (name: string, more: Partial<PromotionNote> = {}) =>
    whole({ kind: 'rehearsal', name, outcome: 'ready', ...more })
  const long = new Date(Date.now() - 11 * 86_400_000).toISOString()

  test('prints what the last rehearsal found, with reason and remedy, and when it ran', async () => {
    const ill = { outcome: 'unready', error: 'NotPermitted', reason: 'kms:Decrypt' } as const
    await table.note(rehearsed('shop/ill', ill))
    await table.note(rehearsed('shop/well', { at: '2026-11-30T01:02:03.000Z', warnings: ['no admin here'] }))
    await table.note(whole({ name: 'shop/promoted' }))
    const { code, out, err } = await ready()
    expect([code, err]).toEqual([5, ''])
    expect(out).toMatch(
      /^ready {2}secret:shop\/well\n {2}warning: no admin here\nnot ready {2}secret:shop\/ill\n {2}NotPermitted: kms:Decrypt\n {2}From AWS: /,
    )
    expect(out).toMatch(/\n1 ready, 1 not ready; the last rehearsal was .* UTC\.\n$/)
    expect(out).not.toContain('promoted')
    expect(await ready('secret:shop/well')).toMatchObject({ code: 0 })
    expect(await ready(rehearsed('shop/ill').credential.replace(here, lost))).toMatchObject({ code: 5 })
    expect(await ready('shop/none')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/^no rehearsal has checked shop\/none\n/),
    })
    const { secrets, last } = JSON.parse((await ready(undefined, true)).out)
    expect(secrets.map(({ outcome }: PromotionNote) => outcome)).toEqual(['ready', 'unready'])
    expect(Date.parse(last)).toBeGreaterThan(Date.now() - 60_000)
  })

  test('has a finding if there was no rehearsal, or none within ten days', async () => {
    expect(await ready()).toMatchObject({
      code: 5,
      out: 'There has been no rehearsal yet. keyturn promote --dry-run rehearses now.\n',
    })
    await table.note(rehearsed('shop/gone', { at: long }))
    const { code, out } = await ready()
    expect(code).toBe(5)
    expect(out).toMatch(
      /^The last rehearsal was .* UTC, more than 10 days ago\. keyturn promote --dry-run rehearses now\.\n$/,
    )
  })

  test('has a finding for each replica that the last rehearsals did not check', async () => {
    const { name, arn } = await replica()
    await table.note(rehearsed('shop/well'))
    await table.note(rehearsed('shop/gone', { at: long }))
    expect((await ready()).code).toBe(0)
    await table.note(rehearsed(name, { credential: arn, at: long }))
    const { code, out } = await ready()
    expect(code).toBe(5)
    expect(out).toMatch(new RegExp(`^not checked  secret:${name} since .* UTC$`, 'm'))
    expect(out).not.toContain('shop/gone')
    await clientIn(here).send(new StopReplicationToReplicaCommand({ SecretId: arn }))
    expect((await ready()).code).toBe(0)
  })

  test.each([
    ['--add', lost],
    ['--prefix', 'shop'],
    ['--give-up', lost, '--reason', 'x'],
  ])('is refused together with %s', async (...words) => {
    const { code, stderr } = await runCommand(
      ['replicas', '--ready', ...words],
      commandEnvironment(account.url),
    )
    expect(code).toBe(2)
    expect(stderr).toMatch(new RegExp(`^keyturn: --ready was given, and ${words[0]} too\n`))
  })
})

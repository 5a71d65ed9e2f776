import { randomUUID } from 'node:crypto'
import dns from 'node:dns'
import {
  CreateDBClusterCommand,
  CreateDBInstanceCommand,
  CreateGlobalClusterCommand,
} from '@aws-sdk/client-rds'
import { PutSecretValueCommand, RotateSecretCommand } from '@aws-sdk/client-secrets-manager'
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { functionsOf, type Task } from '../../local/embedded/stateMachine.ts'
import { randomHex, runStatements } from '../../local/servers/postgresDatabase.ts'
import { pythonBin } from '../../local/stack/python.ts'
import { arnInRegion } from '../../rotation/arn.ts'
import { scheduleTagValue } from '../../rotation/promotion/serviceSchedule.ts'
import { LostRegion, lostHost, lostRegion, survivingRegion } from '../support/lostRegion.ts'
import { type Moto, startMoto } from '../support/moto.ts'
import { captureOutput } from '../support/observe.ts'
import { cluster, instance, rdsClient } from '../support/rds.ts'
import { recordCalls, type Statement, statementsOf } from './calls.ts'
import { packageStack, type Template } from './package.ts'

const bin = await pythonBin()

/** The Region in which package.ts deploys the template, and its peer. */
const shown = { here: 'eu-west-1', peer: 'eu-central-1' }

let template: Template
let lost: LostRegion
let moto: Moto
/** The recorders in front of the table of promotions, and of moto. */
let recorders: Awaited<ReturnType<typeof recordCalls>>[] = []
/** moto, which plays RDS and Parameter Store. */
let url: string
/** The calls of the present function, except those of Secrets Manager and Step Functions. */
const others: string[] = []
/** Every call that each function made, as an IAM action, separately for the other Region. */
const made: Record<string, Set<string>> = {}

beforeAll(async () => {
  if (!bin) return
  await using stack = await packageStack({ peerRegions: shown.peer })
  template = stack.template
  ;[lost, moto] = await Promise.all([LostRegion.start(), startMoto(bin)])
  const table = await recordCalls(`${process.env.AWS_ENDPOINT_URL_DYNAMODB}`, others)
  const rest = await recordCalls(moto.url, others)
  recorders = [table, rest]
  url = rest.url
  // The environment is read when a client is first used.
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_DYNAMODB: table.url,
    AWS_ENDPOINT_URL_RDS: url,
    AWS_ENDPOINT_URL_SSM: url,
  })
})
afterAll(async () => {
  for (const recorder of recorders) recorder.stop()
  await moto?.stop()
  await lost?.stop()
})
beforeEach(() => {
  captureOutput()
})
afterEach(() => {
  vi.restoreAllMocks()
})

/** Records the calls of a function. It may throw, as errors are among the cases. */
async function recorded(name: string, task: Task | undefined, event: unknown): Promise<unknown> {
  const { secretsManager, stepFunctions } = lost.embedded
  secretsManager.calls.length = 0
  stepFunctions.calls.length = 0
  others.length = 0
  try {
    return await task?.(event)
  } finally {
    made[name] ??= new Set()
    for (const { action, region } of secretsManager.calls)
      made[name].add(`secretsmanager:${action}${region === survivingRegion ? '' : elsewhere}`)
    for (const { action } of stepFunctions.calls) made[name].add(`states:${action}`)
    for (const call of others) made[name].add(call)
  }
}

const elsewhere = ' in the other Region'

/** @returns the actions that a function's role allows, in its own Region and in the other one */
function allowed(name: string): string[] {
  const regionsOf = ({ Condition = {} }: Statement) =>
    [Condition.StringEquals?.['aws:RequestedRegion'] ?? shown.here].flat()
  const actions = statementsOf(template, name).flatMap(statement =>
    [statement.Action].flat().flatMap(action => {
      const regions = regionsOf(statement)
      return [
        ...(regions.includes(shown.here) ? [action] : []),
        ...(regions.includes(shown.peer) ? [`${action}${elsewhere}`] : []),
      ]
    }),
  )
  return [...new Set(actions)].filter(action => !/^(logs|xray):/.test(action)).sort()
}

/** The functions of promote's states, whose calls are recorded. */
const instead = () =>
  Object.fromEntries(
    [...functionsOf('promote')].map(([state, name]) => [
      state,
      (event: unknown) => recorded(name, lost.tasks[state], event),
    ]),
  )
const promote = (input: object) => lost.promote({ from: lostRegion, ...input }, instead())

/** @returns the value of a user of this database, with a host of the lost Region */
async function storedValue(more: object = {}): Promise<object> {
  const [username, password] = [`u_${randomHex()}`, randomHex()]
  await runStatements(lost.embedded.postgres, `create role ${username} login password '${password}'`)
  const { port } = lost.embedded.postgres
  return { engine: 'postgres', host: lostHost, port, dbname: 'postgres', username, password, ...more }
}

/** Runs one step of a secret with a host name of RDS, which leads to the server here. */
async function step(state: 'FindVersion' | 'PromoteReplica', arn: string): Promise<unknown> {
  vi.spyOn(dns, 'lookup').mockImplementation(((
    _host: string,
    _options: object,
    done: (...found: unknown[]) => void,
  ) => done(null, [{ address: '127.0.0.1', family: 4 }])) as never)
  const item = { arn, name: 'any', from: lostRegion, refused: [], rehearsal: false }
  const version = Object.entries((await lost.describe(arn)).VersionIdsToStages ?? {}).find(([, stages]) =>
    stages.includes('AWSCURRENT'),
  )?.[0]
  const event = state === 'FindVersion' ? item : { item, version }
  const name = state === 'FindVersion' ? 'findVersion' : 'promoteReplica'
  return recorded(name, lost.tasks[state], event).catch(({ name }: Error) => name)
}

test.skipIf(!bin)(
  'each role of a promotion allows exactly the calls that its function makes, also after errors',
  async () => {
    // A rehearsal of a secret that is ready and of one that is not. Notes about deleted secrets are removed.
    const gone = {
      kind: 'rehearsal',
      credential: `arn:aws:secretsmanager:${survivingRegion}:1:secret:gone-AbCdEf`,
    } as const
    await lost.table.note({
      ...{
        ...gone,
        name: 'gone',
        from: lostRegion,
        execution: 'earlier',
        at: '2026-11-01T00:00:00Z',
        outcome: 'ready',
      },
      ...{ warnings: [], refused: [] },
    })
    const tags = {
      'keyturn:service-schedule': scheduleTagValue({ ScheduleExpression: 'rate(10 days)' }) ?? '',
    }
    const shop = await lost.add('shop', { value: await storedValue(), tags })
    await lost.add('lone', { value: await storedValue(), replicate: false })
    expect((await promote({ dryRun: true, ids: [shop] })).output).toMatchObject({ promoted: 1 })
    expect((await promote({ dryRun: true })).output).toMatchObject({ count: 1, failed: { names: [] } })
    const far = await lost.add('far', { value: await storedValue({ host: `far.${lostRegion}.example.com` }) })
    expect((await promote({ dryRun: true, ids: [far] })).output).toMatchObject({ failed: { count: 1 } })
    expect([...(await lost.readNoted('rehearsal')).keys()].sort()).toEqual(['far', 'shop'])

    // A planned promotion of a secret with Secrets Manager's schedule, and with a pending version.
    const SecretId = arnInRegion(shop, lostRegion)
    const RotationLambdaARN = `arn:aws:lambda:${lostRegion}:123456789012:function:any`
    await lost.lostClient.send(
      new RotateSecretCommand({
        ...{ SecretId, RotationLambdaARN, RotateImmediately: false },
        RotationRules: { AutomaticallyAfterDays: 10 },
      }),
    )
    const { output } = await promote({ planned: true, ids: [shop] })
    expect(output).toMatchObject({ promoted: 1, failed: { names: [] } })
    expect((await lost.describe(shop)).RotationEnabled).toBe(true)

    // A lost Region, with a version that stays pending, and a secret whose admin has no replica.
    const SecretString = JSON.stringify(await storedValue())
    const left = await lost.add('left', {
      value: await storedValue({ masterarn: arnInRegion(shop, lostRegion) }),
    })
    await lost.lostClient.send(
      new PutSecretValueCommand({
        ...{ SecretId: arnInRegion(left, lostRegion), SecretString },
        VersionStages: ['AWSPENDING'],
      }),
    )
    lost.isLost = true
    expect((await promote({ ids: [left] })).output).toMatchObject({ promoted: 1, failed: { names: [] } })
    expect(await lost.readAsApplication(left)).toMatchObject({ host: 'localhost' })
    lost.isLost = false

    // A value with only a password, whose connection is a parameter of this Region.
    const { password, ...connection } = (await storedValue({ host: 'localhost' })) as { password: string }
    const ssm = new SSMClient({ endpoint: url, region: survivingRegion })
    const [Name, Value] = [`/${randomUUID()}`, JSON.stringify(connection)]
    await ssm.send(new PutParameterCommand({ Name, Value, Type: 'String' }))
    const alone = await lost.add('alone', { value: password, tags: { 'keyturn:connection': Name } })
    expect((await promote({ lost: true, ids: [alone] })).output).toMatchObject({ promoted: 1 })

    // A cluster in one global cluster with another here, and an instance whose copy RDS is asked for.
    const [own, old] = [survivingRegion, lostRegion].map(region => rdsClient(url, region))
    const GlobalClusterIdentifier = 'world'
    await own?.send(new CreateGlobalClusterCommand({ GlobalClusterIdentifier, Engine: cluster.Engine }))
    const clusters = [old, own].map((client, n) =>
      client?.send(
        new CreateDBClusterCommand({ ...cluster, GlobalClusterIdentifier, DBClusterIdentifier: `shop-${n}` }),
      ),
    )
    const [{ DBCluster } = {}] = await Promise.all(clusters)
    const database = new CreateDBInstanceCommand({ ...instance, DBInstanceIdentifier: 'shop' })
    const address = (await old?.send(database))?.DBInstance?.Endpoint?.Address
    const ofCluster = await lost.add('cluster', { value: await storedValue({ host: DBCluster?.Endpoint }) })
    const ofInstance = await lost.add('instance', { value: await storedValue({ host: address }) })
    expect(await step('FindVersion', ofCluster)).toBe('TlsFailed')
    expect(await step('PromoteReplica', ofCluster)).toEqual({ done: true })
    expect((await lost.readAsApplication(ofCluster)).host).toMatch(`.${survivingRegion}.rds.amazonaws.com`)
    for (const state of ['FindVersion', 'PromoteReplica'] as const)
      expect(await step(state, ofInstance)).toBe('HostUnmapped')
    // RDS is asked for a cluster too, as the endpoint may be a cluster's.
    const ofLone = await lost.add('lone-cluster', {
      value: await storedValue({ host: `lone.cluster-abcdefghijkl.${lostRegion}.rds.amazonaws.com` }),
    })
    expect(await step('FindVersion', ofLone)).toBe('HostUnmapped')

    // A step of a plan of Region switch: started, then called again while it runs, and after its end.
    process.env.KEYTURN_PROMOTIONS = `arn:aws:states:${survivingRegion}:123456789012:stateMachine:keyturn-local-promote`
    const ended = Promise.withResolvers<object>()
    Object.assign(lost.embedded.stepFunctions.tasks, {
      FindReplicas: () => ended.promise,
      ReportPromotion: () => ({ rehearsal: false }),
    })
    const { loadHandler } = await import('../../local/embedded/embedded.ts')
    const switchRegion = await loadHandler('switchRegion')
    const ask = () => recorded('switchRegion', switchRegion, {}).catch(({ name }: Error) => name)
    for (const _ of [1, 2]) expect(await ask()).toBe('PromotionRuns')
    ended.resolve({ items: [], count: 0 })
    await [...lost.embedded.stepFunctions.promoteExecutions.values()][0]?.ended
    expect(await ask()).toEqual({ rehearsal: false })

    expect(Object.keys(made).sort()).toEqual(
      [...functionsOf('promote').values(), 'switchRegion'].filter(unique).sort(),
    )
    const names = Object.keys(made)
    const calls = names.map(name => [name, [...(made[name] ?? [])].sort()])
    // Secrets Manager requires this permission to set a rotation function. The function does not make this call itself.
    const actions = names.map(name => [
      name,
      allowed(name).filter(action => action !== 'lambda:InvokeFunction'),
    ])
    expect(Object.fromEntries(calls)).toEqual(Object.fromEntries(actions))
  },
)

const unique = (name: string, index: number, all: string[]) => all.indexOf(name) === index

import {
  CreateSecretCommand,
  DescribeSecretCommand,
  PutSecretValueCommand,
  ReplicateSecretToRegionsCommand,
  SecretsManagerClient,
  StopReplicationToReplicaCommand,
  TagResourceCommand,
} from '@aws-sdk/client-secrets-manager'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { Inventory, type ScheduledCredential } from '../../fleet/inventory.ts'
import { serverIdOf } from '../../fleet/serverLocks.ts'
import type { RunPlan } from '../../functions/findDue.ts'
import type { RegionBehaviour } from '../../local/aws/secretsManager/regionBehaviour.ts'
import { type SecretsManagerServer, startSecretsManager } from '../../local/aws/secretsManager.ts'
import { type StepFunctionsServer, startStepFunctions } from '../../local/aws/stepFunctions.ts'
import { loadHandler } from '../../local/embedded/embedded.ts'
import type { Task } from '../../local/embedded/stateMachine.ts'
import { setLambdaEnvironment } from '../support/lambdaEnvironment.ts'
import { captureOutput } from '../support/observe.ts'

const [elsewhere, unnamed] = ['us-east-1', 'sa-east-1']
const due = { 'keyturn:managed': 'true', 'keyturn:every': '1h' }
const home = { 'keyturn:home': 'eu-west-1' }
const hour = 3_600_000

let stepFunctions: StepFunctionsServer
let server: SecretsManagerServer
let secrets: SecretsManagerClient
let findDue: Task
let scheduled: ScheduledCredential[]
let written: string[]
beforeAll(async () => {
  ;[stepFunctions, server] = await Promise.all([startStepFunctions(), startSecretsManager()])
  setLambdaEnvironment({
    AWS_ENDPOINT_URL_SFN: stepFunctions.url,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: server.url,
    KEYTURN_RUNS: 'arn:aws:states:eu-west-1:123456789012:stateMachine:keyturn-test-rotate-due',
    KEYTURN_ROTATION_FUNCTION: 'arn:aws:lambda:eu-west-1:123456789012:function:keyturn-test-rotateSecret',
    KEYTURN_MAX_ROTATIONS: '17',
    KEYTURN_MAX_ROTATIONS_PER_HOST: '5',
    KEYTURN_DUE_SCHEDULE: 'rate(15 minutes)',
    KEYTURN_PEER_REGIONS: elsewhere,
  })
  secrets = new SecretsManagerClient()
  findDue = await loadHandler('findDue')
})
afterAll(async () => {
  await Promise.all([stepFunctions?.stop(), server?.stop()])
})
beforeEach(() => {
  written = captureOutput()
  scheduled = []
  vi.spyOn(Inventory.prototype, 'listScheduled').mockImplementation(async () => scheduled)
  server.refuse()
  stepFunctions.rotateServerExecutions.clear()
  for (const region of [elsewhere, unnamed]) server.setRegionBehaviour(region, {})
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const value = JSON.stringify({ engine: 'postgres', host: 'db', username: 'shop', password: 'Hidden-1' })

/** Makes a secret with a replica in each of these Regions. */
async function make(Name: string, tags: Record<string, string>, regions = [elsewhere]): Promise<void> {
  const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
  await secrets.send(new CreateSecretCommand({ Name, SecretString: value, Tags }))
  const AddReplicaRegions = regions.map(Region => ({ Region }))
  if (regions.length)
    await secrets.send(new ReplicateSecretToRegionsCommand({ SecretId: Name, AddReplicaRegions }))
}

/** Makes a secret that is due. */
async function makeDue(id: string, tags: Record<string, string> = {}, regions = [elsewhere]): Promise<void> {
  await make(id, { ...due, ...tags }, regions)
  scheduled.push({ store: 'secrets-manager', id, tags: { ...due, ...tags }, currentSince: new Date(0) })
}
/** Makes a new version while a Region behaves like this. */
async function fallBehind(
  SecretId: string,
  conduct: RegionBehaviour = { failsBecause: 'key disabled' },
): Promise<void> {
  server.setRegionBehaviour(elsewhere, conduct)
  await secrets.send(new PutSecretValueCommand({ SecretId, SecretString: `${value}\n` }))
}

async function promote(name: string): Promise<void> {
  const { ARN = '' } = await secrets.send(new DescribeSecretCommand({ SecretId: name }))
  const there = new SecretsManagerClient({ region: elsewhere })
  const SecretId = ARN.replace(':eu-west-1:', `:${elsewhere}:`)
  await there.send(new StopReplicationToReplicaCommand({ SecretId }))
}

/** Runs findDue at this time of tomorrow, UTC, when each version is so many hours old. */
async function run({ at = '12:00:03Z', hours = 1.5 } = {}): Promise<RunPlan> {
  const tomorrow = new Date(Date.now() + 24 * hour).toISOString().slice(0, 10)
  const now = new Date(`${tomorrow}T${at}`)
  vi.useFakeTimers({ toFake: ['Date'], now })
  scheduled = scheduled.map(one => ({ ...one, currentSince: new Date(now.getTime() - hours * hour) }))
  return (await findDue({ run: 'run-1', overlaps: true })) as RunPlan
}
const planned = ({ groups }: RunPlan) =>
  groups.flatMap(({ rotations }) => rotations.map(({ id }) => id)).sort()
const failed = 'the replica in us-east-1 is Failed: The KMS key is disabled or not found'

describe('a secret that is due', () => {
  test('begins if its replica is in sync, or it has none', async () => {
    await makeDue('due/follows')
    await makeDue('due/alone', {}, [])
    const found = await run()
    expect(planned(found)).toEqual(['due/alone', 'due/follows'])
    expect(found).toMatchObject({ postponed: 0, skipped: { count: 0 } })
  })

  test('is skipped with the reason while a replica has an earlier version', async () => {
    await makeDue('due/behind')
    await fallBehind('due/behind')
    const found = await run()
    expect(found).toMatchObject({ planned: 0, postponed: 0 })
    const { names } = found.skipped
    expect(names).toEqual([expect.stringContaining(`secrets-manager due/behind: ${failed}`)])
    expect(names[0]).toMatch(/, and has version [-\w]{36}$/)
    expect(`${JSON.stringify(found)}${written.join('')}`).not.toContain('Hidden')
  })

  test('is skipped while a replica has failed, although it has the current version', async () => {
    await makeDue('due/stuck')
    server.setRegionBehaviour(elsewhere, { failsBecause: 'key disabled' })
    await secrets.send(
      new TagResourceCommand({ SecretId: 'due/stuck', Tags: [{ Key: 'team', Value: 'shop' }] }),
    )
    expect((await run()).skipped.names).toEqual([`secrets-manager due/stuck: ${failed}`])
  })

  test('is skipped for a replica in progress only if the version is an hour old', async () => {
    const tags = { 'keyturn:every': '30m' }
    await makeDue('due/on-its-way', tags)
    await fallBehind('due/on-its-way', { inProgressMs: Number.POSITIVE_INFINITY })
    expect(planned(await run({ hours: 0.7 }))).toEqual(['due/on-its-way'])
    const { skipped, groups } = await run({ hours: 1.2 })
    expect(groups).toEqual([])
    expect(skipped.names).toEqual([
      expect.stringContaining('the replica in us-east-1 is InProgress, and has'),
    ])
  })

  test('waits for a Region that cannot be asked', async () => {
    await makeDue('due/unseen')
    server.setRegionBehaviour(elsewhere, { endpoint: 'denied' })
    const { planned, skipped } = await run()
    expect(planned).toBe(0)
    expect(skipped.names).toEqual([
      expect.stringMatching(/^secrets-manager due\/unseen: us-east-1 cannot be asked: Secrets Manager: /),
    ])
  })

  test('goes by the primary’s status for a Region that is no peer', async () => {
    await makeDue('due/in-sync', {}, [unnamed])
    server.setRegionBehaviour(unnamed, { endpoint: 'denied', failsBecause: 'key denied' })
    await makeDue('due/failed', {}, [unnamed])
    const found = await run()
    expect(planned(found)).toEqual(['due/in-sync'])
    expect(found.skipped.names).toEqual([
      expect.stringContaining('due/failed: the replica in sa-east-1 is Failed'),
    ])
  })

  test('begins without a Region that was given up, that has no such secret, or that may not be asked about it', async () => {
    await makeDue('due/given-up', { [`keyturn:given-up:${elsewhere}`]: '2026-11-20 its key is gone' })
    await fallBehind('due/given-up')
    await makeDue('due/empty')
    await makeDue('due/not-described')
    await fallBehind('due/not-described')
    server.refuse(({ action, secret }) =>
      action === 'DescribeSecret' && secret === 'due/not-described'
        ? { name: 'AccessDeniedException', status: 400 }
        : undefined,
    )
    const found = await run()
    expect(found.skipped.names).toEqual([])
    expect(planned(found)).toEqual(['due/empty', 'due/given-up', 'due/not-described'])
  })

  test('begins if a version is pending, whatever replicas do, as an abandoned rotation has to be rolled back', async () => {
    await makeDue('due/abandoned')
    await fallBehind('due/abandoned')
    server.stagePending('due/abandoned')
    expect(planned(await run())).toEqual(['due/abandoned'])
  })

  test('is skipped, and not late, if it was promoted in another Region, even if a version is pending', async () => {
    await makeDue('due/promoted')
    await makeDue('due/pending-promoted')
    await makeDue('due/given-up-there', {
      [`keyturn:given-up:${elsewhere}`]: '2026-11-30 promoted in its place',
    })
    for (const id of ['due/promoted', 'due/pending-promoted', 'due/given-up-there']) await promote(id)
    server.stagePending('due/pending-promoted')
    for (const hours of [1.5, 48]) {
      const found = await run({ hours })
      expect(planned(found)).toEqual(['due/given-up-there'])
      const says = (id: string) =>
        expect.stringContaining(`secrets-manager ${id}: the secret with this ARN stands alone in us-east-1`)
      expect(found.skipped.names).toEqual([says('due/pending-promoted'), says('due/promoted')])
      expect(found.late.names).toEqual(hours > 24 ? ['secrets-manager due/given-up-there'] : [])
      const lists = found.late.parts?.filter(({ promoted }) => promoted)
      expect(lists).toEqual([
        {
          count: 2,
          names: [says('due/pending-promoted'), says('due/promoted')],
          behind: true,
          promoted: true,
        },
      ])
    }
  })

  test('is reported as promoted, and not as late, even by a run that begins nothing', async () => {
    await makeDue('due/promoted-idle')
    await promote('due/promoted-idle')
    stepFunctions.foreignDueRuns.set('earlier', '{}')
    const found = await run({ hours: 48 })
    stepFunctions.foreignDueRuns.clear()
    expect(found).toMatchObject({ planned: 0, waitsFor: 'earlier', late: { count: 0 } })
    expect(found.late.parts).toMatchObject([{ count: 1, promoted: true }])
  })

  test('takes the place of those that wait for a replica, however many there are', async () => {
    server.setRegionBehaviour(unnamed, { failsBecause: 'key denied' })
    for (let n = 0; n < 501; n++) await makeDue(`due/many/${n}`, {}, [unnamed])
    await makeDue('due/last')
    const found = await run()
    expect(planned(found)).toEqual(['due/last'])
    expect(found).toMatchObject({ postponed: 0, skipped: { count: 501 } })
  })
})

describe('once a day, each secret with its home here', () => {
  const told = ({ late }: RunPlan) => late.parts?.filter(({ behind, promoted }) => behind && !promoted)

  test('is reported if a replica is behind, due or not, and is not late for that', async () => {
    await make('home/by-hand', { 'keyturn:managed': 'true', ...home })
    await fallBehind('home/by-hand')
    await make('home/empty', { 'keyturn:managed': 'true', ...home })
    server.setRegionBehaviour(elsewhere, {})
    for (const [name, tags] of Object.entries({
      'home/follows': home,
      'home/elsewhere': { 'keyturn:home': elsewhere },
      'home/untold': {},
      'home/given-up': { ...home, [`keyturn:given-up:${elsewhere}`]: '2026-11-20 its key is gone' },
    })) {
      await make(name, { 'keyturn:managed': 'true', ...tags })
      if (name !== 'home/follows') await fallBehind(name)
      server.setRegionBehaviour(elsewhere, {})
    }
    await make('home/promoted', { 'keyturn:managed': 'true', ...home })
    await promote('home/promoted')
    const found = await run({ at: '00:15:09Z' })
    const apart = found.late.parts?.filter(({ promoted }) => promoted)
    expect(apart).toMatchObject([{ count: 1, names: [expect.stringContaining('home/promoted: ')] }])
    expect(told(found)).toEqual([
      {
        count: 2,
        names: [
          expect.stringContaining(`secrets-manager home/by-hand: ${failed}, and has version `),
          'secrets-manager home/empty: there is no replica in us-east-1',
        ],
        behind: true,
      },
    ])
    expect(found.late).toMatchObject({ count: 0, names: [] })
    expect(written.join('')).toContain('"LateCredentials":0')
    expect(told(await run({ at: '00:30:00Z' }))).toBeUndefined()
  })

  test('is reported even while other runs have all places', async () => {
    for (const id of ['a', 'b', 'c'])
      stepFunctions.rotateServerExecutions.set(`${serverIdOf(id)}-1`, {
        input: '{}',
        startDate: Date.now() / 1000,
        history: [],
        ended: new Promise(() => {}),
      })
    const found = await run({ at: '00:00:01Z' })
    expect(found).toMatchObject({ planned: 0 })
    expect(told(found)).toMatchObject([{ count: 2 }])
  })
})

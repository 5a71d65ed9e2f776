import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  ReplicateSecretToRegionsCommand,
  SecretsManagerClient,
  StopReplicationToReplicaCommand,
  TagResourceCommand,
} from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { StateName } from '../../fleet/states.ts'
import type { RegionBehaviour } from '../../local/aws/secretsManager/regionBehaviour.ts'
import { type Embedded, startEmbedded } from '../../local/embedded/embedded.ts'
import { type BusEvent, makeEventBusTasks } from '../../local/embedded/eventBus.ts'
import { runRotation, type Task, type Tasks } from '../../local/embedded/stateMachine.ts'
import { admits, runStatements } from '../../local/servers/postgresDatabase.ts'
import { PENDING_WAIT_MS } from '../../rotation/awaitPending.ts'
import { Credential } from '../../rotation/credential.ts'
import { parseOptions } from '../../rotation/options.ts'
import { requireReplicasFollow } from '../../rotation/peerReplicas.ts'
import type { Pipeline } from '../../rotation/pipeline.ts'
import { checkRotation, createSecret } from '../../rotation/steps.ts'
import { SecretsManager } from '../../rotation/stores/secretsManager.ts'
import { givenUpTag } from '../../rotation/tags.ts'
import { captureOutput } from '../support/observe.ts'

const elsewhere = 'us-east-1'
const never = Number.POSITIVE_INFINITY
Object.assign(PENDING_WAIT_MS, { pending: 500, pause: 20 })
// Set before any function is loaded.
process.env.KEYTURN_PEER_REGIONS = elsewhere
let embedded: Embedded
let there: SecretsManagerClient
let told: BusEvent[] = []
beforeAll(async () => {
  embedded = await startEmbedded()
  there = new SecretsManagerClient({ endpoint: embedded.secretsManager.url, region: elsewhere })
})
afterAll(() => embedded?.stop())
beforeEach(() => {
  told = []
  captureOutput()
  behaves({})
})

/** Makes a secret with alternating users, and a replica. */
async function enrol(user: string): Promise<string> {
  const admin = await embedded.users.makeAdmin(`${user}_admin`)
  const id = await embedded.users.enrol(user, { admin })
  await replicate(id)
  return id
}
async function replicate(SecretId: string): Promise<void> {
  const AddReplicaRegions = [{ Region: elsewhere }]
  await embedded.secrets.send(new ReplicateSecretToRegionsCommand({ SecretId, AddReplicaRegions }))
}
const inOther = (arn: string) => arn.replace(/:secretsmanager:[^:]+:/, `:secretsmanager:${elsewhere}:`)
const rotateBy = (tasks: Tasks, id: string, name = randomUUID()) =>
  runRotation({ ...tasks, ...makeEventBusTasks(entry => told.push(entry)) }, name, {
    store: 'secrets-manager',
    id,
  })
const rotate = (id: string, name = randomUUID()) => rotateBy(embedded.tasks, id, name)
const behaves = (conduct: RegionBehaviour) => embedded.secretsManager.setRegionBehaviour(elsewhere, conduct)
/** @returns a state's function that first calls `before` */
const actingBefore =
  (state: StateName<'rotate'>, act: () => unknown): Task =>
  async input => {
    await act()
    return embedded.tasks[state]?.(input)
  }
/** @returns a state's function that first sets how the other Region behaves */
const fromThenOn = (state: StateName<'rotate'>, conduct: RegionBehaviour) =>
  actingBefore(state, () => behaves(conduct))
const current = async (id: string) =>
  Credential.parse((await embedded.users.valueStore.read(id, 'current')) as string)
const valueIn = async (client: SecretsManagerClient, SecretId: string) =>
  (await client.send(new GetSecretValueCommand({ SecretId }))).SecretString ?? ''
const servedThere = async (id: string) => Credential.parse(await valueIn(there, inOther(id)))
const stagesThere = async (id: string) =>
  (await there.send(new DescribeSecretCommand({ SecretId: inOther(id) }))).VersionIdsToStages ?? {}

test('a replica in sync has the new version, and what was replaced is closed', async () => {
  const id = await enrol('follows')
  const before = await current(id)
  const token = randomUUID()
  const { output } = await rotate(id, token)
  expect(output).toMatchObject({
    token,
    replication: { outcome: 'replicated', regions: [elsewhere], empty: [], unproven: [] },
    retirement: { outcome: 'retired' },
  })
  expect((await stagesThere(id))[token]).toContain('AWSCURRENT')
  expect(await admits(embedded.postgres, before)).toBe(false)
})

/** Ways in which replicas delay, with awaitReplicas' outcome. In the end, what was replaced is closed in each case. */
test.each<[string, RegionBehaviour, RegExp]>([
  ['has failed', { failsBecause: 'key disabled' }, /the replica in us-east-1 is Failed: .*, and has version/],
  ['is on its way', { inProgressMs: never }, /the replica in us-east-1 is InProgress/],
  ['says InSync and has the version of before', { arrivalMs: never }, /is InSync: .*, and has version/],
  ['may not be asked', { endpoint: 'denied' }, /us-east-1 cannot be asked: Secrets Manager: /],
  ['does not answer', { endpoint: 'closed' }, /us-east-1 cannot be asked: Secrets Manager: /],
])(
  'a replica that %s raises an event, and nothing is closed until it is in sync',
  async (what, conduct, says) => {
    const id = await enrol(what.replaceAll(' ', '_'))
    const before = await current(id)
    const FinishSecret = fromThenOn('FinishSecret', conduct)
    const open: boolean[] = []
    const AwaitReplicasLonger: Task = async input => {
      if (open.length < 3) {
        open.push(await admits(embedded.postgres, before))
        return embedded.tasks.AwaitReplicasLonger?.(input)
      }
      behaves({})
      if (conduct.failsBecause) await replicate(id)
      return embedded.tasks.AwaitReplicasLonger?.(input)
    }
    const { states, tries, output } = await rotateBy(
      { ...embedded.tasks, FinishSecret, AwaitReplicasLonger },
      id,
    )
    expect(open).toEqual([true, true, true])
    expect(tries).toMatchObject({ AwaitReplicas: 9, AwaitReplicasLonger: 4, TestSecret: 1 })
    expect(states.filter(state => /^(Announce|LeftOpen)/.test(state))).toEqual([
      'AnnounceSuccess',
      'AnnounceReplicasBehind',
      'AnnounceReplicated',
    ])
    expect(told.at(-2)?.Detail).toMatchObject({
      rotation: { replication: { Error: 'ReplicasBehind', Cause: expect.stringMatching(says) } },
    })
    expect(output).toMatchObject({
      replication: { regions: [elsewhere] },
      retirement: { outcome: 'retired' },
    })
    expect(await admits(embedded.postgres, before)).toBe(false)
  },
)

test('a replica that stays behind leaves what was replaced open, and blocks rotations until it is in sync', async () => {
  const id = await enrol('never')
  const before = await current(id)
  behaves({ failsBecause: 'key disabled' })
  const token = randomUUID()
  const { states, failure } = await rotate(id, token)
  expect([states.at(-1), failure]).toEqual(['LeftOpen', undefined])
  expect(await admits(embedded.postgres, before)).toBe(true)

  const again = await rotate(id)
  expect(again.failure).toMatchObject({ error: 'ReplicasBehind' })
  expect(again.states).not.toContain('SetSecret')
  const { VersionIdsToStages = {} } = await embedded.secrets.send(new DescribeSecretCommand({ SecretId: id }))
  expect(VersionIdsToStages[token]).toContain('AWSCURRENT')

  behaves({})
  await replicate(id)
  expect((await rotate(id)).output).toMatchObject({ retirement: { outcome: 'retired' } })
})

test('a Region without the secret blocks nothing, and is in an event', async () => {
  const id = await enrol('absent')
  behaves({ failsBecause: 'name exists' })
  await there.send(new StopReplicationToReplicaCommand({ SecretId: inOther(id) })).catch(() => {})
  const store = new SecretsManager(embedded.secrets)
  const primary = { ...(await store.describe(id)), replicas: [{ region: elsewhere, status: 'Failed' }] }
  const token = primary.current ?? ''
  expect(await requireReplicasFollow(primary, { token }, [elsewhere], async () => undefined)).toEqual({
    outcome: 'replicated',
    regions: [],
    empty: [elsewhere],
    unproven: [],
  })
})

test('for a Region that is no peer, the primary’s status counts, also for a later version', async () => {
  const ask = () => Promise.reject(new Error('nobody asks'))
  const described = (status: string) => ({
    current: 'new',
    pending: undefined,
    previous: undefined,
    tags: {},
    replicas: [{ region: 'sa-east-1', status }],
  })
  expect(await requireReplicasFollow(described('InSync'), { token: 'new' }, [elsewhere], ask)).toMatchObject({
    unproven: ['sa-east-1'],
  })
  await expect(
    requireReplicasFollow(described('InProgress'), { token: 'new' }, [elsewhere], ask),
  ).rejects.toMatchObject({
    name: 'ReplicasBehind',
    message: 'the replica in sa-east-1 is InProgress',
  })
  expect(await requireReplicasFollow(described('InSync'), { token: 'old' }, [], ask)).toMatchObject({
    outcome: 'superseded',
  })
  await expect(requireReplicasFollow(described('Failed'), { token: 'old' }, [], ask)).rejects.toMatchObject({
    name: 'ReplicasBehind',
  })
})

test('an execution of a state machine without the wait leaves what was replaced open too', async () => {
  const id = await enrol('earlier')
  const before = await current(id)
  const token = randomUUID()
  const looked = () => ({ outcome: 'replicated' })
  const tasks = { ...embedded.tasks, AwaitReplicas: looked, LookBeforeRetiring: looked }
  behaves({ failsBecause: 'key disabled' })
  const { failure } = await rotateBy(tasks, id, token)
  expect(failure).toMatchObject({
    error: 'Conflict',
    cause: {
      errorMessage: expect.stringMatching(
        /^retireSecret: what was replaced stays open: the replica in us-east-1/,
      ),
    },
  })
  expect(await admits(embedded.postgres, before)).toBe(true)
})

test('neither a replica nor a secret that was promoted from one rotates outside of its home Region', async () => {
  const id = await embedded.users.enrol('home', { tags: { 'keyturn:home': 'eu-west-1' } })
  await replicate(id)
  // The stack in the other Region does this.
  const pipeline = {
    store: new SecretsManager(there),
    isRotating: async () => false,
    defaults: parseOptions({}),
  } as Partial<Pipeline> as Pipeline
  const begin = () => createSecret(pipeline, { id: inOther(id), token: randomUUID() })
  await expect(begin()).rejects.toMatchObject({
    name: 'InvalidCredential',
    message: 'id: is a replica of a secret in eu-west-1: rotate that one, there',
  })
  await there.send(new StopReplicationToReplicaCommand({ SecretId: inOther(id) }))
  await expect(begin()).rejects.toMatchObject({ name: 'NotAtHome' })
  // Secrets Manager calls this when a schedule is set there.
  const looksWell = checkRotation(pipeline, { id: inOther(id), token: randomUUID() })
  await expect(looksWell).rejects.toMatchObject({ name: 'NotAtHome' })
  expect(Object.values(await stagesThere(id)).flat()).not.toContain('AWSPENDING')
  // At home neither, as nobody knows whether it was promoted on purpose; once it is given up there, it goes on.
  expect((await rotate(id)).failure).toMatchObject({ error: 'PromotedElsewhere' })
  const Tags = [{ Key: givenUpTag(elsewhere), Value: '2026-11-29 nobody reads it' }]
  await embedded.secrets.send(new TagResourceCommand({ SecretId: id, Tags }))
  expect((await rotate(id)).output).toMatchObject({ user: 'home' })
})

describe('before a rotation', () => {
  test.each<[string, RegionBehaviour, RegExp]>([
    ['serves another version', { arrivalMs: never }, /and has version /],
    ['may not be asked', { endpoint: 'denied' }, /us-east-1 cannot be asked: Secrets Manager: /],
    ['does not answer', { endpoint: 'closed' }, /us-east-1 cannot be asked: Secrets Manager: /],
  ])('a replica that %s throws ReplicasBehind, and nothing is changed', async (what, conduct, says) => {
    const id = await enrol(`refused_${what.replaceAll(' ', '_')}`)
    const FinishSecret = fromThenOn('FinishSecret', conduct)
    // Only the replica fails, and the waiting execution is stopped.
    const behind = await rotateBy({ ...embedded.tasks, FinishSecret }, id)
    expect(behind.states.at(-1)).toBe('LeftOpen')
    const before = await current(id)
    const { failure, tries, states } = await rotate(id)
    expect(failure).toMatchObject({
      error: 'ReplicasBehind',
      cause: { errorMessage: expect.stringMatching(says) },
    })
    expect(tries).toMatchObject({ LookAtReplicas: 6, CreateSecret: 1 })
    expect(states).not.toContain('SetSecret')
    expect(await current(id)).toEqual(before)
    behaves({})
    expect((await rotate(id)).output).toMatchObject({ retirement: { outcome: 'retired' } })
  })

  test('a Region without the secret blocks nothing, though its replica has failed', async () => {
    const admin = await embedded.users.makeAdmin('nowhere_admin')
    const id = await embedded.users.enrol('nowhere', { admin })
    behaves({ failsBecause: 'key denied' })
    await replicate(id)
    const { output, states } = await rotate(id)
    expect(output).toMatchObject({
      pendingReplication: { outcome: 'replicated', empty: [elsewhere] },
      replication: { outcome: 'replicated', empty: [elsewhere] },
      retirement: { outcome: 'retired' },
    })
    expect(states).not.toContain('AnnounceReplicasBehind')
  })

  test('an abandoned rotation is rolled back without a wait, and then the replicas are waited for', async () => {
    const id = await enrol('left_behind')
    // The rotation dies after its password was set.
    const dies = { ...embedded.tasks, TestSecret: () => Promise.reject(new Error('stopped')) }
    const RollbackSecret = () => Promise.reject(new Error('stopped'))
    await rotateBy({ ...dies, RollbackSecret }, id)
    behaves({ arrivalMs: never })
    const looks: number[] = []
    const LookAtReplicas: Task = input => {
      looks.push(looks.length)
      return embedded.tasks.LookAtReplicas?.(input)
    }
    const RollbackAbandoned: Task = input => {
      // One call, without a wait.
      expect(looks).toHaveLength(1)
      return embedded.tasks.RollbackAbandoned?.(input)
    }
    const { states, output } = await rotateBy({ ...embedded.tasks, LookAtReplicas, RollbackAbandoned }, id)
    expect(states.slice(0, 7)).toEqual([
      'MayHaveReplicas',
      'LookAtReplicas',
      'CreateSecret',
      'RollbackAbandoned',
      'MayHaveReplicas',
      'LookAtReplicas',
      'CreateSecret',
    ])
    expect(output).toMatchObject({ pendingReplication: { outcome: 'late' } })
  })

  test('a further attempt does not wait, as the application may be refused since the first one', async () => {
    const id = await enrol('attempts')
    const token = randomUUID()
    const input = { store: 'secrets-manager', id, token }
    const died = () => Promise.reject(new Error('stopped'))
    await runRotation({ ...embedded.tasks, TestSecret: died, RollbackSecret: died }, token, input)
    behaves({ endpoint: 'denied' })
    const { tries, states, failure, output } = await runRotation(embedded.tasks, `${token}-2`, input)
    expect(tries).toMatchObject({ LookAtReplicas: 1, CreateSecret: 1 })
    expect(failure).toMatchObject({ error: 'ReplicasBehind' })
    expect(states).toContain('DiscardSecret')
    expect(output).toBeUndefined()
    expect(await admits(embedded.postgres, await current(id))).toBe(true)
  })

  test('a further attempt that is refused and finds a lockout reports the lockout', async () => {
    const id = await embedded.users.enrol('attempts_alone')
    await replicate(id)
    const token = randomUUID()
    const input = { store: 'secrets-manager', id, token }
    const died = () => Promise.reject(new Error('stopped'))
    const bus = makeEventBusTasks(entry => told.push(entry))
    await runRotation({ ...embedded.tasks, TestSecret: died, RollbackSecret: died }, token, input)
    await runStatements(embedded.postgres, `alter role attempts_alone password 'somebody-else'`)
    behaves({ endpoint: 'denied' })
    const { states } = await runRotation({ ...embedded.tasks, ...bus }, `${token}-2`, input)
    expect(states.slice(-3)).toEqual(['DiscardSecret', 'AnnounceLockout', 'RollbackFailed'])
    expect(told).toMatchObject([
      {
        Detail: {
          severity: 'critical',
          rotation: { failure: { Error: 'ReplicasBehind' }, lockout: { Error: 'LockedOut' } },
        },
      },
    ])
  })
})

describe('the pending version', () => {
  test('is in the replicas before SetSecret begins, as two quick moves of labels stop replication', async () => {
    const slow: RegionBehaviour = { inProgressMs: 3000, wedgesWithinMs: 3000 }
    PENDING_WAIT_MS.total = 6000
    const at = async (user: string, tasks: Tasks) => {
      behaves({})
      const id = await enrol(user)
      const CreateSecret = fromThenOn('CreateSecret', slow)
      // Long enough for one that is not wedged.
      const AwaitReplicas: Task = async input => {
        await sleep(500)
        return embedded.tasks.AwaitReplicas?.(input)
      }
      return rotateBy({ ...embedded.tasks, CreateSecret, AwaitReplicas, ...tasks }, id)
    }
    const { output, states } = await at('apart', {})
    expect(output).toMatchObject({
      pendingReplication: { outcome: 'replicated', regions: [elsewhere] },
      retirement: { outcome: 'retired' },
    })
    expect(states).not.toContain('AnnounceReplicasBehind')
    // Without the wait, replication stops as AWS's users have reported.
    const hurried = await at('hurried', { AwaitPendingReplicas: () => ({ outcome: 'skipped' }) })
    expect(hurried.states.at(-1)).toBe('LeftOpen')
    PENDING_WAIT_MS.total = 500
  })

  test.each<[string, RegionBehaviour]>([
    ['does not show there', { showsPending: false }],
    ['never arrives', { arrivalMs: never }],
  ])('that %s is waited for only until the limit', async (what, conduct) => {
    const id = await enrol(`pending_${what.replaceAll(' ', '_')}`)
    const CreateSecret = fromThenOn('CreateSecret', conduct)
    const SetSecret = fromThenOn('SetSecret', {})
    const { output } = await rotateBy({ ...embedded.tasks, CreateSecret, SetSecret }, id)
    expect(output).toMatchObject({
      pendingReplication: {
        outcome: 'late',
        why: expect.stringMatching(/^the replica in us-east-1 is InSync: .*, and has version/),
      },
      replication: { outcome: 'replicated' },
    })
  })
})

test('between SetSecret and FinishSecret there are the same calls, states and tries as without replicas', async () => {
  /** @returns what happens from the beginning of SetSecret to the end of FinishSecret */
  async function midway(id: string, conduct: RegionBehaviour) {
    const { calls } = embedded.secretsManager
    let from = 0
    let to = 0
    const CreateSecret = fromThenOn('CreateSecret', conduct)
    const SetSecret: Task = async input => {
      // A look that is under way when the wait ends.
      await sleep(300)
      from = calls.length
      return embedded.tasks.SetSecret?.(input)
    }
    const FinishSecret: Task = async input => {
      // It began longer ago than FinishSecret trusts, as what was waited for before took its time.
      const { started, ...rest } = input as { started: string }
      const long = new Date(Date.parse(started) - 120_000).toISOString()
      const finished = await embedded.tasks.FinishSecret?.({ ...rest, started: long })
      to = calls.length
      return finished
    }
    const { states, tries } = await rotateBy({ ...embedded.tasks, CreateSecret, SetSecret, FinishSecret }, id)
    const between = states.slice(states.indexOf('SetSecret'), states.indexOf('FinishSecret') + 1)
    return {
      calls: calls.slice(from, to).map(({ action, region }) => [action, region]),
      tries: between.map(state => [state, tries[state]]),
    }
  }
  const admin = await embedded.users.makeAdmin('alone_admin')
  const alone = await midway(await embedded.users.enrol('alone', { admin }), {})
  expect(alone.tries).toEqual([
    ['SetSecret', 1],
    ['TestSecret', 1],
    ['FinishSecret', 1],
  ])
  const late = await midway(await enrol('with_replica'), { inProgressMs: never })
  // Its own wait ended just before: one look less at whether others took it for dead.
  const [look, ...rest] = alone.calls.slice(-2)
  expect(look).toEqual(['DescribeSecret', undefined])
  expect(late).toEqual({ ...alone, calls: [...alone.calls.slice(0, -2), ...rest] })
})

test('a Region that was given up is not waited for, whatever its replica does', async () => {
  const id = await enrol('given_up')
  const before = await current(id)
  behaves({ failsBecause: 'key disabled' })
  await replicate(id)
  expect((await rotate(id)).failure).toMatchObject({ error: 'ReplicasBehind' })
  const Tags = [{ Key: givenUpTag(elsewhere), Value: '2026-11-29 its key was deleted' }]
  await embedded.secrets.send(new TagResourceCommand({ SecretId: id, Tags }))
  const { output, states } = await rotate(id)
  expect(output).toMatchObject({ retirement: { outcome: 'retired' } })
  expect(states).not.toContain('AwaitReplicas')
  expect(await admits(embedded.postgres, before)).toBe(false)
  expect(Object.keys(await stagesThere(id))).not.toContain((output as { token: string }).token)
})

test('giving a Region up ends the wait for it, and what was replaced is closed', async () => {
  const id = await enrol('given_up_later')
  const FinishSecret = fromThenOn('FinishSecret', { failsBecause: 'key disabled' })
  const AwaitReplicasLonger: Task = async input => {
    const Tags = [{ Key: givenUpTag(elsewhere), Value: '2026-11-29' }]
    await embedded.secrets.send(new TagResourceCommand({ SecretId: id, Tags }))
    return embedded.tasks.AwaitReplicasLonger?.(input)
  }
  const { output } = await rotateBy({ ...embedded.tasks, FinishSecret, AwaitReplicasLonger }, id)
  expect(output).toMatchObject({
    replication: { outcome: 'replicated', regions: [] },
    retirement: { outcome: 'retired' },
  })
})

describe('cases of earlier bugs', () => {
  test('a new replica that does not exist yet is waited for, as an old version may arrive first', async () => {
    const admin = await embedded.users.makeAdmin('on_its_way_admin')
    const id = await embedded.users.enrol('on_its_way', { admin })
    behaves({ inProgressMs: never })
    const asked = Date.now()
    await replicate(id)
    await sleep(1500)
    let looks = 0
    // The first change arrives, and no later one.
    const arrive = async () => {
      behaves({ arrivalMs: Date.now() - asked - 700, inProgressMs: never })
      await there.send(new DescribeSecretCommand({ SecretId: inOther(id) }))
      behaves({ inProgressMs: never })
    }
    const LookAtReplicas = () => ({ outcome: 'following', empty: [elsewhere] })
    const AwaitReplicas = actingBefore('AwaitReplicas', () => (looks++ ? undefined : sleep(100)))
    const RetireSecret = actingBefore('RetireSecret', arrive)
    const { states, failure } = await rotateBy(
      { ...embedded.tasks, LookAtReplicas, AwaitReplicas, RetireSecret },
      id,
    )
    if (!states.includes('RetireSecret')) await arrive()
    expect(failure).toBeUndefined()
    expect(await admits(embedded.postgres, await servedThere(id)), `${states}`).toBe(true)
    expect(states.at(-1)).toBe('LeftOpen')
  })

  test('a value that is edited during the wait is waited for too', async () => {
    const id = await enrol('edited')
    const old = await servedThere(id)
    const FinishSecret = actingBefore('FinishSecret', () => behaves({ arrivalMs: never }))
    let looks = 0
    const AwaitReplicas = actingBefore('AwaitReplicas', async () => {
      if (looks++ > 0) return
      const value = JSON.parse(await valueIn(embedded.secrets, id))
      const SecretString = JSON.stringify({ ...value, note: 'edited' })
      await embedded.secrets.send(new PutSecretValueCommand({ SecretId: id, SecretString }))
    })
    const { states, failure } = await rotateBy({ ...embedded.tasks, FinishSecret, AwaitReplicas }, id)
    expect(failure).toBeUndefined()
    expect((await servedThere(id)).password).toBe(old.password)
    expect(await admits(embedded.postgres, await servedThere(id)), `${states}`).toBe(true)
  })

  test('what a replica that is promoted during the wait serves is not closed', async () => {
    const id = await enrol('promoted_midway')
    const FinishSecret = actingBefore('FinishSecret', () => behaves({ arrivalMs: never }))
    let looks = 0
    const AwaitReplicas = actingBefore('AwaitReplicas', async () => {
      if (looks++ > 1) return
      if (looks === 2) await there.send(new StopReplicationToReplicaCommand({ SecretId: inOther(id) }))
    })
    const { states } = await rotateBy({ ...embedded.tasks, FinishSecret, AwaitReplicas }, id)
    expect(await admits(embedded.postgres, await servedThere(id)), `${states}`).toBe(true)
  })

  test('after an unreadable answer, as of a firewall, the Region is asked again', async () => {
    const id = await enrol('garbled')
    const send = SecretsManagerClient.prototype.send
    const FinishSecret = actingBefore('FinishSecret', () => {
      SecretsManagerClient.prototype.send = async function (this: SecretsManagerClient, ...args: unknown[]) {
        if ((await this.config.region()) === elsewhere) throw new SyntaxError('Unexpected token <')
        return (send as (...args: unknown[]) => unknown).apply(this, args)
      } as typeof send
    })
    let looks = 0
    const AwaitReplicasLonger = actingBefore('AwaitReplicasLonger', () => {
      if (++looks === 3) SecretsManagerClient.prototype.send = send
    })
    try {
      const { states, output } = await rotateBy({ ...embedded.tasks, FinishSecret, AwaitReplicasLonger }, id)
      expect(states).not.toContain('LeftOpen')
      expect(output).toMatchObject({ retirement: { outcome: 'retired' } })
    } finally {
      SecretsManagerClient.prototype.send = send
    }
  })

  test('the next rotation is refused, and writes nothing, if a replica that is current was stopped for good', async () => {
    const id = await enrol('wedged')
    behaves({ inProgressMs: never, arrivalMs: 0 })
    const Tags = [{ Key: 'team', Value: 'shop' }]
    await embedded.secrets.send(new TagResourceCommand({ SecretId: id, Tags }))
    const { failure, states } = await rotate(id)
    expect(failure).toMatchObject({
      error: 'ReplicasBehind',
      cause: { errorMessage: expect.stringMatching(/the replica in us-east-1 is InProgress$/) },
    })
    expect(states).not.toContain('SetSecret')
    behaves({})
    expect((await rotate(id)).output).toMatchObject({ retirement: { outcome: 'retired' } })
  })
})

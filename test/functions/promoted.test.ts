import { randomUUID } from 'node:crypto'
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  RemoveRegionsFromReplicationCommand,
  ReplicateSecretToRegionsCommand,
  SecretsManagerClient,
  StopReplicationToReplicaCommand,
  TagResourceCommand,
  UntagResourceCommand,
} from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { StateName } from '../../fleet/states.ts'
import type { RegionBehaviour } from '../../local/aws/secretsManager/regionBehaviour.ts'
import { type Embedded, loadHandler, startEmbedded } from '../../local/embedded/embedded.ts'
import { type BusEvent, makeEventBusTasks } from '../../local/embedded/eventBus.ts'
import { runRotation, type Task, type Tasks } from '../../local/embedded/stateMachine.ts'
import { admits } from '../../local/servers/postgresDatabase.ts'
import { PENDING_WAIT_MS } from '../../rotation/awaitPending.ts'
import { Credential } from '../../rotation/credential.ts'
import { givenUpTag } from '../../rotation/tags.ts'
import { captureOutput } from '../support/observe.ts'

/*
 * The secret was made one of its own in another Region, as if this Region had been lost: nothing rotates here any more, and nothing
 * is closed, until somebody decides which of the two rotates.
 */

const [home, elsewhere, third] = ['eu-west-1', 'us-east-1', 'ap-south-1']
Object.assign(PENDING_WAIT_MS, { pending: 100, pause: 20 })
// Set before any function is loaded. The own Region is listed too, as if two stacks shared their parameters.
process.env.KEYTURN_PEER_REGIONS = [home, elsewhere, third].join(',')
let embedded: Embedded
let told: BusEvent[] = []
beforeAll(async () => {
  embedded = await startEmbedded()
})
afterAll(() => embedded?.stop())
beforeEach(() => {
  told = []
  captureOutput()
  for (const region of [elsewhere, third]) behaves(region, {})
})

const behaves = (region: string, conduct: RegionBehaviour) =>
  embedded.secretsManager.setRegionBehaviour(region, conduct)
const clientIn = (region: string) =>
  new SecretsManagerClient({ endpoint: embedded.secretsManager.url, region })
const arnIn = (region: string, arn: string) => arn.replace(`:${home}:`, `:${region}:`)

/** Makes a secret with alternating users, or a single user, and a replica in each of these Regions. */
async function enrol(user: string, replicas = [elsewhere], alternating = true): Promise<string> {
  const admin = alternating && (await embedded.users.makeAdmin(`${user}_admin`))
  const id = await embedded.users.enrol(user, {
    ...(admin && { admin }),
    tags: { 'keyturn:home': home },
  })
  for (const Region of replicas)
    await embedded.secrets.send(
      new ReplicateSecretToRegionsCommand({ SecretId: id, AddReplicaRegions: [{ Region }] }),
    )
  return id
}
const promote = (id: string, region = elsewhere) =>
  clientIn(region).send(new StopReplicationToReplicaCommand({ SecretId: arnIn(region, id) }))
async function giveUp(id: string, region = elsewhere): Promise<void> {
  const Tags = [{ Key: givenUpTag(region), Value: '2026-11-30 promoted in its place' }]
  await embedded.secrets.send(new TagResourceCommand({ SecretId: id, Tags }))
}
const rotate = (id: string, tasks: Tasks = {}, name: string = randomUUID()) =>
  runRotation({ ...embedded.tasks, ...makeEventBusTasks(entry => told.push(entry)), ...tasks }, name, {
    store: 'secrets-manager',
    id,
    token: name.slice(0, 36),
  })
const actingBefore =
  (state: StateName<'rotate'>, act: () => unknown): Task =>
  async input => {
    await act()
    return embedded.tasks[state]?.(input)
  }
const current = async (id: string) =>
  Credential.parse((await embedded.users.valueStore.read(id, 'current')) as string)
async function pendingOf(id: string): Promise<string[]> {
  const { VersionIdsToStages = {} } = await embedded.secrets.send(new DescribeSecretCommand({ SecretId: id }))
  const isPending = ([, labels]: [string, string[]]) =>
    labels.includes('AWSPENDING') && !labels.includes('AWSCURRENT')
  return Object.entries(VersionIdsToStages).flatMap(entry => (isPending(entry) ? [entry[0]] : []))
}
const died = () => Promise.reject(new Error('stopped'))
const refusal = { error: 'PromotedElsewhere', cause: { errorMessage: expect.stringContaining(elsewhere) } }

describe.each([
  ['lists it no more', {}],
  ['goes on listing it', { promotedStaysListed: true }],
] as const)('a Region that was promoted, and the primary %s', (what, conduct) => {
  const user = (name: string) => `${name}_${what.split(' ')[0]}`
  beforeEach(() => behaves(elsewhere, conduct))

  test('refuses a rotation at its start, without a change, a pending version or a retry', async () => {
    const id = await enrol(user('refused'))
    await promote(id)
    const before = await current(id)
    const { failure, states, tries } = await rotate(id)
    expect(failure).toMatchObject(refusal)
    expect(tries).toMatchObject({ LookAtReplicas: 1, CreateSecret: 1 })
    expect(states).not.toContain('SetSecret')
    expect(await current(id)).toEqual(before)
    expect(await admits(embedded.postgres, before)).toBe(true)
    expect(await pendingOf(id)).toEqual([])
  })

  test('stops no rotation once it is given up here, as the promoted side does with the Region that it came from', async () => {
    const id = await enrol(user('given_up'))
    await promote(id)
    await giveUp(id)
    expect((await rotate(id)).output).toMatchObject({ retirement: { outcome: 'retired' } })
  })

  test('discards the version of Secrets Manager from before the execution, without a login', async () => {
    const id = await enrol(user('by_service'))
    await promote(id)
    const token = randomUUID()
    const call = { SecretId: id, ClientRequestToken: token }
    embedded.secretsManager.stagePending(id, token)
    const rotateSecret = await loadHandler('rotateSecret')
    await expect(rotateSecret({ Step: 'createSecret', ...call })).rejects.toMatchObject({
      name: 'PromotedElsewhere',
    })
    const { states, failure } = (await embedded.stepFunctions.rotateExecutions.get(token)?.ended) ?? {}
    expect(failure).toMatchObject(refusal)
    expect(states?.slice(-3)).toEqual(['DiscardSecret', 'AnnounceFailure', 'RotationFailed'])
    expect(await embedded.users.valueStore.read(id, 'pending')).toBeUndefined()
    expect(await pendingOf(id)).toEqual([])
  })

  test('keeps what a dead rotation has set, as the application in the other Region may use it', async () => {
    const id = await enrol(user('abandoned'), [elsewhere], false)
    const token = randomUUID()
    await rotate(id, { TestSecret: died, RollbackSecret: died }, token)
    const set = Credential.parse((await embedded.users.valueStore.read(id, 'pending')) as string)
    expect(await admits(embedded.postgres, set)).toBe(true)
    await promote(id)
    // Another rotation, and a further attempt of the same.
    for (const name of [randomUUID(), `${token}-2`]) {
      const { failure, states } = await rotate(id, {}, name)
      expect(failure).toMatchObject(refusal)
      expect(states).not.toContain('RollbackAbandoned')
      expect(await admits(embedded.postgres, set), name).toBe(true)
      expect(await pendingOf(id)).toEqual([token])
    }
    // Once this Region is to rotate, the version is rolled back as always.
    await giveUp(id)
    expect((await rotate(id)).states).toContain('RollbackAbandoned')
    expect(await admits(embedded.postgres, await current(id))).toBe(true)
  })

  test.each<[StateName<'rotate'>, string[]]>([
    ['AwaitReplicas', ['AwaitReplicas']],
    ['LookBeforeRetiring', ['LookBeforeRetiring']],
  ])('leaves what was replaced open at once, with one event: found in %s', async (state, [seen]) => {
    const id = await enrol(user(`open_${state}`.toLowerCase()))
    const before = await current(id)
    const { states, failure, tries, output } = await rotate(id, {
      [state]: actingBefore(state, () => promote(id).catch(() => {})),
    })
    expect([states.at(-1), failure, tries.RetireSecret]).toEqual(['LeftOpen', undefined, undefined])
    expect(states[states.length - 4]).toBe(seen)
    expect(tries).toMatchObject({ [state]: 1, AwaitReplicasLonger: 1 })
    expect(output).toMatchObject({ replication: { Error: 'PromotedElsewhere' } })
    expect(told.filter(({ DetailType }) => DetailType === 'Credential Replicas Behind')).toHaveLength(1)
    expect(await admits(embedded.postgres, before)).toBe(true)
    expect(await admits(embedded.postgres, await current(id))).toBe(true)
  })

  test('closes nothing, without an event, if the secret’s home is the other Region by now', async () => {
    const id = await enrol(user('moved'))
    const before = await current(id)
    const Tags = [{ Key: 'keyturn:home', Value: elsewhere }]
    const { output, states } = await rotate(id, {
      LookBeforeRetiring: actingBefore('LookBeforeRetiring', async () => {
        await promote(id)
        await embedded.secrets.send(new TagResourceCommand({ SecretId: id, Tags }))
      }),
    })
    expect(output).toMatchObject({ retirement: { outcome: 'superseded' } })
    expect(states).not.toContain('AnnounceReplicasBehind')
    expect(await admits(embedded.postgres, before)).toBe(true)
    expect((await rotate(id)).failure).toMatchObject({ error: 'NotAtHome' })
  })
})

test('a secret without replicas costs one more call to each peer, at its start and at its end', async () => {
  const id = await enrol('without', [])
  const { calls } = embedded.secretsManager
  const from = calls.length
  const { output } = await rotate(id)
  expect(output).toMatchObject({ retirement: { outcome: 'retired' } })
  const asked = calls.slice(from).filter(({ region }) => region !== undefined && region !== home)
  expect(asked.map(({ action, region }) => `${action} ${region}`).sort()).toEqual(
    [elsewhere, elsewhere, third, third].map(region => `DescribeSecret ${region}`).sort(),
  )
})

test.each<[string, RegionBehaviour]>([
  ['does not answer', { endpoint: 'closed' }],
  ['may not be asked', { endpoint: 'denied' }],
])('a peer that %s blocks a rotation only if a replica is listed there', async (what, conduct) => {
  const alone = await enrol(`unlisted_${what.split(' ')[0]}`, [elsewhere])
  const before = await current(alone)
  behaves(third, conduct)
  expect((await rotate(alone)).output).toMatchObject({ retirement: { outcome: 'retired' } })
  expect(await admits(embedded.postgres, before)).toBe(false)

  behaves(third, {})
  const listed = await enrol(`listed_${what.split(' ')[0]}`, [third])
  const replaced = await current(listed)
  const { states } = await rotate(listed, {
    LookBeforeRetiring: actingBefore('LookBeforeRetiring', () => behaves(third, conduct)),
  })
  expect(states.at(-1)).toBe('LeftOpen')
  expect(await admits(embedded.postgres, replaced)).toBe(true)
})

describe('in the promoted Region, a replica that still follows the lost one', () => {
  /** A secret that was promoted here, whose old primary in the lost Region has a replica in a third Region. */
  async function promoted(user: string): Promise<string> {
    const admin = await embedded.users.makeAdmin(`${user}_admin`)
    const enrolled = await embedded.users.enrol(user, { admin })
    const SecretString = (await embedded.users.valueStore.read(enrolled, 'current')) as string
    const tags = { ...{ 'keyturn:managed': 'true', 'keyturn:home': home }, 'keyturn:grace': '1s' }
    const { ARN = '' } = await clientIn(elsewhere).send(
      new CreateSecretCommand({
        Name: `promoted/${user}`,
        SecretString,
        Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
        AddReplicaRegions: [{ Region: home }, { Region: third }],
      }),
    )
    const id = ARN.replace(`:${elsewhere}:`, `:${home}:`)
    await embedded.secrets.send(new StopReplicationToReplicaCommand({ SecretId: id }))
    await giveUp(id)
    return id
  }
  const says = `the copy in ${third} still follows ${elsewhere}: attach it`

  test('is behind, and blocks rotations until its Region is given up', async () => {
    const id = await promoted('attach')
    const { failure, states, tries } = await rotate(id)
    expect(failure).toMatchObject({
      error: 'ReplicasBehind',
      cause: { errorMessage: expect.stringContaining(says) },
    })
    expect(tries).toMatchObject({ LookAtReplicas: 6, CreateSecret: 1 })
    expect(states).not.toContain('SetSecret')
    await giveUp(id, third)
    expect((await rotate(id)).output).toMatchObject({ retirement: { outcome: 'retired' } })
  })

  test('leaves what was replaced open, until it is replicated from here, and then for another grace time', async () => {
    const id = await promoted('retire')
    const before = await current(id)
    await giveUp(id, third)
    let open = 0
    const TagKeys = [givenUpTag(third)]
    const SecretId = arnIn(third, id)
    const { output, states } = await rotate(id, {
      LookBeforeRetiring: actingBefore('LookBeforeRetiring', () =>
        open ? undefined : embedded.secrets.send(new UntagResourceCommand({ SecretId: id, TagKeys })),
      ),
      AwaitReplicasLonger: actingBefore('AwaitReplicasLonger', async () => {
        if (await admits(embedded.postgres, before)) open++
        if (open < 3) return
        const lost = clientIn(elsewhere)
        const RemoveReplicaRegions = [third]
        await lost.send(
          new RemoveRegionsFromReplicationCommand({ SecretId: arnIn(elsewhere, id), RemoveReplicaRegions }),
        )
        const AddReplicaRegions = [{ Region: third }]
        await embedded.secrets.send(new ReplicateSecretToRegionsCommand({ SecretId: id, AddReplicaRegions }))
      }),
    })
    expect(told.find(({ DetailType }) => DetailType === 'Credential Replicas Behind')?.Detail).toMatchObject({
      rotation: { replication: { Error: 'ReplicasBehind', Cause: expect.stringContaining(says) } },
    })
    expect(open).toBe(3)
    expect(states.filter(state => state === 'GraceBeforeLook')).toHaveLength(2)
    expect(output).toMatchObject({ replication: { regions: [third] }, retirement: { outcome: 'retired' } })
    expect(await admits(embedded.postgres, before)).toBe(false)
    const { PrimaryRegion } = await clientIn(third).send(new DescribeSecretCommand({ SecretId }))
    expect(PrimaryRegion).toBe(home)
  })
})

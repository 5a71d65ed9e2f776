import { randomUUID } from 'node:crypto'
import {
  DescribeSecretCommand,
  ReplicateSecretToRegionsCommand,
  SecretsManagerClient,
  StopReplicationToReplicaCommand,
} from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Conduct } from '../../local/aws/secretsManager/conduct.ts'
import { type Embedded, startEmbedded } from '../../local/embedded/embedded.ts'
import { type Entry, eventBus } from '../../local/embedded/eventBus.ts'
import { runRotation, type Task, type Tasks } from '../../local/embedded/stateMachine.ts'
import { admits } from '../../local/servers/postgresDatabase.ts'
import { Credential } from '../../rotation/credential.ts'
import { follow } from '../../rotation/follow.ts'
import { parseOptions } from '../../rotation/options.ts'
import type { Pipeline } from '../../rotation/pipeline.ts'
import { create } from '../../rotation/steps.ts'
import { SecretsManager } from '../../rotation/stores/secretsManager.ts'
import { captureOutput } from '../support/observe.ts'

const elsewhere = 'us-east-1'
// Before any function is loaded.
process.env.KEYTURN_PEER_REGIONS = elsewhere
let embedded: Embedded
let there: SecretsManagerClient
let told: Entry[] = []
beforeAll(async () => {
  embedded = await startEmbedded()
  there = new SecretsManagerClient({ endpoint: embedded.secretsManager.url, region: elsewhere })
})
afterAll(() => embedded?.stop())
beforeEach(() => {
  told = []
  captureOutput()
  embedded.secretsManager.setRegion(elsewhere, {})
})

/** A secret with alternating users, and a replica of it. */
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
  runRotation({ ...tasks, ...eventBus(entry => told.push(entry)) }, name, { store: 'secrets-manager', id })
const rotate = (id: string, name = randomUUID()) => rotateBy(embedded.tasks, id, name)
const current = async (id: string) =>
  Credential.parse((await embedded.users.shelf.read(id, 'current')) as string)
const stagesThere = async (id: string) =>
  (await there.send(new DescribeSecretCommand({ SecretId: inOther(id) }))).VersionIdsToStages ?? {}

test('a replica that follows has the new version, and what was replaced is closed', async () => {
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

/** What replicas can do while they are waited for, and what awaitReplicas says of it; in the end all is closed. */
test.each<[string, Conduct, RegExp]>([
  ['has failed', { fails: 'key disabled' }, /the replica in us-east-1 is Failed: .*, and has version/],
  ['is on its way', { inProgress: Number.POSITIVE_INFINITY }, /the replica in us-east-1 is InProgress/],
  [
    'says InSync and has the version of before',
    { arrival: Number.POSITIVE_INFINITY },
    /is InSync: .*, and has version/,
  ],
  ['may not be asked', { endpoint: 'denied' }, /us-east-1 cannot be asked: Secrets Manager: /],
  ['does not answer', { endpoint: 'closed' }, /us-east-1 cannot be asked: Secrets Manager: /],
])('one that %s: it is told, and nothing is closed until it follows', async (what, conduct, says) => {
  const id = await enrol(what.replaceAll(' ', '_'))
  const before = await current(id)
  embedded.secretsManager.setRegion(elsewhere, conduct)
  const open: boolean[] = []
  const AwaitReplicasLonger: Task = async input => {
    if (open.length < 3) {
      open.push(await admits(embedded.postgres, before))
      return embedded.tasks.AwaitReplicasLonger?.(input)
    }
    embedded.secretsManager.setRegion(elsewhere, {})
    if (conduct.fails) await replicate(id)
    return embedded.tasks.AwaitReplicasLonger?.(input)
  }
  const { states, tries, output } = await rotateBy({ ...embedded.tasks, AwaitReplicasLonger }, id)
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
  expect(output).toMatchObject({ replication: { regions: [elsewhere] }, retirement: { outcome: 'retired' } })
  expect(await admits(embedded.postgres, before)).toBe(false)
})

test('one that never follows leaves it open; no other begins, until it follows again', async () => {
  const id = await enrol('never')
  const before = await current(id)
  embedded.secretsManager.setRegion(elsewhere, { fails: 'key disabled' })
  const token = randomUUID()
  const { states, failure } = await rotate(id, token)
  expect([states.at(-1), failure]).toEqual(['LeftOpen', undefined])
  expect(await admits(embedded.postgres, before)).toBe(true)

  const again = await rotate(id)
  expect(again.failure).toMatchObject({ error: 'ReplicasBehind' })
  expect(again.states).not.toContain('SetSecret')
  const { VersionIdsToStages = {} } = await embedded.secrets.send(new DescribeSecretCommand({ SecretId: id }))
  expect(VersionIdsToStages[token]).toContain('AWSCURRENT')

  embedded.secretsManager.setRegion(elsewhere, {})
  await replicate(id)
  expect((await rotate(id)).output).toMatchObject({ retirement: { outcome: 'retired' } })
})

test('a Region without the secret blocks nothing, and is told', async () => {
  const id = await enrol('absent')
  embedded.secretsManager.setRegion(elsewhere, { fails: 'name exists' })
  await there.send(new StopReplicationToReplicaCommand({ SecretId: inOther(id) })).catch(() => {})
  const store = new SecretsManager(embedded.secrets)
  const primary = { ...(await store.describe(id)), replicas: [{ region: elsewhere, status: 'Failed' }] }
  const token = primary.current ?? ''
  expect(await follow(primary, { token }, [elsewhere], async () => undefined)).toEqual({
    outcome: 'replicated',
    regions: [],
    empty: [elsewhere],
    unproven: [],
  })
})

test('of a Region that is no peer, the own one has the word; a later version waits for itself', async () => {
  const ask = () => Promise.reject(new Error('nobody asks'))
  const described = (status: string) => ({
    current: 'new',
    pending: undefined,
    previous: undefined,
    tags: {},
    replicas: [{ region: 'sa-east-1', status }],
  })
  expect(await follow(described('InSync'), { token: 'new' }, [elsewhere], ask)).toMatchObject({
    unproven: ['sa-east-1'],
  })
  await expect(follow(described('InProgress'), { token: 'new' }, [elsewhere], ask)).rejects.toMatchObject({
    name: 'ReplicasBehind',
    message: 'the replica in sa-east-1 is InProgress',
  })
  expect(await follow(described('Failed'), { token: 'old' }, [], ask)).toEqual({ outcome: 'superseded' })
})

test('an execution that began under a definition without the wait: what it replaced stays open all the same', async () => {
  const id = await enrol('earlier')
  const before = await current(id)
  const token = randomUUID()
  const tasks = { ...embedded.tasks, AwaitReplicas: () => ({ outcome: 'replicated' }) }
  embedded.secretsManager.setRegion(elsewhere, { fails: 'key disabled' })
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

test('a replica is not rotated, nor is one that was made a secret of its own and is at home elsewhere', async () => {
  const id = await embedded.users.enrol('home', { tags: { 'keyturn:home': 'eu-west-1' } })
  await replicate(id)
  // As the stack in the other Region does it.
  const pipeline = {
    store: new SecretsManager(there),
    rotating: async () => false,
    defaults: parseOptions({}),
  } as Partial<Pipeline> as Pipeline
  const begin = () => create(pipeline, { id: inOther(id), token: randomUUID() })
  await expect(begin()).rejects.toMatchObject({
    name: 'InvalidCredential',
    message: 'id: is a replica of a secret in eu-west-1: rotate that one, there',
  })
  await there.send(new StopReplicationToReplicaCommand({ SecretId: inOther(id) }))
  await expect(begin()).rejects.toMatchObject({ name: 'NotAtHome' })
  expect(Object.values(await stagesThere(id)).flat()).not.toContain('AWSPENDING')
  // At home it goes on.
  expect((await rotate(id)).output).toMatchObject({ user: 'home' })
})

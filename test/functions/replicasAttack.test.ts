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
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { StateName } from '../../fleet/states.ts'
import type { Conduct } from '../../local/aws/secretsManager/conduct.ts'
import { type Embedded, startEmbedded } from '../../local/embedded/embedded.ts'
import { type Entry, eventBus } from '../../local/embedded/eventBus.ts'
import { runRotation, type Task, type Tasks } from '../../local/embedded/stateMachine.ts'
import { admits } from '../../local/servers/postgresDatabase.ts'
import { PATIENCE } from '../../rotation/awaitPending.ts'
import { Credential } from '../../rotation/credential.ts'
import { captureOutput } from '../support/observe.ts'

/* States of the world in which replicas were once handled wrongly. */

const elsewhere = 'us-east-1'
const never = Number.POSITIVE_INFINITY
Object.assign(PATIENCE, { pending: 200, pause: 20 })
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
  behave({})
})

const behave = (conduct: Conduct) => embedded.secretsManager.setRegion(elsewhere, conduct)
async function enrol(user: string): Promise<string> {
  const admin = await embedded.users.makeAdmin(`${user}_admin`)
  return embedded.users.enrol(user, { admin })
}
const replicate = (SecretId: string) =>
  embedded.secrets.send(
    new ReplicateSecretToRegionsCommand({ SecretId, AddReplicaRegions: [{ Region: elsewhere }] }),
  )
const inOther = (arn: string) => arn.replace(/:secretsmanager:[^:]+:/, `:secretsmanager:${elsewhere}:`)
const rotate = (id: string, tasks: Tasks = {}, name = randomUUID(), input: object = {}) =>
  runRotation({ ...embedded.tasks, ...eventBus(entry => told.push(entry)), ...tasks }, name, {
    store: 'secrets-manager',
    id,
    ...input,
  })
/** Does something before a state's own task. */
const before =
  (state: StateName<'rotate'>, act: () => unknown): Task =>
  async input => {
    await act()
    return embedded.tasks[state]?.(input)
  }
const valueIn = async (client: SecretsManagerClient, SecretId: string) => {
  const { SecretString = '' } = await client.send(new GetSecretValueCommand({ SecretId }))
  return SecretString
}
const servedThere = async (id: string) => Credential.parse(await valueIn(there, inOther(id)))

test('a replica that is on its way, and is not there yet, is waited for: an old version may arrive first', async () => {
  const id = await enrol('on_its_way')
  behave({ inProgress: never })
  const asked = Date.now()
  await replicate(id)
  await sleep(1500)
  let looks = 0
  // What was begun first arrives, and nothing after it.
  const arrive = async () => {
    behave({ arrival: Date.now() - asked - 700, inProgress: never })
    await there.send(new DescribeSecretCommand({ SecretId: inOther(id) }))
    behave({ inProgress: never })
  }
  const LookAtReplicas = () => ({ outcome: 'following', empty: [elsewhere] })
  const AwaitReplicas = before('AwaitReplicas', () => (looks++ ? undefined : sleep(100)))
  const RetireSecret = before('RetireSecret', arrive)
  const { states, failure } = await rotate(id, { LookAtReplicas, AwaitReplicas, RetireSecret })
  if (!states.includes('RetireSecret')) await arrive()
  expect(failure).toBeUndefined()
  expect(await admits(embedded.postgres, await servedThere(id)), `${states}`).toBe(true)
  expect(states.at(-1)).toBe('LeftOpen')
})

test('a value that somebody edits while replicas are waited for is waited for as well', async () => {
  const id = await enrol('edited')
  await replicate(id)
  const old = await servedThere(id)
  const FinishSecret = before('FinishSecret', () => behave({ arrival: never }))
  let looks = 0
  const AwaitReplicas = before('AwaitReplicas', async () => {
    if (looks++ > 0) return
    const value = JSON.parse(await valueIn(embedded.secrets, id))
    const SecretString = JSON.stringify({ ...value, note: 'edited' })
    await embedded.secrets.send(new PutSecretValueCommand({ SecretId: id, SecretString }))
  })
  const { states, failure } = await rotate(id, { FinishSecret, AwaitReplicas })
  expect(failure).toBeUndefined()
  expect((await servedThere(id)).password).toBe(old.password)
  expect(await admits(embedded.postgres, await servedThere(id)), `${states}`).toBe(true)
})

test('a replica that is promoted while it is waited for serves what it had: it is not closed', async () => {
  const id = await enrol('promoted_midway')
  await replicate(id)
  const FinishSecret = before('FinishSecret', () => behave({ arrival: never }))
  let looks = 0
  const AwaitReplicas = before('AwaitReplicas', async () => {
    if (looks++ > 1) return
    if (looks === 2) await there.send(new StopReplicationToReplicaCommand({ SecretId: inOther(id) }))
  })
  const { states } = await rotate(id, { FinishSecret, AwaitReplicas })
  expect(await admits(embedded.postgres, await servedThere(id)), `${states}`).toBe(true)
})

test('an answer that cannot be read, as of a firewall: it is asked again for as long as any other', async () => {
  const id = await enrol('garbled')
  await replicate(id)
  const send = SecretsManagerClient.prototype.send
  const FinishSecret = before('FinishSecret', () => {
    SecretsManagerClient.prototype.send = async function (this: SecretsManagerClient, ...args: unknown[]) {
      if ((await this.config.region()) === elsewhere) throw new SyntaxError('Unexpected token <')
      return (send as (...args: unknown[]) => unknown).apply(this, args)
    } as typeof send
  })
  let looks = 0
  const AwaitReplicasLonger = before('AwaitReplicasLonger', () => {
    if (++looks === 3) SecretsManagerClient.prototype.send = send
  })
  try {
    const { states, output } = await rotate(id, { FinishSecret, AwaitReplicasLonger })
    expect(states).not.toContain('LeftOpen')
    expect(output).toMatchObject({ retirement: { outcome: 'retired' } })
  } finally {
    SecretsManagerClient.prototype.send = send
  }
})

test('a replica that is stopped for good and has what is current: the next rotation says so, and nothing is written', async () => {
  const id = await enrol('wedged')
  await replicate(id)
  behave({ inProgress: never, arrival: 0 })
  const Tags = [{ Key: 'team', Value: 'shop' }]
  await embedded.secrets.send(new TagResourceCommand({ SecretId: id, Tags }))
  const { failure, states } = await rotate(id)
  expect(failure).toMatchObject({
    error: 'ReplicasBehind',
    cause: { errorMessage: expect.stringMatching(/the replica in us-east-1 is InProgress$/) },
  })
  expect(states).not.toContain('SetSecret')
  behave({})
  expect((await rotate(id)).output).toMatchObject({ retirement: { outcome: 'retired' } })
})

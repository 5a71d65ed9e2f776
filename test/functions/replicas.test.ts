import { randomUUID } from 'node:crypto'
import {
  DescribeSecretCommand,
  ReplicateSecretToRegionsCommand,
  SecretsManagerClient,
  StopReplicationToReplicaCommand,
} from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Embedded, startEmbedded } from '../../local/embedded/embedded.ts'
import { runRotation } from '../../local/embedded/stateMachine.ts'
import { admits } from '../../local/servers/postgresDatabase.ts'
import { Credential } from '../../rotation/credential.ts'
import { parseOptions } from '../../rotation/options.ts'
import type { Pipeline } from '../../rotation/pipeline.ts'
import { create } from '../../rotation/steps.ts'
import { SecretsManager } from '../../rotation/stores/secretsManager.ts'
import { captureOutput } from '../support/observe.ts'

const elsewhere = 'us-east-1'
let embedded: Embedded
let there: SecretsManagerClient
beforeAll(async () => {
  embedded = await startEmbedded()
  there = new SecretsManagerClient({ endpoint: embedded.secretsManager.url, region: elsewhere })
})
afterAll(() => embedded?.stop())
beforeEach(() => {
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
const rotate = (id: string, name = randomUUID()) =>
  runRotation(embedded.tasks, name, { store: 'secrets-manager', id })
const current = async (id: string) =>
  Credential.parse((await embedded.users.shelf.read(id, 'current')) as string)
const stagesThere = async (id: string) =>
  (await there.send(new DescribeSecretCommand({ SecretId: inOther(id) }))).VersionIdsToStages ?? {}

test('a replica that follows has the new version, and what was replaced is closed', async () => {
  const id = await enrol('follows')
  const before = await current(id)
  const token = randomUUID()
  const { output } = await rotate(id, token)
  expect(output).toMatchObject({ token, retirement: { outcome: 'retired' } })
  expect((await stagesThere(id))[token]).toContain('AWSCURRENT')
  expect(await admits(embedded.postgres, before)).toBe(false)
})

test('one that fails while the rotation runs: nothing is closed; nor does another begin, until it follows again', async () => {
  const id = await enrol('falls')
  const before = await current(id)
  embedded.secretsManager.setRegion(elsewhere, { fails: 'key disabled' })
  const token = randomUUID()
  const { states, failure } = await rotate(id, token)
  expect(states).toContain('AnnounceSuccess')
  expect(failure).toMatchObject({
    error: 'Conflict',
    cause: {
      errorMessage: expect.stringMatching(
        /^retireSecret: what was replaced stays open: the replica in us-east-1 is Failed: /,
      ),
    },
  })
  expect(await admits(embedded.postgres, before)).toBe(true)
  expect(await stagesThere(id)).not.toHaveProperty(token)

  const again = await rotate(id)
  expect(again.failure).toMatchObject({ error: 'ReplicasBehind' })
  expect(again.output).toBeUndefined()
  expect(again.states).not.toContain('SetSecret')
  const { VersionIdsToStages = {} } = await embedded.secrets.send(new DescribeSecretCommand({ SecretId: id }))
  expect(VersionIdsToStages[token]).toContain('AWSCURRENT')

  embedded.secretsManager.setRegion(elsewhere, {})
  await replicate(id)
  const last = await rotate(id)
  expect(last.output).toMatchObject({ retirement: { outcome: 'retired' } })
})

test('one that is on its way when the grace time ends is waited for, and then it is closed', async () => {
  const id = await enrol('late')
  embedded.secretsManager.setRegion(elsewhere, { inProgress: 200 })
  const { output, tries } = await runRotation(
    embedded.tasks,
    randomUUID(),
    { store: 'secrets-manager', id },
    { retryPause: 100 },
  )
  expect(output).toMatchObject({ retirement: { outcome: 'retired' } })
  expect(tries.RetireSecret).toBeGreaterThan(1)
  expect(tries.TestSecret).toBe(1)
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

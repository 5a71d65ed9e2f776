import {
  CreateSecretCommand,
  PutSecretValueCommand,
  ReplicateSecretToRegionsCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type SecretsManagerServer, startSecretsManager } from '../../local/aws/secretsManager.ts'
import { type Account, environment, run, stackOf, startAccount } from './account.ts'

const regions = ['us-east-1', 'eu-central-1', 'ap-south-1', 'sa-east-1']
let secretsManager: SecretsManagerServer
let account: Account
let secrets: SecretsManagerClient
beforeAll(async () => {
  secretsManager = await startSecretsManager()
  account = await startAccount({ secretsManager: secretsManager.url })
  account.stacks.push(stackOf('local'))
  const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' }
  secrets = new SecretsManagerClient({ endpoint: secretsManager.url, region: 'eu-west-1', credentials })
})
afterAll(async () => {
  account?.stop()
  await secretsManager?.stop()
})
beforeEach(() => {
  for (const region of regions) secretsManager.setRegion(region, {})
})

const keyturn = (...words: string[]) => run(words, environment(account.url))
async function secret(Name: string, ...copies: string[]): Promise<string> {
  const { ARN = '' } = await secrets.send(new CreateSecretCommand({ Name, SecretString: 'Hidden-1' }))
  const AddReplicaRegions = copies.map(Region => ({ Region }))
  if (copies.length)
    await secrets.send(new ReplicateSecretToRegionsCommand({ SecretId: ARN, AddReplicaRegions }))
  return ARN
}

test('each copy is asked for its version: one follows, one is behind, one is not there, one cannot be asked', async () => {
  const id = await secret('shop/db', ...regions.slice(0, 2))
  secretsManager.setRegion('eu-central-1', { fails: 'key disabled' })
  secretsManager.setRegion('ap-south-1', { fails: 'key denied' })
  const AddReplicaRegions = regions.slice(2).map(Region => ({ Region }))
  await secrets.send(new ReplicateSecretToRegionsCommand({ SecretId: id, AddReplicaRegions }))
  secretsManager.setRegion('sa-east-1', { endpoint: 'denied' })
  await secrets.send(new PutSecretValueCommand({ SecretId: id, SecretString: 'Hidden-2' }))
  const { code, stdout, stderr } = await keyturn('replicas', 'shop/db')
  expect([code, stderr]).toEqual([5, ''])
  expect(stdout).not.toContain('Hidden')
  expect(stdout).toMatch(/^follows {2}secret:shop\/db in us-east-1\n {2}InSync, not read there yet$/m)
  expect(stdout).toMatch(/^behind {2}secret:shop\/db in eu-central-1\n {2}Failed: .*key/m)
  expect(stdout).toMatch(/^empty {2}secret:shop\/db in ap-south-1\n {2}Failed: /m)
  expect(stdout).toMatch(
    /^unseen {2}secret:shop\/db in sa-east-1\n {2}InSync, .*Secrets Manager refuses DescribeSecret/m,
  )
  const json = JSON.parse((await keyturn('replicas', 'shop/db', '--json')).stdout)
  expect(json.replicas.map(({ state }: { state: string }) => state)).toEqual([
    'follows',
    'behind',
    'empty',
    'unseen',
  ])
})

test('all follow: done; there are none: said', async () => {
  await secret('shop/well', 'us-east-1')
  expect(await keyturn('replicas', 'shop/well')).toMatchObject({ code: 0, stderr: '' })
  await secret('shop/alone')
  expect(await keyturn('replicas', 'shop/alone')).toMatchObject({ code: 0, stdout: 'It has no replicas.\n' })
})

test('a parameter is refused', async () => {
  account.parameters.set('/shop/parameter', {})
  expect(await keyturn('replicas', 'parameter:/shop/parameter')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(
      /^keyturn: parameter:\/shop\/parameter is a parameter, which has no replicas\n/,
    ),
  })
})

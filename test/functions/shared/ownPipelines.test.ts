import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { afterAll, expect, test, vi } from 'vitest'
import { startSecretsManager } from '../../../local/aws/secretsManager.ts'
import { setLambdaEnvironment } from '../../support/lambdaEnvironment.ts'

const secretsManager = await startSecretsManager()
afterAll(() => secretsManager.stop())

setLambdaEnvironment({
  AWS_MAX_ATTEMPTS: '1',
  AWS_ENDPOINT_URL_SECRETS_MANAGER: secretsManager.url,
})
const { pipelines } = await import('../../../functions/shared/ownPipelines.ts')

test('an admin’s ARN that no secret has throws InvalidCredential', async () => {
  const arn = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:admin-AbCdEf'
  const read = (await pipelines.of('secrets-manager')).readAdmin(arn)
  await expect(read).rejects.toMatchObject({ name: 'InvalidCredential', field: 'masterarn' })
})

test('an admin in the primary’s Region, named by a replica’s value, is read in the function’s own Region', async () => {
  const secrets = new SecretsManagerClient({ endpoint: secretsManager.url, region: 'eu-west-1' })
  const SecretString = JSON.stringify({
    engine: 'postgres',
    host: 'db.example.com',
    username: 'admin',
    password: 'p',
  })
  const { ARN = '' } = await secrets.send(new CreateSecretCommand({ Name: 'admin', SecretString }))
  expect(ARN).toContain(':eu-west-1:')
  const { readAdmin } = await pipelines.of('secrets-manager')
  for (const arn of [ARN, ARN.replace('eu-west-1', 'us-east-1')])
    expect(await readAdmin(arn)).toMatchObject({ username: 'admin' })
})

test('a service that never answers throws Throttled after a time limit', async () => {
  const silent = createServer(() => {})
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  vi.resetModules()
  vi.stubEnv('AWS_ENDPOINT_URL_SECRETS_MANAGER', `http://127.0.0.1:${(silent.address() as AddressInfo).port}`)
  const { pipelines } = await import('../../../functions/shared/ownPipelines.ts')
  const { store } = await pipelines.of('secrets-manager')
  await expect(store.describe('app/db')).rejects.toMatchObject({
    name: 'Throttled',
  })
  vi.unstubAllEnvs()
  silent.closeAllConnections()
  silent.close()
}, 30_000)

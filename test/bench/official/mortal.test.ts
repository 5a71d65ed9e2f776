import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Death, OfficialProcesses } from '../../../bench/official/faults/mortal.ts'
import { type SecretsManagerServer, startSecretsManager } from '../../../local/aws/secretsManager.ts'
import { SecretValueStore } from '../../../local/client/valueStores.ts'
import { pythonBin } from '../../../local/stack/python.ts'

const bin = await pythonBin()

/** Stands in for one of AWS's functions: it has the same handler, and does three things at createSecret. */
const source = `
import os
import boto3

def lambda_handler(event, context):
    if event["Step"] != "createSecret":
        return
    client = boto3.client("secretsmanager", endpoint_url=os.environ["SECRETS_MANAGER_ENDPOINT"])
    secret, token = event["SecretId"], event["ClientRequestToken"]
    client.describe_secret(SecretId=secret)
    client.put_secret_value(SecretId=secret, ClientRequestToken=token, SecretString="new", VersionStages=["AWSPENDING"])
    client.get_secret_value(SecretId=secret, VersionId="0" * 36)
`

describe.skipIf(!bin)('a Python function that dies', () => {
  let server: SecretsManagerServer
  let mortals: OfficialProcesses
  let client: SecretsManagerClient
  beforeAll(async () => {
    server = await startSecretsManager()
    mortals = new OfficialProcesses(bin ?? '', server.url)
    client = new SecretsManagerClient({
      endpoint: server.url,
      region: 'eu-west-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    })
    await mortals.load('stand-in', source)
  })
  afterAll(async () => {
    client?.destroy()
    await mortals?.[Symbol.asyncDispose]()
    await server?.stop()
  })

  async function rotate(dies?: Death) {
    const secret = await new SecretValueStore(client).put(`app-${JSON.stringify(dies) ?? 'lives'}`, 'old', {})
    const token = server.stagePending(secret)
    const life = await mortals.rotate('stand-in', secret, token, dies)
    const value = client.send(new GetSecretValueCommand({ SecretId: secret, VersionId: token }))
    return {
      ...life,
      written: await value.then(({ SecretString }) => SecretString).catch(({ name }) => name),
    }
  }

  const operations = ['DescribeSecret', 'PutSecretValue', 'GetSecretValue']

  test('reports what it did and the type of its exception, if nothing kills it', async () => {
    const error = 'ResourceNotFoundException'
    expect(await rotate()).toEqual({ operations, died: false, error, written: 'new' })
  })

  test('has written nothing, if it dies before the write', async () => {
    const died = await rotate({ at: 1, when: 'before' })
    const written = 'ResourceNotFoundException'
    expect(died).toEqual({ operations: operations.slice(0, 2), died: true, error: null, written })
  })

  test('has written and does nothing more, if it dies after the write', async () => {
    const died = await rotate({ at: 1, when: 'after' })
    expect(died).toEqual({ operations: operations.slice(0, 2), died: true, error: null, written: 'new' })
  })

  test('dies also after a call that is refused', async () => {
    const died = await rotate({ at: 2, when: 'after' })
    expect(died).toMatchObject({ operations, died: true, error: null })
  })
})

import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { LabelParameterVersionCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import { afterAll, beforeAll, describe } from 'vitest'
import { type SecretsManagerServer, startSecretsManager } from '../../../local/aws/secretsManager.ts'
import { type MiniStack, startMiniStack } from '../../../local/stack/ministack.ts'
import { pythonBin } from '../../../local/stack/python.ts'
import { MemoryStore } from '../../../rotation/stores/memory.ts'
import { ParameterStore } from '../../../rotation/stores/parameterStore.ts'
import { SecretsManager } from '../../../rotation/stores/secretsManager.ts'
import { apiCases, SecretApi } from '../../support/contracts/api.ts'
import { tryCases } from '../../support/contracts/case.ts'
import { passwordCases } from '../../support/contracts/randomPassword.ts'
import { type StoreSubject, storeContract } from '../../support/contracts/store.ts'
import { type Moto, startMoto } from '../../support/moto.ts'

// The ones that MiniStack allows everything.
const keys = { accessKeyId: 'test', secretAccessKey: 'test' }

function clientFor(url: string): SecretsManagerClient {
  return new SecretsManagerClient({ endpoint: url, region: 'eu-west-1', credentials: keys, maxAttempts: 1 })
}

async function secretsManagerSubject(url: string): Promise<StoreSubject> {
  const client = clientFor(url)
  return {
    store: new SecretsManager(client),
    create: (id, token, credential, tags) =>
      client.send(
        new CreateSecretCommand({
          Name: id,
          ClientRequestToken: token,
          SecretString: credential.serialize(),
          Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
        }),
      ),
  }
}

async function parameterStoreSubject(url: string): Promise<StoreSubject> {
  const client = new SSMClient({ endpoint: url, region: 'eu-west-1', credentials: keys, maxAttempts: 1 })
  return {
    store: new ParameterStore(client),
    exclusive: true,
    async create(Name, token, credential, tags) {
      const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
      const Value = credential.serialize()
      await client.send(new PutParameterCommand({ Name, Value, Type: 'SecureString', Tags }))
      await client.send(new LabelParameterVersionCommand({ Name, Labels: [`token-${token}`] }))
    },
  }
}

storeContract('memory', async () => {
  const store = new MemoryStore()
  return { store, create: store.create.bind(store) }
})

describe('over the local server', () => {
  let server: SecretsManagerServer
  beforeAll(async () => {
    server = await startSecretsManager()
  })
  afterAll(() => server.stop())

  storeContract('Secrets Manager', () => secretsManagerSubject(server.url))

  describe("the service's own calls", () => {
    tryCases(apiCases, 'aws', () => new SecretApi(clientFor(server.url)))
    tryCases(passwordCases, 'aws', () => clientFor(server.url))
  })
})

const bin = await pythonBin()

describe.skipIf(!bin)('over moto', () => {
  let moto: Moto
  beforeAll(async () => {
    moto = await startMoto(bin ?? '')
  })
  afterAll(() => moto?.stop())

  storeContract('Secrets Manager', () => secretsManagerSubject(moto.url), {
    'the same token again keeps the earlier value': 'PutSecretValue overwrites a value that is pending',
    'throws TokenReused if the pending value is for another username': 'the same',
    'throws TokenReused if the pending value is for another host': 'the same',
    'a version that does not exist never becomes current': 'a refused move removes the label',
    'returns the newest first, whichever has which label': 'CreatedDate is the time of the call',
  })

  storeContract('Parameter Store', () => parameterStoreSubject(moto.url))

  describe("the service's own calls", () => {
    tryCases(apiCases, 'moto', () => new SecretApi(clientFor(moto.url)))
    tryCases(passwordCases, 'moto', () => clientFor(moto.url))
  })
})

describe.skipIf(!bin)('over the mended MiniStack', () => {
  let stack: MiniStack
  beforeAll(async () => {
    stack = await startMiniStack(bin ?? '')
  })
  afterAll(() => stack?.stop())

  storeContract('Secrets Manager', () => secretsManagerSubject(stack.url))

  describe("the service's own calls", () => {
    tryCases(apiCases, 'ministack', () => new SecretApi(clientFor(stack.url)))
  })
})

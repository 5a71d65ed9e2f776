import { join } from 'node:path'
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pythonBin } from '../../local/python.ts'
import { type SecretsManagerServer, startSecretsManager } from '../../local/secretsManager.ts'
import { freePort, startServer } from '../../local/spawn.ts'
import { MemoryStore } from '../../rotation/stores/memory.ts'
import { SecretsManager } from '../../rotation/stores/secretsManager.ts'
import { Api, cases } from './api.ts'
import { type Shelf, storeContract } from './store.ts'

function clientFor(url: string): SecretsManagerClient {
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
  return new SecretsManagerClient({ endpoint: url, region: 'eu-west-1', credentials, maxAttempts: 1 })
}

async function secretsManagerShelf(url: string): Promise<Shelf> {
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

async function startMoto(bin: string): Promise<{ url: string; stop(): Promise<void> }> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const stop = await startServer(
    [join(bin, 'python'), '-m', 'moto.server', '-p', `${port}`],
    `${url}/moto-api/`,
  )
  return { url, stop }
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

  storeContract('Secrets Manager', () => secretsManagerShelf(server.url))

  describe("the service's own calls", () => {
    for (const { title, run, aws } of cases)
      test(title, async () => {
        expect(await run(new Api(clientFor(server.url)))).toEqual(aws)
      })
  })
})

const bin = await pythonBin()

describe.skipIf(!bin)('over moto', () => {
  let moto: Awaited<ReturnType<typeof startMoto>>
  beforeAll(async () => {
    moto = await startMoto(bin ?? '')
  })
  afterAll(() => moto?.stop())

  storeContract('Secrets Manager', () => secretsManagerShelf(moto.url), {
    'the same token again keeps the earlier value': 'PutSecretValue overwrites a value that is pending',
    'TokenReused if the pending value is for another username': 'the same',
    'TokenReused if the pending value is for another host': 'the same',
    'a version that does not exist never becomes current': 'a refused move has taken the label off',
    'newest first, whatever holds which label': 'CreatedDate is the time of the question',
  })

  describe("the service's own calls", () => {
    for (const { title, run, aws, moto: instead = aws } of cases)
      test(instead === aws ? title : `not as AWS: ${title}`, async () => {
        const found = await run(new Api(clientFor(moto.url)))
        expect(found).toEqual(instead)
        if (instead !== aws) expect(found).not.toEqual(aws)
      })
  })
})

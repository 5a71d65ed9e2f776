import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, describe } from 'vitest'
import { startSecretsManager } from '../../../local/aws/secretsManager.ts'
import { startMiniStack } from '../../../local/stack/ministack.ts'
import { pythonBin } from '../../../local/stack/python.ts'
import { tryCases } from '../../support/contracts/case.ts'
import { Regions, replicationCases } from '../../support/contracts/replication.ts'
import { startMoto } from '../../support/moto.ts'

const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
const bin = await pythonBin()

type Server = { url: string; stop(): Promise<void> }
const servers: ['aws' | 'moto' | 'ministack', string, () => Promise<Server>][] = [
  ['aws', 'the double', () => startSecretsManager()],
  ['moto', 'moto', () => startMoto(bin ?? '')],
  ['ministack', 'the mended MiniStack', () => startMiniStack(bin ?? '')],
]

describe.each(servers)('replicas: %s, %s', (key, _, start) => {
  describe.skipIf(key !== 'aws' && !bin)('as AWS, but for what is listed', () => {
    let server: Server
    beforeAll(async () => {
      server = await start()
    })
    afterAll(() => server?.stop())
    const clientFor = (region: string) =>
      new SecretsManagerClient({ endpoint: server.url, region, credentials, maxAttempts: 1 })

    tryCases(replicationCases, key, () => new Regions(clientFor))
  })
})

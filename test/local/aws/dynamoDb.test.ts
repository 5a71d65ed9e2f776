import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { afterAll, beforeAll, describe } from 'vitest'
import { startDynamoDb } from '../../../local/aws/dynamoDb.ts'
import { pythonBin } from '../../../local/stack/python.ts'
import { promotionTableContract } from '../../support/contracts/promotionTable.ts'
import { startMoto } from '../../support/moto.ts'
import { makePromotionTable } from '../../support/promotions.ts'

const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
const bin = await pythonBin()
const name = 'promotions'

type Server = { url: string; stop(): Promise<void> }
const servers: ['double' | 'moto', () => Promise<Server>][] = [
  ['double', () => startDynamoDb({ name, hashKey: 'kind', rangeKey: 'credential' })],
  ['moto', () => startMoto(bin ?? '')],
]

describe.each(servers)('the table of promotions: %s', (key, start) => {
  describe.skipIf(key === 'moto' && !bin)('as DynamoDB', () => {
    let server: Server
    let client: DynamoDBClient
    beforeAll(async () => {
      server = await start()
      client = new DynamoDBClient({
        endpoint: server.url,
        region: 'eu-central-1',
        credentials,
        maxAttempts: 1,
      })
      if (key === 'moto') await makePromotionTable(client, name)
    })
    afterAll(() => server?.stop())

    promotionTableContract(() => client, name)
  })
})

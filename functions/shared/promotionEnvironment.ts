import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { PromotionTable } from '../../fleet/promotion/promotionTable.ts'
import { requestHandler } from './requestHandler.ts'

/** This stack's table of promotions. */
export const ownTable = () =>
  new PromotionTable(new DynamoDBClient({ requestHandler }), process.env.KEYTURN_PROMOTION_TABLE ?? '')

const clients = new Map<string, SecretsManagerClient>()

/** Secrets Manager in another Region, which may be lost: it is not waited for long. */
export function secretsIn(region: string): SecretsManagerClient {
  const found = clients.get(region) ?? new SecretsManagerClient({ region, requestHandler, maxAttempts: 2 })
  clients.set(region, found)
  return found
}

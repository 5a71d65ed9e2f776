import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { PromotionTable } from '../../fleet/promotion/promotionTable.ts'
import { REQUEST_TIMEOUTS } from './requestTimeouts.ts'

/** Makes a client of this stack's DynamoDB table of promotions, which KEYTURN_PROMOTION_TABLE names. */
export const ownPromotionTable = () =>
  new PromotionTable(
    new DynamoDBClient({ requestHandler: REQUEST_TIMEOUTS }),
    process.env.KEYTURN_PROMOTION_TABLE ?? '',
  )

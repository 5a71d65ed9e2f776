import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { PromotionTable } from '../../fleet/promotion/promotionTable.ts'
import { REQUEST_TIMEOUTS } from './requestTimeouts.ts'

/** This stack's table of promotions. */
export const ownPromotionTable = () =>
  new PromotionTable(
    new DynamoDBClient({ requestHandler: REQUEST_TIMEOUTS }),
    process.env.KEYTURN_PROMOTION_TABLE ?? '',
  )

import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { PromotionTable } from '../../fleet/promotion/promotionTable.ts'
import { requestHandler } from './requestHandler.ts'

/** This stack's table of promotions. */
export const ownTable = () =>
  new PromotionTable(new DynamoDBClient({ requestHandler }), process.env.KEYTURN_PROMOTION_TABLE ?? '')

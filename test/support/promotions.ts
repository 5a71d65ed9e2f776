import { CreateTableCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb'

/** Makes the table of promotions on an emulator, as resources/promotion.yml does. */
export async function makePromotionTable(dynamo: DynamoDBClient, TableName: string): Promise<void> {
  await dynamo.send(
    new CreateTableCommand({
      TableName,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: ['kind', 'credential'].map(AttributeName => ({
        AttributeName,
        AttributeType: 'S',
      })),
      KeySchema: [
        { AttributeName: 'kind', KeyType: 'HASH' },
        { AttributeName: 'credential', KeyType: 'RANGE' },
      ],
    }),
  )
}

import { CreateTableCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb'

/** Makes the table of rotations on an emulator, as resources/records.yml does. */
export async function makeRecordTable(dynamo: DynamoDBClient, TableName: string): Promise<void> {
  const key = (hash: string, range: string) => [
    { AttributeName: hash, KeyType: 'HASH' as const },
    { AttributeName: range, KeyType: 'RANGE' as const },
  ]
  const index = (IndexName: string, hash: string, range: string) => ({
    IndexName,
    KeySchema: key(hash, range),
    Projection: { ProjectionType: 'ALL' as const },
  })
  const names = ['credential', 'rotation', 'day', 'ended', 'retiredDay', 'retired']
  await dynamo.send(
    new CreateTableCommand({
      TableName,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: names.map(AttributeName => ({ AttributeName, AttributeType: 'S' })),
      KeySchema: key('credential', 'rotation'),
      GlobalSecondaryIndexes: [
        index('byDay', 'day', 'ended'),
        index('byRetirement', 'retiredDay', 'retired'),
      ],
    }),
  )
}

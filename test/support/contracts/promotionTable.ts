import {
  DeleteItemCommand,
  type DynamoDBClient,
  PutItemCommand,
  QueryCommand,
} from '@aws-sdk/client-dynamodb'
import { beforeEach, expect, test } from 'vitest'
import { type PromotionNote, PromotionTable } from '../../../fleet/promotion/promotionTable.ts'
import { rejectionOf } from '../observe.ts'

const credential = (name: string) => `arn:aws:secretsmanager:eu-central-1:123456789012:secret:${name}`
const noted = (name: string, more: Partial<PromotionNote> = {}): PromotionNote => ({
  kind: 'promotion',
  credential: credential(name),
  name,
  from: 'eu-west-1',
  execution: 'arn:aws:states:eu-central-1:123456789012:execution:keyturn-promote:one',
  at: '2026-11-30T00:00:00.000Z',
  outcome: 'promoted',
  warnings: [],
  refused: [],
  ...more,
})

/** What a DynamoDB does with the table of promotions by this name, whoever made it. */
export function promotionTableContract(clientFor: () => DynamoDBClient, name: string): void {
  let client: DynamoDBClient
  let table: PromotionTable
  beforeEach(async () => {
    client = clientFor()
    table = new PromotionTable(client, name)
    for (const kind of ['promotion', 'rehearsal'] as const)
      for (const one of await table.list(kind)) await table.forget(kind, one.credential)
  })

  test('what is noted is found as it was, and another note takes its place', async () => {
    const first = noted('a', {
      outcome: 'failed',
      error: 'LoginRefused',
      reason: 'every version',
      warnings: ['its admin has no replica: «master»'],
      refused: ['one@db:5432', 'two@db:5432'],
    })
    expect(await table.latest('promotion', first.credential)).toBeUndefined()
    await table.note(first)
    expect(await table.latest('promotion', first.credential)).toEqual(first)
    expect(await table.latest('rehearsal', first.credential)).toBeUndefined()
    const second = noted('a')
    await table.note(second)
    expect(await table.latest('promotion', first.credential)).toEqual(second)
    expect(await table.list('promotion')).toEqual([second])
  })

  test('all of one kind come in the order of their ARNs, and what is forgotten does not', async () => {
    const rehearsed = noted('a', { kind: 'rehearsal', outcome: 'ready' })
    const all = [noted('c'), rehearsed, noted('a'), noted('B')]
    for (const one of all) await table.note(one)
    expect((await table.list('promotion')).map(each => each.name)).toEqual(['B', 'a', 'c'])
    await table.forget('promotion', credential('a'))
    await table.forget('promotion', credential('a'))
    expect((await table.list('promotion')).map(each => each.name)).toEqual(['B', 'c'])
    expect(await table.list('rehearsal')).toEqual([rehearsed])
  })

  test('more than a page holds is found all the same', async () => {
    const warnings = Array.from({ length: 20 }, (_, n) => `${n}`.padEnd(500, '.'))
    const all = Array.from({ length: 150 }, (_, n) => noted(`${1000 + n}`, { warnings }))
    await Promise.all(all.map(one => table.note(one)))
    const first = await client.send(
      new QueryCommand({
        TableName: name,
        KeyConditionExpression: 'kind = :kind',
        ExpressionAttributeValues: { ':kind': { S: 'promotion' } },
      }),
    )
    expect(first.Items?.length).toBeLessThan(all.length)
    expect(first.LastEvaluatedKey).toMatchObject({ kind: { S: 'promotion' } })
    expect(await table.list('promotion')).toEqual(all)
  })

  test('a table that there is not, and a key that is not whole, are refused', async () => {
    const elsewhere = new PromotionTable(client, 'another')
    expect(await rejectionOf(elsewhere.note(noted('a')))).toMatchObject({ name: 'StoreFailed' })
    expect(await rejectionOf(elsewhere.latest('promotion', credential('a')))).toMatchObject({
      name: 'StoreFailed',
    })
    const half = { kind: { S: 'promotion' } }
    for (const command of [
      new DeleteItemCommand({ TableName: name, Key: half }),
      new PutItemCommand({ TableName: name, Item: half }),
    ])
      expect(await rejectionOf(client.send(command as PutItemCommand))).toMatchObject({
        name: 'ValidationException',
      })
  })
}

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
const noteOf = (name: string, more: Partial<PromotionNote> = {}): PromotionNote => ({
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

/** Makes the tests of PromotionTable on a DynamoDB that has the table `name`, real or emulated. */
export function promotionTableContract(clientFor: () => DynamoDBClient, name: string): void {
  let client: DynamoDBClient
  let table: PromotionTable
  beforeEach(async () => {
    client = clientFor()
    table = new PromotionTable(client, name)
    for (const kind of ['promotion', 'rehearsal'] as const)
      for (const one of await table.list(kind)) await table.forget(kind, one.credential)
  })

  test('a note is read as it was written, and a newer one replaces it', async () => {
    const first = noteOf('a', {
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
    const second = noteOf('a')
    await table.note(second)
    expect(await table.latest('promotion', first.credential)).toEqual(second)
    expect(await table.list('promotion')).toEqual([second])
  })

  test('list has all of one kind in the order of their ARNs, without the forgotten ones', async () => {
    const rehearsed = noteOf('a', { kind: 'rehearsal', outcome: 'ready' })
    const all = [noteOf('c'), rehearsed, noteOf('a'), noteOf('B')]
    for (const one of all) await table.note(one)
    expect((await table.list('promotion')).map(each => each.name)).toEqual(['B', 'a', 'c'])
    await table.forget('promotion', credential('a'))
    await table.forget('promotion', credential('a'))
    expect((await table.list('promotion')).map(each => each.name)).toEqual(['B', 'c'])
    expect(await table.list('rehearsal')).toEqual([rehearsed])
  })

  test('list has all notes, also if one page of a Query does not hold them', async () => {
    const warnings = Array.from({ length: 20 }, (_, n) => `${n}`.padEnd(500, '.'))
    const all = Array.from({ length: 150 }, (_, n) => noteOf(`${1000 + n}`, { warnings }))
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

  test('a table that does not exist and an incomplete key are refused', async () => {
    const elsewhere = new PromotionTable(client, 'another')
    expect(await rejectionOf(elsewhere.note(noteOf('a')))).toMatchObject({ name: 'StoreFailed' })
    expect(await rejectionOf(elsewhere.latest('promotion', credential('a')))).toMatchObject({
      name: 'StoreFailed',
    })
    const halfKey = { kind: { S: 'promotion' } }
    for (const command of [
      new DeleteItemCommand({ TableName: name, Key: halfKey }),
      new PutItemCommand({ TableName: name, Item: halfKey }),
    ])
      expect(await rejectionOf(client.send(command as PutItemCommand))).toMatchObject({
        name: 'ValidationException',
      })
  })
}

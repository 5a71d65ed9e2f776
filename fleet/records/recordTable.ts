import {
  type AttributeValue,
  ConditionalCheckFailedException,
  type DynamoDBClient,
  PutItemCommand,
  QueryCommand,
  type QueryCommandInput,
  ScanCommand,
} from '@aws-sdk/client-dynamodb'
import { parameterArn } from '../../rotation/arn.ts'
import { callAws } from '../../rotation/callAws.ts'
import type { StoreName } from '../../rotation/stores/store.ts'
import { DAY_MS, DAY_SECONDS } from '../../rotation/timeUnits.ts'
import { boundedKey } from '../digest.ts'
import type { EditRecord } from './editRecord.ts'
import type { RotationRecord } from './rotationRecord.ts'

/** For how long a record is kept: DynamoDB deletes it by its field expiresAt. */
const RETENTION_SECONDS = 400 * DAY_SECONDS
/**
 * Characters of a credential's name or ARN in a partition key, which has a few more. DynamoDB takes 2048 bytes, and a character of
 * a JavaScript string has at most three.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
 */
const MAX_ID_LENGTH = 500
/** How many items one answer to a scan has. The service's limit, a megabyte of items, would take several megabytes of memory. */
const ITEMS_PER_SCAN = 400
/**
 * The table's indexes, each with its name, partition key and sort key: rotations by the day of their outcome, and failed
 * retirements by their day. resources/records.yml makes them.
 */
const INDEXES = {
  outcomes: ['byDay', 'day', 'ended'],
  retirements: ['byRetirement', 'retiredDay', 'retired'],
} as const

type Item = Record<string, AttributeValue>

type Field = keyof RotationRecord | keyof EditRecord
/** A record, of a rotation or an edit, with the fields that were asked for, and its partition key. */
type ScannedRecord = { credential: string; record: Partial<RotationRecord & EditRecord> }
/** The pages of a scan, one after the other. A call of `next` that failed can be made again: it asks for the same page. */
export type RecordPages = { next(): Promise<{ done: true } | { done: false; value: ScannedRecord[] }> }

/**
 * The table of rotations. It has an item for each rotation and each edit, by credential and then by when the rotation began or the
 * edit was made. It is for people to read: no rotation depends on it. Every method may throw NotPermitted, Throttled or
 * StoreFailed.
 */
export class RecordTable {
  readonly #client: DynamoDBClient
  readonly #name: string

  constructor(client: DynamoDBClient, name: string) {
    this.#client = client
    this.#name = name
  }

  /**
   * Writes the record of a rotation, unless the table has one that was made of more events of the same history. So records may be
   * written in any order, late and twice.
   * @param events how many events of the history the record was made of
   */
  async writeRotation(record: RotationRecord, events: number): Promise<void> {
    const command = new PutItemCommand({
      TableName: this.#name,
      Item: itemOf(record, events),
      ConditionExpression: 'attribute_not_exists(events) OR events <= :events',
      ExpressionAttributeValues: { ':events': { N: `${events}` } },
    })
    await callAws(
      'DynamoDB',
      async () => {
        await this.#client.send(command)
      },
      { [ConditionalCheckFailedException.name]: () => undefined },
    )
  }

  /**
   * The newest `most` rotations of a credential, the latest first. A secret's rotations are looked for by its ARN and by its name:
   * one that failed before the secret was read is stored by the name.
   */
  async listRotations(store: StoreName, arn: string, name: string, most: number): Promise<RotationRecord[]> {
    const names = store === 'secrets-manager' ? [arn, name] : [arn]
    const queries = names.map(name =>
      this.#query(most, {
        KeyConditionExpression: 'credential = :credential',
        ExpressionAttributeValues: { ':credential': { S: partitionKeyOf(store, name) } },
        ScanIndexForward: false,
      }),
    )
    return (await Promise.all(queries)).flat().sort(latestFirst).slice(0, most)
  }

  /** The newest `most` rotations that ended, or whose retirement failed, between `from` and `now`, the latest first. */
  async listSince(from: Date, now: Date, most: number): Promise<RotationRecord[]> {
    const found = new Map<string, RotationRecord>()
    for (const [IndexName, day, time] of Object.values(INDEXES))
      for (const date of daysFrom(from, now)) {
        const records = await this.#query(most, {
          IndexName,
          KeyConditionExpression: '#day = :day AND #time >= :from',
          ExpressionAttributeNames: { '#day': day, '#time': time },
          ExpressionAttributeValues: { ':day': { S: date }, ':from': { S: from.toISOString() } },
          ScanIndexForward: false,
        })
        for (const record of records) found.set(record.execution, record)
        if (found.size >= most) break
      }
    return [...found.values()].sort((a, b) => latestTimeOf(b).localeCompare(latestTimeOf(a))).slice(0, most)
  }

  /** Writes the record of an edit, under a key of its own: a query for a credential's rotations does not find it. */
  async writeEdit(edit: EditRecord): Promise<void> {
    const { store, id, arn, execution, made } = edit
    const keys = {
      credential: editsPartitionKeyOf(credentialKeyOf({ store, id, execution, ...(arn && { arn }) })),
      rotation: `${made} ${execution.split(':').at(-1)}`,
      expiresAt: expiryOf(made),
    }
    const command = new PutItemCommand({ TableName: this.#name, Item: attributesOf({ ...edit, ...keys }) })
    await callAws('DynamoDB', async () => {
      await this.#client.send(command)
    })
  }

  /** The latest edit of a credential. */
  async latestEdit(store: StoreName, arn: string): Promise<EditRecord | undefined> {
    const [edit] = await this.#query<EditRecord>(1, {
      KeyConditionExpression: 'credential = :credential',
      ExpressionAttributeValues: { ':credential': { S: editsPartitionKeyOf(partitionKeyOf(store, arn)) } },
      ScanIndexForward: false,
    })
    return edit
  }

  /**
   * Every record in no particular order, page by page, with these fields only. `credential` is the partition key, as partitionKeyOf
   * makes it for a rotation, and editsPartitionKeyOf for an edit.
   */
  scanPages(fields: readonly Field[]): RecordPages {
    const names = ['credential', ...fields]
    let ExclusiveStartKey: Item | undefined
    let done = false
    return {
      next: async () => {
        if (done) return { done: true }
        const command = new ScanCommand({
          TableName: this.#name,
          Limit: ITEMS_PER_SCAN,
          ProjectionExpression: names.map((_, i) => `#${i}`).join(', '),
          ExpressionAttributeNames: Object.fromEntries(names.map((name, i) => [`#${i}`, name])),
          ...(ExclusiveStartKey && { ExclusiveStartKey }),
        })
        const { Items = [], LastEvaluatedKey } = await callAws('DynamoDB', () => this.#client.send(command))
        ExclusiveStartKey = LastEvaluatedKey
        done = !LastEvaluatedKey
        const value = Items.map(item => ({
          credential: item.credential?.S ?? '',
          record: recordIn<RotationRecord & EditRecord>(item),
        }))
        return { done: false, value }
      },
    }
  }

  /** The first `most` records that a query finds. */
  async #query<Kept = RotationRecord>(
    most: number,
    query: Omit<QueryCommandInput, 'TableName'>,
  ): Promise<Kept[]> {
    const records: Kept[] = []
    let ExclusiveStartKey: Item | undefined
    do {
      const command = new QueryCommand({
        TableName: this.#name,
        Limit: most - records.length,
        ...query,
        ...(ExclusiveStartKey && { ExclusiveStartKey }),
      })
      const { Items = [], LastEvaluatedKey } = await callAws('DynamoDB', () => this.#client.send(command))
      records.push(...Items.map(item => recordIn<Kept>(item)))
      ExclusiveStartKey = LastEvaluatedKey
    } while (ExclusiveStartKey && records.length < most)
    return records
  }
}

/** When the last thing of a rotation happened that a person has to know: its end, or the failure of its retirement. */
const latestTimeOf = ({ ended = '', retirement, retired = '' }: RotationRecord) =>
  retirement === 'not-closed' && retired > ended ? retired : ended
const latestFirst = (a: RotationRecord, b: RotationRecord) => b.began.localeCompare(a.began)

/** The days from `now` back to `from` in UTC, such as `2026-11-30`. */
function daysFrom(from: Date, now: Date): string[] {
  const days: string[] = []
  for (let at = now.getTime(); ; at -= DAY_MS) {
    const day = new Date(Math.max(at, from.getTime())).toISOString().slice(0, 10)
    if (days.at(-1) !== day) days.push(day)
    if (at <= from.getTime()) return days
  }
}

/** The partition key of a credential's rotations. `id` is its ARN, or its name where the ARN is not known. */
export const partitionKeyOf = (store: string, id: string) => `${store} ${boundedKey(id, MAX_ID_LENGTH)}`

/** The partition key of the same credential's edits. */
export const editsPartitionKeyOf = (partition: string) => `edits of ${partition}`

/**
 * The partition key of a record: by the credential's ARN, as a secret that is deleted and made again with the same name is another
 * credential. The ARN of a parameter follows from its name. A rotation that failed before its secret was read does not know the
 * ARN: its key has the id that the execution was started with.
 */
function credentialKeyOf({
  store,
  id,
  arn,
  execution,
}: Pick<RotationRecord, 'store' | 'id' | 'arn' | 'execution'>): string {
  if (arn || store !== 'parameter-store' || id.startsWith('arn:')) return partitionKeyOf(store, arn ?? id)
  return partitionKeyOf(store, parameterArn(id, execution))
}

/** The table's item of a rotation. `events` is how many events of the history the record was made of. */
export function itemOf(record: RotationRecord, events: number): Item {
  const { began, ended, retirement, retired, execution } = record
  const keys = {
    credential: credentialKeyOf(record),
    rotation: `${began} ${execution.split(':').at(-1)}`,
    ...(ended && { day: ended.slice(0, 10) }),
    ...(retirement === 'not-closed' && retired && { retiredDay: retired.slice(0, 10) }),
    events,
    expiresAt: expiryOf(began),
  }
  return attributesOf({ ...record, ...keys })
}

const expiryOf = (time: string) => Math.floor(Date.parse(time) / 1000) + RETENTION_SECONDS

const attributesOf = (fields: Record<string, string | number>): Item =>
  Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'number' ? { N: `${value}` } : { S: value },
    ]),
  )

/** The fields of an item that are not in the record: the keys, the expiry, and the number of events that the record was made of. */
const TABLE_ONLY_FIELDS = ['credential', 'rotation', 'day', 'retiredDay', 'events', 'expiresAt']

function recordIn<Kept = RotationRecord>(item: Item): Kept {
  const fields = Object.entries(item).flatMap(([name, { S, N }]) =>
    TABLE_ONLY_FIELDS.includes(name) ? [] : [[name, S ?? Number(N)]],
  )
  return Object.fromEntries(fields) as Kept
}

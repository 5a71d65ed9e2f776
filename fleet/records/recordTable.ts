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
import { boundedKey } from '../digest.ts'
import type { EditRecord } from './editRecord.ts'
import type { RotationRecord } from './rotationRecord.ts'

/** Seconds for which a record is kept. */
const RETENTION_SECONDS = 400 * 24 * 3600
/** Bytes of a partition's key that DynamoDB takes are 2048; a character has at most four of them. */
const MAX_KEY_LENGTH = 500
/** As many items are scanned at once: a whole megabyte of them, as an answer may have, would take many of memory. */
const ITEMS_PER_SCAN = 400
/** The index by day of the outcome, and the one of retirements that failed. resources/records.yml makes them. */
const INDEXES = {
  outcomes: ['byDay', 'day', 'ended'],
  retirements: ['byRetirement', 'retiredDay', 'retired'],
} as const

type Item = Record<string, AttributeValue>

type Field = keyof RotationRecord | keyof EditRecord
type ScannedRecord = { credential: string; record: Partial<RotationRecord & EditRecord> }
/** Pages of a scan, one after the other. */
export type RecordPages = { next(): Promise<{ done: true } | { done: false; value: ScannedRecord[] }> }

/**
 * The table of rotations: an item each, by credential and then by when it began. Nothing decides on it. Every method
 * throws NotPermitted, Throttled or StoreFailed.
 */
export class RecordTable {
  readonly #client: DynamoDBClient
  readonly #name: string

  constructor(client: DynamoDBClient, name: string) {
    this.#client = client
    this.#name = name
  }

  /**
   * Writes a whole item, unless there is one that was made of more of the same history. So records may come in any
   * order, late and twice. `events` is the number of events that `record` was made of.
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
   * The newest `most` rotations of a credential, the latest first. Those of a secret that failed before it was read are
   * under its name; a parameter's ARN follows from its name.
   */
  async listRotations(store: StoreName, arn: string, name: string, most: number): Promise<RotationRecord[]> {
    const names = store === 'secrets-manager' ? [arn, name] : [arn]
    const lots = names.map(name =>
      this.#query(most, {
        KeyConditionExpression: 'credential = :credential',
        ExpressionAttributeValues: { ':credential': { S: partitionKeyOf(store, name) } },
        ScanIndexForward: false,
      }),
    )
    return (await Promise.all(lots)).flat().sort(latestFirst).slice(0, most)
  }

  /** The newest `most` rotations whose outcome, or whose retirement's failure, came after `from`, the latest first. */
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

  /** Writes what an edit was, beside the rotations: these are read without it. */
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
   * Every record in no order, a page of DynamoDB at a time, with these fields alone; `credential` is the key that partitionKeyOf
   * makes, or of an edit, editsPartitionKeyOf that. Asked again after an error, it goes on with the page that failed.
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

const latestTimeOf = ({ ended = '', retirement, retired = '' }: RotationRecord) =>
  retirement === 'not-closed' && retired > ended ? retired : ended
const latestFirst = (a: RotationRecord, b: RotationRecord) => b.began.localeCompare(a.began)

/** The days from `now` back to `from`, UTC. */
function daysFrom(from: Date, now: Date): string[] {
  const days: string[] = []
  for (let at = now.getTime(); ; at -= 24 * 3_600_000) {
    const day = new Date(Math.max(at, from.getTime())).toISOString().slice(0, 10)
    if (days.at(-1) !== day) days.push(day)
    if (at <= from.getTime()) return days
  }
}

/** Under which key the records of a credential are, by its ARN, or else its name. */
export const partitionKeyOf = (store: string, id: string) => `${store} ${boundedKey(id, MAX_KEY_LENGTH)}`

/** Under which key its edits are. */
export const editsPartitionKeyOf = (partition: string) => `edits of ${partition}`

/**
 * An ARN wherever it is known: a secret that is deleted and made again under its name is another one. A parameter's
 * follows from its name. A secret whose rotation failed before it was read is kept by the name that was asked for.
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

/** A record as the table has it, made of so many events. */
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

/** What only the table has: its keys, what it expires by, and how much of the history an item was made of. */
const TABLE_ONLY_FIELDS = ['credential', 'rotation', 'day', 'retiredDay', 'events', 'expiresAt']

function recordIn<Kept = RotationRecord>(item: Item): Kept {
  const fields = Object.entries(item).flatMap(([name, { S, N }]) =>
    TABLE_ONLY_FIELDS.includes(name) ? [] : [[name, S ?? Number(N)]],
  )
  return Object.fromEntries(fields) as Kept
}

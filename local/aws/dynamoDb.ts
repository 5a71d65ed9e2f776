import type { AttributeValue } from '@aws-sdk/client-dynamodb'
import { AwsError } from './awsError.ts'
import { type LocalService, serveJsonService } from './localService.ts'

/** A local DynamoDB. Its `url` is for AWS_ENDPOINT_URL_DYNAMODB. */
export type DynamoDbServer = LocalService

/** The table: its name, and the names of its partition key (hash) and sort key (range), which both hold a string. */
export type TableDefinition = { name: string; hashKey: string; rangeKey: string }

type Item = Record<string, AttributeValue>
type Request = {
  TableName?: string
  Item?: Item
  Key?: Item
  KeyConditionExpression?: string
  ExpressionAttributeValues?: Item
  ExclusiveStartKey?: Item
}

/** Bytes in a page of a query: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html */
const QUERY_PAGE_BYTES = 1_000_000

/**
 * Starts the part of Amazon DynamoDB that the table of promotions needs, in this process, on a free port of 127.0.0.1: one table,
 * whose items are put, got and deleted by their whole key, and queried by their partition key.
 */
export async function startDynamoDb(table: TableDefinition): Promise<DynamoDbServer> {
  const items = new Items(table)
  return serveJsonService('DynamoDB_20120810', (action, request) => respond(items, action, request))
}

function respond(items: Items, action: string, request: Request): object {
  try {
    if (!Object.hasOwn(items.actions, action))
      throw new AwsError('UnknownOperationException', `${action} is not played here`)
    return items.actions[action as keyof Items['actions']](request)
  } catch (error) {
    const { name, message } = error instanceof AwsError ? error : new AwsError('InternalServerError', '')
    return { __type: `com.amazonaws.dynamodb.v20120810#${name}`, message }
  }
}

class Items {
  readonly #table: TableDefinition
  readonly #items = new Map<string, Item>()

  constructor(table: TableDefinition) {
    this.#table = table
  }

  readonly actions = {
    PutItem: (request: Request) => {
      const { Item = {} } = this.#checkTable(request)
      this.#items.set(this.#keyOf(Item), Item)
      return {}
    },

    GetItem: (request: Request) => {
      const Item = this.#items.get(this.#keyOf(this.#checkTable(request).Key))
      return Item ? { Item } : {}
    },

    DeleteItem: (request: Request) => {
      this.#items.delete(this.#keyOf(this.#checkTable(request).Key))
      return {}
    },

    Query: (request: Request) => {
      const { ExclusiveStartKey: start } = this.#checkTable(request)
      const { hashKey, rangeKey } = this.#table
      const wanted = this.#hashAskedFor(request)
      const after = start && rangeIn(start, rangeKey)
      const rest = [...this.#items.values()]
        .filter(
          item => item[hashKey]?.S === wanted && (after === undefined || rangeIn(item, rangeKey) > after),
        )
        .sort((a, b) => (rangeIn(a, rangeKey) < rangeIn(b, rangeKey) ? -1 : 1))
      const Items = pageOf(rest)
      const last = Items.length < rest.length ? Items.at(-1) : undefined
      const LastEvaluatedKey = last && { [hashKey]: last[hashKey], [rangeKey]: last[rangeKey] }
      return { Items, Count: Items.length, ...(LastEvaluatedKey && { LastEvaluatedKey }) }
    },
  }

  #checkTable(request: Request): Request {
    if (request.TableName !== this.#table.name)
      throw new AwsError('ResourceNotFoundException', 'Requested resource not found')
    return request
  }

  #keyOf(item: Item = {}): string {
    const parts = [this.#table.hashKey, this.#table.rangeKey].map(name => item[name]?.S)
    if (!parts.every(Boolean))
      throw new AwsError('ValidationException', 'The provided key element does not match the schema')
    return JSON.stringify(parts)
  }

  /** The value of the partition key that the condition `<partition key> = :value` asks for. */
  #hashAskedFor({
    KeyConditionExpression = '',
    ExpressionAttributeValues = {},
  }: Request): string | undefined {
    const [, name, value = ''] = /^(\w+) = (:\w+)$/.exec(KeyConditionExpression) ?? []
    if (name !== this.#table.hashKey)
      throw new AwsError('ValidationException', 'Query condition missed key schema element')
    return ExpressionAttributeValues[value]?.S
  }
}

const rangeIn = (item: Item, rangeKey: string) => item[rangeKey]?.S ?? ''

/** The first items, as many as a page holds, and at least one. */
function pageOf(items: Item[]): Item[] {
  let size = 0
  const end = items.findIndex(item => {
    size += Buffer.byteLength(JSON.stringify(item))
    return size > QUERY_PAGE_BYTES
  })
  return end === -1 ? items : items.slice(0, Math.max(1, end))
}

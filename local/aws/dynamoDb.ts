import type { AttributeValue } from '@aws-sdk/client-dynamodb'
import { AwsError } from './awsError.ts'
import { type LocalService, serveJsonService } from './localService.ts'

/** Its `url` is for AWS_ENDPOINT_URL_DYNAMODB. */
export type DynamoDbServer = LocalService

/** Its one table: the name, and the two attributes that are its key, both texts. */
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

/** Bytes after which a page of a query ends, as DynamoDB's does. */
const QUERY_PAGE_BYTES = 1_000_000

/**
 * Starts as much of Amazon DynamoDB as the table of promotions uses, in this process, on a free port of 127.0.0.1: one table,
 * of which items are put, got and deleted by their whole key, and queried by its first half. Nothing else is understood.
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
      const { Item = {} } = this.#checked(request)
      this.#items.set(this.#keyOf(Item), Item)
      return {}
    },

    GetItem: (request: Request) => {
      const Item = this.#items.get(this.#keyOf(this.#checked(request).Key))
      return Item ? { Item } : {}
    },

    DeleteItem: (request: Request) => {
      this.#items.delete(this.#keyOf(this.#checked(request).Key))
      return {}
    },

    Query: (request: Request) => {
      const { ExclusiveStartKey: start } = this.#checked(request)
      const { hashKey, rangeKey } = this.#table
      const wanted = this.#hashIn(request)
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

  #checked(request: Request): Request {
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

  /** What `<hash> = :value` asks for. */
  #hashIn({ KeyConditionExpression = '', ExpressionAttributeValues = {} }: Request): string | undefined {
    const [, name, value = ''] = /^(\w+) = (:\w+)$/.exec(KeyConditionExpression) ?? []
    if (name !== this.#table.hashKey)
      throw new AwsError('ValidationException', 'Query condition missed key schema element')
    return ExpressionAttributeValues[value]?.S
  }
}

const rangeIn = (item: Item, range: string) => item[range]?.S ?? ''

/** The first items, as many as a page holds; at least one. */
function pageOf(items: Item[]): Item[] {
  let size = 0
  const end = items.findIndex(item => {
    size += Buffer.byteLength(JSON.stringify(item))
    return size > QUERY_PAGE_BYTES
  })
  return end === -1 ? items : items.slice(0, Math.max(1, end))
}

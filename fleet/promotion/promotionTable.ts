import {
  type AttributeValue,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
} from '@aws-sdk/client-dynamodb'
import { callAws } from '../../rotation/callAws.ts'

/** `promotion`: what became of a replica when its Region was lost. `rehearsal`: what would have. */
export type PromotionKind = 'promotion' | 'rehearsal'

/** What is noted of one credential: the latest of its kind. */
export type PromotionNote = {
  kind: PromotionKind
  /** The ARN of the secret, in the Region of this stack. */
  credential: string
  name: string
  /** The Region whose secret it is, or was, a replica of. */
  from: string
  /** ARN of the execution that noted it, and when, ISO 8601. */
  execution: string
  at: string
  /** `begun`: it may be half done. Of a rehearsal: `ready` or `unready`. */
  outcome: 'begun' | 'promoted' | 'failed' | 'ready' | 'unready'
  /** Of a rehearsal that is `unready`: the first execution in a row that found it so for the same error. */
  since?: string
  /** Why it is not promoted, or not ready: the error's name, and a sentence. */
  error?: string
  reason?: string
  /** What did not stop it, a sentence each. */
  warnings: string[]
  /** The logins that a server refused, `VERSION@host:port` each: none is tried again by itself, as servers lock accounts. */
  refused: string[]
}

/** Characters of a text, and texts in a list, that are kept. */
const KEPT_LIMITS = { text: 500, list: 20 }

/** The table of promotions. Every method throws NotPermitted, Throttled or StoreFailed. */
export class PromotionTable {
  readonly #client: DynamoDBClient
  readonly #name: string

  constructor(client: DynamoDBClient, name: string) {
    this.#client = client
    this.#name = name
  }

  /** Takes the place of what was noted before of the same kind and credential. */
  async note(noted: PromotionNote): Promise<void> {
    const command = new PutItemCommand({ TableName: this.#name, Item: itemOf(noted) })
    await callAws('DynamoDB', async () => {
      await this.#client.send(command)
    })
  }

  /** What was noted last of one credential. */
  async latest(kind: PromotionKind, credential: string): Promise<PromotionNote | undefined> {
    const Key = keyOf(kind, credential)
    const command = new GetItemCommand({ TableName: this.#name, Key, ConsistentRead: true })
    const { Item } = await callAws('DynamoDB', () => this.#client.send(command))
    return Item && notedIn(Item)
  }

  async forget(kind: PromotionKind, credential: string): Promise<void> {
    const Key = keyOf(kind, credential)
    await callAws('DynamoDB', async () => {
      await this.#client.send(new DeleteItemCommand({ TableName: this.#name, Key }))
    })
  }

  /** All of one kind, by the credential's ARN. */
  async list(kind: PromotionKind): Promise<PromotionNote[]> {
    const found: PromotionNote[] = []
    let ExclusiveStartKey: Record<string, AttributeValue> | undefined
    do {
      const command = new QueryCommand({
        TableName: this.#name,
        KeyConditionExpression: 'kind = :kind',
        ExpressionAttributeValues: { ':kind': { S: kind } },
        // A resumed run reads what the one before has just written.
        ConsistentRead: true,
        ...(ExclusiveStartKey && { ExclusiveStartKey }),
      })
      const { Items = [], LastEvaluatedKey } = await callAws('DynamoDB', () => this.#client.send(command))
      found.push(...Items.map(notedIn))
      ExclusiveStartKey = LastEvaluatedKey
    } while (ExclusiveStartKey)
    return found
  }
}

const keyOf = (kind: PromotionKind, credential: string) => ({
  kind: { S: kind },
  credential: { S: credential },
})

function itemOf({ warnings, refused, reason, ...texts }: PromotionNote): Record<string, AttributeValue> {
  const whole = { ...texts, ...(reason !== undefined && { reason: reason.slice(0, KEPT_LIMITS.text) }) }
  return {
    ...Object.fromEntries(Object.entries(whole).map(([name, S]) => [name, { S }])),
    warnings: listOf(warnings.slice(0, KEPT_LIMITS.list)),
    // The latest: those before are of versions that have no label any more.
    refused: listOf(refused.slice(-KEPT_LIMITS.list)),
  }
}

const listOf = (texts: string[]): AttributeValue => ({
  L: texts.map(text => ({ S: text.slice(0, KEPT_LIMITS.text) })),
})

const notedIn = (item: Record<string, AttributeValue>): PromotionNote =>
  Object.fromEntries(
    Object.entries(item).map(([name, { S, L = [] }]) => [name, S ?? L.map(({ S = '' }) => S)]),
  ) as PromotionNote

import {
  type AttributeValue,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
} from '@aws-sdk/client-dynamodb'
import { callAws } from '../../rotation/callAws.ts'

/** `promotion`: a replica was promoted, or should have been. `rehearsal`: it was checked whether it could be. */
export type PromotionKind = 'promotion' | 'rehearsal'

/** What the table has of one credential's latest promotion, or of its latest rehearsal. */
export type PromotionNote = {
  kind: PromotionKind
  /** The ARN of the secret in this stack's Region. */
  credential: string
  name: string
  /** The Region of the primary that the secret is, or was, a replica of. */
  from: string
  /** ARN of the execution that wrote the note. */
  execution: string
  /** When it wrote the note. ISO 8601. */
  at: string
  /** Of a promotion: `begun` (it may be half done), `promoted` or `failed`. Of a rehearsal: `ready` or `unready`. */
  outcome: 'begun' | 'promoted' | 'failed' | 'ready' | 'unready'
  /** Of a rehearsal that is `unready`: the ARN of the first of the executions in a row that found the same error. */
  since?: string
  /** The name of the error for which the secret was not promoted, or is not ready. */
  error?: string
  /** That error in a sentence. */
  reason?: string
  /** What is wrong but did not stop the promotion or rehearsal, a sentence each. */
  warnings: string[]
  /** The logins that a server refused, each as `VERSION@host:port`. None is tried again by itself, as servers lock accounts. */
  refused: string[]
}

/** How many characters of a text are kept, and how many texts of a list. */
const KEPT_LIMITS = { text: 500, list: 20 }

/**
 * The table of promotions: one note for each credential and kind. Every method may throw NotPermitted, Throttled or StoreFailed.
 */
export class PromotionTable {
  readonly #client: DynamoDBClient
  readonly #name: string

  constructor(client: DynamoDBClient, name: string) {
    this.#client = client
    this.#name = name
  }

  /** Writes a note, in place of an earlier one of the same kind and credential. */
  async note(note: PromotionNote): Promise<void> {
    const command = new PutItemCommand({ TableName: this.#name, Item: itemOf(note) })
    await callAws('DynamoDB', async () => {
      await this.#client.send(command)
    })
  }

  /** The note of one credential, if there is one. `credential` is its ARN. */
  async latest(kind: PromotionKind, credential: string): Promise<PromotionNote | undefined> {
    const Key = keyOf(kind, credential)
    const command = new GetItemCommand({ TableName: this.#name, Key, ConsistentRead: true })
    const { Item } = await callAws('DynamoDB', () => this.#client.send(command))
    return Item && noteIn(Item)
  }

  /** Deletes the note of one credential; that there is none is a success. */
  async forget(kind: PromotionKind, credential: string): Promise<void> {
    const Key = keyOf(kind, credential)
    await callAws('DynamoDB', async () => {
      await this.#client.send(new DeleteItemCommand({ TableName: this.#name, Key }))
    })
  }

  /** All notes of one kind, ordered by the credential's ARN. */
  async list(kind: PromotionKind): Promise<PromotionNote[]> {
    const found: PromotionNote[] = []
    let ExclusiveStartKey: Record<string, AttributeValue> | undefined
    do {
      const command = new QueryCommand({
        TableName: this.#name,
        KeyConditionExpression: 'kind = :kind',
        ExpressionAttributeValues: { ':kind': { S: kind } },
        // A promotion that is resumed has to see what the one before has just written.
        ConsistentRead: true,
        ...(ExclusiveStartKey && { ExclusiveStartKey }),
      })
      const { Items = [], LastEvaluatedKey } = await callAws('DynamoDB', () => this.#client.send(command))
      found.push(...Items.map(noteIn))
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
    // The latest ones are kept: the others are of versions that have no staging label any more.
    refused: listOf(refused.slice(-KEPT_LIMITS.list)),
  }
}

const listOf = (texts: string[]): AttributeValue => ({
  L: texts.map(text => ({ S: text.slice(0, KEPT_LIMITS.text) })),
})

const noteIn = (item: Record<string, AttributeValue>): PromotionNote =>
  Object.fromEntries(
    Object.entries(item).map(([name, { S, L = [] }]) => [name, S ?? L.map(({ S = '' }) => S)]),
  ) as PromotionNote

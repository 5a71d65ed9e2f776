import {
  type AttributeValue,
  ConditionalCheckFailedException,
  DynamoDBClient,
  type DynamoDBClientConfig,
  GetItemCommand,
  PutItemCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb'
import { boundedKey } from '../../fleet/digest.ts'

/** An item of the table, in DynamoDB's own form. */
export type LedgerItem = Record<string, AttributeValue>

/**
 * The DynamoDB table of alarms. Every method throws what DynamoDB throws, except ConditionalCheckFailedException: each method says
 * what it returns if its condition is not met.
 */
export class LedgerTable {
  readonly #client: DynamoDBClient
  readonly #name: string
  readonly #signal: AbortSignal | undefined

  /** Once `signal` is aborted, every call fails, because alarms must not wait for a table. */
  constructor(client: DynamoDBClient, name: string, signal?: AbortSignal) {
    this.#client = client
    this.#name = name
    this.#signal = signal
  }

  /** Makes a table with a client of its own, for modules that load DynamoDB's client only when they need it. */
  static over(settings: DynamoDBClientConfig, name: string): LedgerTable {
    return new LedgerTable(new DynamoDBClient(settings), name)
  }

  /** The same table, whose calls may take so many milliseconds in all, from now on. */
  withTimeout(milliseconds: number): LedgerTable {
    return new LedgerTable(this.#client, this.#name, AbortSignal.timeout(milliseconds))
  }

  /** Reads an item, with all writes that have been completed. */
  async get(key: string): Promise<LedgerItem | undefined> {
    const command = new GetItemCommand({
      TableName: this.#name,
      Key: { id: { S: itemIdOf(key) } },
      ConsistentRead: true,
    })
    return (await this.#client.send(command, this.#options())).Item
  }

  /** Writes a whole item. @returns undefined if it was written; the item that is there if that does not meet the condition */
  async put(Item: LedgerItem, condition?: string, values?: LedgerItem): Promise<LedgerItem | undefined> {
    const command = new PutItemCommand({
      TableName: this.#name,
      Item,
      ...(condition && {
        ConditionExpression: condition,
        ExpressionAttributeValues: values,
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      }),
    })
    try {
      await this.#client.send(command, this.#options())
      return undefined
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return error.Item ?? {}
      throw error
    }
  }

  /**
   * Changes an item.
   * @param onRefused is called with the item that is there if that does not meet the condition
   * @returns the changed item, or undefined if it did not meet the condition
   */
  async update(
    key: string,
    expression: string,
    condition: string | undefined,
    values: LedgerItem,
    names?: Record<string, string>,
    onRefused: (item: LedgerItem | undefined) => void = () => {},
  ): Promise<LedgerItem | undefined> {
    const command = new UpdateItemCommand({
      TableName: this.#name,
      Key: { id: { S: itemIdOf(key) } },
      UpdateExpression: expression,
      ExpressionAttributeValues: values,
      ReturnValues: 'ALL_NEW',
      ...(names && { ExpressionAttributeNames: names }),
      ...(condition && {
        ConditionExpression: condition,
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      }),
    })
    try {
      return (await this.#client.send(command, this.#options())).Attributes ?? {}
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error
      onRefused(error.Item)
      return undefined
    }
  }

  #options = () => ({ ...(this.#signal && { abortSignal: this.#signal }) })
}

/**
 * The id of the item for a key of an alarm, in 500 characters at most. A partition key has at most 2048 bytes, which the name of
 * a credential may have: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
 */
export const itemIdOf = (key: string) => boundedKey(key, 500)

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

export type LedgerItem = Record<string, AttributeValue>

/** The alarm's table in DynamoDB. Every method throws whatever DynamoDB throws, but for a condition that is not met. */
export class LedgerTable {
  readonly #client: DynamoDBClient
  readonly #name: string
  readonly #signal: AbortSignal | undefined

  /** After `signal`, every call fails: whoever has to be told does not wait for a table. */
  constructor(client: DynamoDBClient, name: string, signal?: AbortSignal) {
    this.#client = client
    this.#name = name
    this.#signal = signal
  }

  /** Over a client of its own, for whoever loads both when they are used. */
  static over(settings: DynamoDBClientConfig, name: string): LedgerTable {
    return new LedgerTable(new DynamoDBClient(settings), name)
  }

  /** The same table, whose calls have so many milliseconds in all. */
  withTimeout(milliseconds: number): LedgerTable {
    return new LedgerTable(this.#client, this.#name, AbortSignal.timeout(milliseconds))
  }

  /** Reads what is there by now. */
  async get(key: string): Promise<LedgerItem | undefined> {
    const command = new GetItemCommand({
      TableName: this.#name,
      Key: { id: { S: itemIdOf(key) } },
      ConsistentRead: true,
    })
    return (await this.#client.send(command, this.#options())).Item
  }

  /** @returns the item that is there, if it does not meet the condition */
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

  /** @returns the item as it is then; undefined if it did not meet the condition, of which `refused` is told */
  async update(
    key: string,
    expression: string,
    condition: string | undefined,
    values: LedgerItem,
    names?: Record<string, string>,
    refused: (item: LedgerItem | undefined) => void = () => {},
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
      refused(error.Item)
      return undefined
    }
  }

  #options = () => ({ ...(this.#signal && { abortSignal: this.#signal }) })
}

/** DynamoDB's keys have 2048 bytes, which names alone may have. */
export const itemIdOf = (key: string) => boundedKey(key, 500)

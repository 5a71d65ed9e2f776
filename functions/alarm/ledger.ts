import {
  ConditionalCheckFailedException,
  type DynamoDBClient,
  PutItemCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb'

/** Another invocation is telling of the same failure right now. Try again after its lease. */
export class AlarmClaimed extends Error {
  override readonly name = 'AlarmClaimed'
}

/** Milliseconds. Events of one failure have times this close to each other. A later one is another failure. */
const window = 10 * 60_000
/** Milliseconds. As long as the function may run, and less than the minute after which Lambda tries it again. */
export const lease = 30_000
/** Seconds. When DynamoDB may forget: after every retry of EventBridge and Lambda. */
const memory = 24 * 3600
/** Seconds. As long as a lockout that stays is an error, and not critical again. */
const longMemory = 90 * memory

/**
 * Remembers in DynamoDB which failures were told. A claim is a lease and no more: who claims, and dies before the
 * telling is noted, only delays the next try. So a failure may be told twice in a bad hour, but never not at all.
 */
export class Ledger {
  readonly #client: DynamoDBClient
  readonly #table: string
  readonly #now: () => number

  constructor(client: DynamoDBClient, table: string, now = () => Date.now()) {
    this.#client = client
    this.#table = table
    this.#now = now
  }

  /**
   * Claims the telling of failure `key`, which happened `at`.
   * @returns what was done about it already: nothing, the topic was told, everything
   * @throws AlarmClaimed, and whatever DynamoDB throws
   */
  async claim(key: string, at: number): Promise<'nothing' | 'topic' | 'everything'> {
    const leasedUntil = { N: `${this.#now() + lease}` }
    try {
      await this.#client.send(
        new PutItemCommand({
          TableName: this.#table,
          Item: { ...this.#item(key, at), leasedUntil },
          ConditionExpression: 'attribute_not_exists(id) OR failedAt < :from OR failedAt > :to',
          ExpressionAttributeValues: { ':from': { N: `${at - window}` }, ':to': { N: `${at + window}` } },
          ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
        }),
      )
      return 'nothing'
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error
      if (error.Item?.toldAll) return 'everything'
      return this.#takeOver(key, leasedUntil)
    }
  }

  /** Whether failure `key` is the first of its group, and so the one to tell. Asked again, it still is. */
  leads(group: string, key: string): Promise<boolean> {
    return this.#first(`group ${group}`, key, memory)
  }

  /** Whether failure `key` is the first that found what `standing` names, in 90 days. Asked again, it still is. */
  isNews(standing: string, key: string): Promise<boolean> {
    return this.#first(standing, key, longMemory)
  }

  async #first(id: string, key: string, seconds: number): Promise<boolean> {
    try {
      await this.#client.send(
        new PutItemCommand({
          TableName: this.#table,
          Item: { ...this.#item(id, this.#now(), seconds), leader: { S: key } },
          // DynamoDB may take days to forget.
          ConditionExpression: 'attribute_not_exists(id) OR leader = :leader OR expiresAt < :now',
          ExpressionAttributeValues: {
            ':leader': { S: key },
            ':now': { N: `${Math.floor(this.#now() / 1000)}` },
          },
        }),
      )
      return true
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return false
      throw error
    }
  }

  /** Notes that the topic was told. */
  async tellTopic(key: string): Promise<void> {
    await this.#update(key, { UpdateExpression: 'SET toldTopic = :true' }, { ':true': { BOOL: true } })
  }

  /** Notes, under each of its names, that everybody was told. */
  async tellAll(keys: string[], at: number): Promise<void> {
    for (const key of keys) {
      const Item = { ...this.#item(key, at), toldAll: { BOOL: true } }
      await this.#client.send(new PutItemCommand({ TableName: this.#table, Item }))
    }
  }

  async #takeOver(key: string, leasedUntil: { N: string }): Promise<'nothing' | 'topic'> {
    try {
      const { Attributes } = await this.#update(
        key,
        {
          UpdateExpression: 'SET leasedUntil = :until',
          ConditionExpression: 'leasedUntil < :now',
          ReturnValues: 'ALL_NEW',
        },
        { ':until': leasedUntil, ':now': { N: `${this.#now()}` } },
      )
      return Attributes?.toldTopic ? 'topic' : 'nothing'
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) throw new AlarmClaimed(`${key}: is being told`)
      throw error
    }
  }

  #item(key: string, at: number, seconds = memory) {
    const expiresAt = Math.ceil(this.#now() / 1000) + seconds
    return { id: { S: key }, failedAt: { N: `${at}` }, expiresAt: { N: `${expiresAt}` } }
  }

  #update(
    key: string,
    input: Partial<ConstructorParameters<typeof UpdateItemCommand>[0]>,
    ExpressionAttributeValues: Record<string, { N: string } | { BOOL: boolean }>,
  ) {
    const Key = { id: { S: key } }
    return this.#client.send(
      new UpdateItemCommand({ TableName: this.#table, Key, ExpressionAttributeValues, ...input }),
    )
  }
}

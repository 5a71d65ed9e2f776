import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { CreateTopicCommand, SNSClient, SubscribeCommand } from '@aws-sdk/client-sns'
import { SQSClient } from '@aws-sdk/client-sqs'
import { makeEventBusTasks } from '../../local/embedded/eventBus.ts'
import type { Task } from '../../local/embedded/stateMachine.ts'
import type { Alarm } from '../../local/stack/deployed.ts'
import { Queue } from '../../local/stack/queue.ts'

/** Makes raiseAlarm's table, `alarms`, on an emulator. */
export async function makeLedgerTable(dynamo: DynamoDBClient): Promise<void> {
  await dynamo.send(
    new CreateTableCommand({
      TableName: 'alarms',
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
      KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
    }),
  )
}

/** Makes raiseAlarm's table and topic, both `alarms`, where the environment points. @returns a queue of all alarms */
export async function openAlarms(): Promise<Queue<Alarm>> {
  const [sns, sqs] = [new SNSClient(), new SQSClient({ useQueueUrlAsEndpoint: false })]
  const { TopicArn = '' } = await sns.send(new CreateTopicCommand({ Name: 'alarms' }))
  const queue = await Queue.open<Alarm>(sqs, 'alarms', TopicArn)
  await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint: queue.arn }))
  await makeLedgerTable(new DynamoDBClient())
  return queue
}

/** An event bus that passes events whose type ends in "Failed" to raiseAlarm, and puts its answers into `handed`. */
export const alarmBusTasks = (raiseAlarm: Task, handed: Promise<unknown>[]): Record<string, Task> =>
  makeEventBusTasks(({ Source, DetailType, Detail }) => {
    const event = {
      source: Source,
      'detail-type': DetailType,
      detail: Detail,
      time: new Date().toISOString(),
    }
    if (/Failed$/.test(DetailType)) handed.push(Promise.resolve(raiseAlarm(event)))
  })

/** Counts the most rotations that ran at once, in all and on one host. */
export class ConcurrencyCounter {
  readonly most = { inAll: 0, perHost: 0 }
  readonly #running = new Map<string, number>()

  /** Notes that a rotation on this host has begun (1) or ended (-1). */
  count(host: string, by: 1 | -1): void {
    this.#running.set(host, (this.#running.get(host) ?? 0) + by)
    const counts = [...this.#running.values()]
    this.most.perHost = Math.max(this.most.perHost, ...counts)
    this.most.inAll = Math.max(
      this.most.inAll,
      counts.reduce((sum, n) => sum + n, 0),
    )
  }
}

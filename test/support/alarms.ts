import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { CreateTopicCommand, SNSClient, SubscribeCommand } from '@aws-sdk/client-sns'
import { SQSClient } from '@aws-sdk/client-sqs'
import { makeEventBusTasks } from '../../local/embedded/eventBus.ts'
import type { Task } from '../../local/embedded/stateMachine.ts'
import type { Alarm } from '../../local/stack/deployed.ts'
import { Queue } from '../../local/stack/queue.ts'

/** Makes the alarm's table, `alarms`, on an emulator. */
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

/** Makes the table and the topic, both `alarms`, where the environment points. @returns a queue that is told every alarm */
export async function openAlarms(): Promise<Queue<Alarm>> {
  const [sns, sqs] = [new SNSClient(), new SQSClient({ useQueueUrlAsEndpoint: false })]
  const { TopicArn = '' } = await sns.send(new CreateTopicCommand({ Name: 'alarms' }))
  const queue = await Queue.open<Alarm>(sqs, 'alarms', TopicArn)
  await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint: queue.arn }))
  await makeLedgerTable(new DynamoDBClient())
  return queue
}

/** The event bus with the rules of the alarm: what failed comes to raiseAlarm, whose answers are put into `handed`. */
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

/** Counts how many rotations went on at once at the most, in all and on one host. */
export class ConcurrencyCounter {
  readonly most = { inAll: 0, perHost: 0 }
  readonly #now = new Map<string, number>()

  /** One more, or one less, goes on on this host. */
  count(host: string, by: 1 | -1): void {
    this.#now.set(host, (this.#now.get(host) ?? 0) + by)
    const counts = [...this.#now.values()]
    this.most.perHost = Math.max(this.most.perHost, ...counts)
    this.most.inAll = Math.max(
      this.most.inAll,
      counts.reduce((sum, n) => sum + n, 0),
    )
  }
}

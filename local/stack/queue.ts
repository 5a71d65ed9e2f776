import {
  CreateQueueCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SetQueueAttributesCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs'

/** A queue that others send to, and all that has arrived in it. */
export class Queue<Message> {
  readonly url: string
  readonly arn: string
  readonly received: Message[] = []
  readonly #client: SQSClient

  private constructor(client: SQSClient, url: string, arn: string) {
    this.#client = client
    this.url = url
    this.arn = arn
  }

  /** A queue named `name`; whatever is at the ARN `from` may send to it. It may be there from an earlier run. */
  static async open<Message>(client: SQSClient, name: string, from: string): Promise<Queue<Message>> {
    const { QueueUrl = '' } = await client.send(new CreateQueueCommand({ QueueName: name }))
    const [, , , region, account] = from.split(':')
    const arn = `arn:aws:sqs:${region}:${account}:${name}`
    const Policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { Service: ['events.amazonaws.com', 'sns.amazonaws.com'] },
          Action: 'sqs:SendMessage',
          Resource: arn,
          Condition: { ArnEquals: { 'aws:SourceArn': from } },
        },
      ],
    })
    await client.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { Policy } }))
    return new Queue(client, QueueUrl, arn)
  }

  /** Takes all that is there; if there is nothing, what arrives within a second. */
  async receiveAll(): Promise<void> {
    const { url: QueueUrl } = this
    for (let WaitTimeSeconds = 1; ; WaitTimeSeconds = 0) {
      const { Messages = [] } = await this.#client.send(
        new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds }),
      )
      if (!Messages.length) return
      for (const { Body = '', ReceiptHandle } of Messages) {
        this.received.push(JSON.parse(Body))
        await this.#client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }))
      }
    }
  }

  /** Those of which `wanted` is true, after waiting for so many, up to 20 seconds. */
  async waitForMessages(wanted: (message: Message) => boolean, count = 1): Promise<Message[]> {
    const found = () => this.received.filter(wanted)
    for (let tries = 0; tries < 20 && found().length < count; tries++) await this.receiveAll()
    return found()
  }
}

import {
  CreateQueueCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SetQueueAttributesCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs'

/** An SQS queue, and all messages that were received from it. `Message` is the type of a message's parsed body. */
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

  /**
   * Opens the queue with this name, and makes it if it does not exist.
   * @param senderArn ARN of the rule or topic that may send messages to the queue
   */
  static async open<Message>(client: SQSClient, name: string, senderArn: string): Promise<Queue<Message>> {
    const { QueueUrl = '' } = await client.send(new CreateQueueCommand({ QueueName: name }))
    const [, , , region, account] = senderArn.split(':')
    const arn = `arn:aws:sqs:${region}:${account}:${name}`
    const Policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { Service: ['events.amazonaws.com', 'sns.amazonaws.com'] },
          Action: 'sqs:SendMessage',
          Resource: arn,
          Condition: { ArnEquals: { 'aws:SourceArn': senderArn } },
        },
      ],
    })
    await client.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { Policy } }))
    return new Queue(client, QueueUrl, arn)
  }

  /** Receives all messages that are in the queue. If there are none, waits a second for some. */
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

  /** Waits for so many messages of which `wanted` is true, 20 seconds at most. @returns all such messages */
  async waitForMessages(wanted: (message: Message) => boolean, count = 1): Promise<Message[]> {
    const found = () => this.received.filter(wanted)
    for (let tries = 0; tries < 20 && found().length < count; tries++) await this.receiveAll()
    return found()
  }
}

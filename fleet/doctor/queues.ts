import { GetQueueAttributesCommand, type SQSClient } from '@aws-sdk/client-sqs'
import type { StackResource } from '../stackResources.ts'
import { type Check, type ExaminedStack, okCheck } from './check.ts'

/** Checks whether messages wait in a queue. In a dead-letter queue, each message is about something that did not happen. */
export async function lookAtQueue(
  sqs: SQSClient,
  { id, logicalId }: StackResource,
  { region }: ExaminedStack,
): Promise<Check[]> {
  const about = id.split('/').at(-1) ?? id
  const command = new GetQueueAttributesCommand({
    QueueUrl: id,
    AttributeNames: ['ApproximateNumberOfMessages'],
  })
  const count = Number((await sqs.send(command)).Attributes?.ApproximateNumberOfMessages ?? 0)
  if (!count) return [okCheck('queue', about)]
  const messages = count === 1 ? '1 message' : `${count} messages`
  const read = `aws sqs receive-message --queue-url ${id} --max-number-of-messages 10 --region ${region}`
  if (!logicalId.endsWith('DeadLetters'))
    return [
      {
        kind: 'queue',
        about,
        state: 'warning',
        says: `has ${messages} that nobody has read yet`,
        remedy: `Look again in a minute; if they stay, see why their function fails: ${read}`,
      },
    ]
  return [
    {
      kind: 'queue',
      about,
      state: 'failed',
      says: `has ${messages}: what ${count === 1 ? 'it was' : 'they were'} about did not happen, or was not told`,
      remedy: `docs/alerts.md says what to do, "When an alarm gets stuck". To see ${count === 1 ? 'it' : 'them'}: ${read}`,
    },
  ]
}

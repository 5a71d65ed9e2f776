import { paginateListSubscriptionsByTopic, type SNSClient } from '@aws-sdk/client-sns'
import { readAllPages } from './wholeList.ts'

/** How many subscriptions of a topic are confirmed, and how many still wait for their confirmation. */
export type SubscriptionCounts = { confirmed: number; pending: number }

/**
 * Counts the subscriptions of a topic. SNS gives the text `PendingConfirmation` in place of the ARN of one that is not confirmed.
 * https://docs.aws.amazon.com/sns/latest/api/API_ListSubscriptionsByTopic.html
 * @throws what AWS throws; EndlessList
 */
export async function countSubscriptions(
  client: SNSClient,
  TopicArn: string | undefined,
): Promise<SubscriptionCounts> {
  const arns: string[] = []
  for await (const { Subscriptions = [] } of readAllPages(
    paginateListSubscriptionsByTopic({ client }, { TopicArn }),
  ))
    arns.push(...Subscriptions.map(({ SubscriptionArn = '' }) => SubscriptionArn))
  return {
    confirmed: arns.filter(arn => arn.startsWith('arn:')).length,
    pending: arns.filter(arn => arn === 'PendingConfirmation').length,
  }
}

import { paginateListSubscriptionsByTopic, type SNSClient } from '@aws-sdk/client-sns'
import { readAllPages } from './wholeList.ts'

/** How many subscribers of a topic have confirmed that they want what it tells, and how many have still to. */
export type SubscriptionCounts = { confirmed: number; pending: number }

/** Counts a topic's subscribers. SNS says something else than an ARN of those who have not confirmed. @throws what AWS throws */
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

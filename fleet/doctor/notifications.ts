import { type CloudWatchClient, DescribeAlarmsCommand, type MetricAlarm } from '@aws-sdk/client-cloudwatch'
import { GetFunctionConfigurationCommand, type LambdaClient } from '@aws-sdk/client-lambda'
import type { SNSClient } from '@aws-sdk/client-sns'
import { DescribeParametersCommand, type SSMClient } from '@aws-sdk/client-ssm'
import { minuteOf } from '../minute.ts'
import { countSubscriptions, type SubscriptionCounts } from '../subscriptions.ts'
import { type Check, deployAgainRemedy, type ExaminedStack, okCheck } from './check.ts'

/** Checks whether the alarms' topic has a confirmed subscription, so that its messages get to somebody. */
export async function lookAtTopic(sns: SNSClient, TopicArn: string, place: ExaminedStack): Promise<Check[]> {
  const about = TopicArn.split(':').at(-1) ?? TopicArn
  return [checkTopic(about, await countSubscriptions(sns, TopicArn), TopicArn, place)]
}

/** The check of a topic, by the counts of its subscriptions. @param about the topic's name */
export function checkTopic(
  about: string,
  { confirmed, pending }: SubscriptionCounts,
  TopicArn: string,
  { region }: Pick<ExaminedStack, 'region'>,
): Check {
  const kind = 'topic'
  const waiting = pending === 1 ? '1 subscriber has' : `${pending} subscribers have`
  const mail = 'The mail from SNS, "Subscription Confirmation", has the link; it holds for two days.'
  if (confirmed && pending)
    return { kind, about, state: 'warning', says: `${waiting} not confirmed yet`, remedy: mail }
  if (confirmed) return okCheck(kind, about)
  const subscribe = `aws sns subscribe --topic-arn ${TopicArn} --protocol email --notification-endpoint ADDRESS --region ${region}`
  return {
    kind,
    about,
    state: 'failed',
    says: pending ? `tells nobody: ${waiting} not confirmed yet` : 'has no subscriber: it tells nobody',
    remedy: pending ? `${mail} Or again: ${subscribe}` : subscribe,
  }
}

/**
 * Checks whether the parameter with the webhook's URL exists, and is encrypted. Its value is not read.
 * @param raiseAlarm name of the function raiseAlarm, whose environment names the parameter
 * @returns none if the stack has no webhook
 */
export async function lookAtWebhook(
  { lambda, ssm }: { lambda: LambdaClient; ssm: SSMClient },
  raiseAlarm: string,
  { region }: ExaminedStack,
): Promise<Check[]> {
  const { Environment } = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName: raiseAlarm }))
  if (Environment?.Error) {
    const { ErrorCode, Message } = Environment.Error
    const says = `could not be read: ${ErrorCode}: ${Message}`
    return [{ kind: 'webhook', about: 'parameter', state: 'unread', says }]
  }
  const about = Environment?.Variables?.KEYTURN_WEBHOOK_PARAMETER
  if (!about) return []
  const { Parameters: [found] = [] } = await ssm.send(
    new DescribeParametersCommand({ ParameterFilters: [{ Key: 'Name', Option: 'Equals', Values: [about] }] }),
  )
  if (found?.Type === 'SecureString') return [okCheck('webhook', about)]
  const put = `aws ssm put-parameter --type SecureString --name ${about} --value file://webhook.txt --region ${region}`
  return [
    {
      kind: 'webhook',
      about,
      state: 'failed',
      says: found
        ? `is a ${found.Type}: whoever lists parameters can read its URL`
        : 'is not there: no alarm gets to the webhook',
      remedy: found ? `Delete it, and write it anew: ${put}` : put,
    },
  ]
}

/** How many names one call takes. https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html */
const MAX_ALARM_COUNT = 100

/** Checks the state of the stack's CloudWatch alarms. */
export async function lookAtAlarms(
  cloudWatch: CloudWatchClient,
  names: string[],
  place: ExaminedStack,
): Promise<Check[]> {
  const AlarmNames = names.slice(0, MAX_ALARM_COUNT)
  const { MetricAlarms = [] } = await cloudWatch.send(new DescribeAlarmsCommand({ AlarmNames }))
  return AlarmNames.map(name =>
    checkAlarm(
      name,
      MetricAlarms.find(alarm => alarm.AlarmName === name),
      place,
    ),
  )
}

/** The check of an alarm, by what DescribeAlarms gives of it. @param about the alarm's name */
export function checkAlarm(about: string, alarm: MetricAlarm | undefined, place: ExaminedStack): Check {
  const kind = 'alarm'
  if (!alarm) return { kind, about, state: 'failed', says: 'is not there', remedy: deployAgainRemedy(place) }
  const { StateValue, StateUpdatedTimestamp, ActionsEnabled, AlarmDescription = '' } = alarm
  const since = StateUpdatedTimestamp ? ` since ${minuteOf(StateUpdatedTimestamp.toISOString())}` : ''
  if (StateValue === 'ALARM')
    return { kind, about, state: 'failed', says: `is in alarm${since}`, remedy: AlarmDescription }
  if (ActionsEnabled === false)
    return {
      kind,
      about,
      state: 'failed',
      says: 'is switched off: it tells nobody',
      remedy: `aws cloudwatch enable-alarm-actions --alarm-names ${about} --region ${place.region}`,
    }
  if (StateValue === 'INSUFFICIENT_DATA')
    return {
      kind,
      about,
      state: 'warning',
      says: `has had no data${since}, as in the first hours of a stack`,
      remedy: AlarmDescription.includes(StateValue) ? AlarmDescription : 'Look again in some minutes.',
    }
  return okCheck(kind, about)
}

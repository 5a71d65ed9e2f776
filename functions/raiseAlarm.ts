import { PublishCommand, SNSClient } from '@aws-sdk/client-sns'
import * as v from 'valibot'
import { type Alarm, mailTextOf, type StackInfo } from './alarm/alarm.ts'
import { type EventBridgeEvent, readEvent } from './alarm/event.ts'
import { Histories } from './alarm/histories.ts'
import { Ledger } from './alarm/ledger.ts'
import { LedgerTable } from './alarm/ledgerTable.ts'
import type { IncomingEvent, TellingContext } from './alarm/task.ts'
import { tellAll } from './alarm/tell.ts'
import { postWebhook, WebhookFailed } from './alarm/webhook/webhook.ts'
import { functionHandler, unchangedError } from './shared/handler.ts'
import { logger } from './shared/logger.ts'
import { nonEmptyText } from './shared/nonEmptyText.ts'
import { isRedelivered, partialBatchResponse, type QueueMessage, queueBatch } from './shared/queueBatch.ts'

const schema = v.object({
  KEYTURN_ALARM_TOPIC: nonEmptyText,
  KEYTURN_ALARM_TABLE: nonEmptyText,
  KEYTURN_EXECUTIONS: nonEmptyText,
  KEYTURN_RUNBOOK: nonEmptyText,
  KEYTURN_STAGE: nonEmptyText,
  AWS_REGION: nonEmptyText,
  /** Name of the SecureString parameter that holds the webhook's URL; '' if there is no webhook. */
  KEYTURN_WEBHOOK_PARAMETER: v.string(),
})

const environment = v.parse(schema, process.env)
const stack: StackInfo = {
  runbook: environment.KEYTURN_RUNBOOK,
  stage: environment.KEYTURN_STAGE,
  region: environment.AWS_REGION,
}
/** Timeouts of every AWS client here, in milliseconds. A request gets less time than in the other functions. */
const REQUEST_TIMEOUTS = { connectionTimeout: 2_000, requestTimeout: 3_000, throwOnRequestTimeout: true }
const sns = new SNSClient({ requestHandler: REQUEST_TIMEOUTS, maxAttempts: 2 })
const ledger = new Ledger(
  LedgerTable.over({ requestHandler: REQUEST_TIMEOUTS, maxAttempts: 2 }, environment.KEYTURN_ALARM_TABLE),
)
const histories = new Histories(environment.KEYTURN_EXECUTIONS, {
  requestHandler: REQUEST_TIMEOUTS,
  maxAttempts: 2,
})

/**
 * Milliseconds: how long an event with less detail waits for one with more (`secondHandDelay`), how long looking at the
 * histories of executions (`look`) and asking the ledger (`ledger`) may take, and the pause before another look at a history
 * that lags behind (`retry`). The limits are short, because sending the alarm matters more than what is looked up for it.
 */
const TIME_LIMITS_MS = { secondHandDelay: 10_000, look: 3_000, ledger: 1_500, retry: 500 }
/** Sending ends so many milliseconds before the function's time does. They are left for the ledger. */
const RESERVE_MS = 6_000

/** Publishes an alarm to the topic of SNS. @throws whatever SNS throws */
async function publish(alarm: Alarm): Promise<void> {
  await sns.send(
    new PublishCommand({
      TopicArn: environment.KEYTURN_ALARM_TOPIC,
      Subject: alarm.subject,
      Message: mailTextOf(alarm),
      MessageAttributes: { severity: { DataType: 'String', StringValue: alarm.severity } },
    }),
  )
}

/** Posts alarms to the webhook. Without a webhook, they count as posted. @throws WebhookFailed if its URL cannot be read */
const post: TellingContext['post'] = async (alarms, deadline, told) => {
  const Name = environment.KEYTURN_WEBHOOK_PARAMETER
  if (!Name) {
    await told(alarms)
    return new Map()
  }
  const { GetParameterCommand, SSMClient } = await import('../fleet/systemsManager.ts')
  const ssm = new SSMClient({ requestHandler: REQUEST_TIMEOUTS, maxAttempts: 2 })
  const { Parameter } = await ssm
    .send(new GetParameterCommand({ Name, WithDecryption: true }))
    .catch(error => {
      throw new WebhookFailed(`parameter ${Name}: ${error?.name}`)
    })
  return postWebhook(Parameter?.Value ?? '', alarms, deadline, told)
}

/** What Lambda passed to the function: the messages of a queue, or undefined for a single event; and the events in it. */
type Delivery = { records: QueueMessage[] | undefined; items: IncomingEvent[] }

/** Reads what Lambda passed. It refuses nothing: an event that cannot be read has to raise an alarm too. */
function readDelivery(raw: unknown): Delivery {
  const { success, output } = v.safeParse(queueBatch, raw)
  return success
    ? { records: output.Records, items: output.Records.map(itemOf) }
    : { records: undefined, items: [{ event: readEvent(raw), redelivered: false }] }
}

/** The event in a message of a queue. An unreadable one is named after the message, so that it raises one alarm only. */
function itemOf(message: QueueMessage): IncomingEvent {
  const { messageId, body } = message
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson()), body)
  const event: EventBridgeEvent = readEvent(parsed.output)
  return { event: { ...event, id: event.id ?? messageId }, redelivered: isRedelivered(message) }
}

/**
 * Tells the people on call what failed, why, and what to do: by SNS, and by a webhook if there is one. The function reads the
 * events that the rules in resources/alarms.yml put into two queues. It also accepts a single event, which the rules of the last
 * release pass to it directly.
 * @returns the ids of the messages that SQS is to deliver again: not every outlet took their alarm, another call is sending it, or
 *   the history of their execution is still to come
 * @throws the error of a single event for one of these reasons, so that Lambda retries
 */
export const handler = functionHandler(
  'raiseAlarm',
  readDelivery,
  () => ({}),
  async ({ records, items }, context) => {
    const deadline = Date.now() + (context.getRemainingTimeInMillis?.() ?? 30_000) - RESERVE_MS
    const results = await tellAll(items, {
      ledger,
      histories,
      publish,
      post,
      stack,
      log: logger,
      timeLimitsMs: TIME_LIMITS_MS,
      deadline,
    })
    for (const { status, key, subject, error } of results)
      if (error) logger.error('failed', { key, subject, error })
      else logger.info(status, { key, subject })
    const failed = new Map(results.flatMap(({ item, error }) => (error ? [[item, error]] : [])))
    if (!records && failed.size) throw [...failed.values()][0]
    const untold = (records ?? []).filter((_, index) => failed.has(items[index] as IncomingEvent))
    return partialBatchResponse(untold.map(({ messageId }) => messageId))
  },
  unchangedError,
)

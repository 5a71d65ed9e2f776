import { PublishCommand, SNSClient } from '@aws-sdk/client-sns'
import * as v from 'valibot'
import { type Alarm, mailTextOf, type StackInfo } from './alarm/alarm.ts'
import { type EventBridgeEvent, readEvent } from './alarm/event.ts'
import { Histories } from './alarm/histories.ts'
import { Ledger } from './alarm/ledger.ts'
import { LedgerTable } from './alarm/ledgerTable.ts'
import { type IncomingEvent, type TellingContext, tellAll } from './alarm/tell.ts'
import { postWebhook, WebhookFailed } from './alarm/webhook/webhook.ts'
import { functionHandler, unchangedError } from './shared/handler.ts'
import { logger } from './shared/logger.ts'
import { isRedelivered, partialBatchResponse, type QueueMessage, queueBatch } from './shared/queueBatch.ts'

const text = v.pipe(v.string(), v.nonEmpty())
const schema = v.object({
  KEYTURN_ALARM_TOPIC: text,
  KEYTURN_ALARM_TABLE: text,
  KEYTURN_EXECUTIONS: text,
  KEYTURN_RUNBOOK: text,
  KEYTURN_STAGE: text,
  AWS_REGION: text,
  /** Name of the SecureString with the webhook's URL; '' for none. */
  KEYTURN_WEBHOOK_PARAMETER: v.string(),
})

const environment = v.parse(schema, process.env)
const guide: StackInfo = {
  runbook: environment.KEYTURN_RUNBOOK,
  stage: environment.KEYTURN_STAGE,
  region: environment.AWS_REGION,
}
/** Milliseconds; the SDK itself would wait without end. */
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
 * Milliseconds. Who reports with less detail gives way for so long. Looking at executions and asking the ledger have a
 * bound each, as telling goes first.
 */
const TIME_LIMITS_MS = { secondHandDelay: 10_000, look: 3_000, ledger: 1_500, retry: 500 }
/** Milliseconds of the function's time that are left for notes when telling ends. */
const RESERVE_MS = 6_000

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

/** What came: the records of a queue, or an event by itself, and the events in it. */
type Delivery = { records: QueueMessage[] | undefined; items: IncomingEvent[] }

/** Refuses nothing: whatever it is, somebody has to hear of it. */
function readDelivery(raw: unknown): Delivery {
  const { success, output } = v.safeParse(queueBatch, raw)
  return success
    ? { records: output.Records, items: output.Records.map(itemOf) }
    : { records: undefined, items: [{ event: readEvent(raw), redelivered: false }] }
}

/** An event of a queue, which is as EventBridge sent it. What cannot be read is an alarm of its own, once. */
function itemOf(message: QueueMessage): IncomingEvent {
  const { messageId, body } = message
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson()), body)
  const event: EventBridgeEvent = readEvent(parsed.output)
  return { event: { ...event, id: event.id ?? messageId }, redelivered: isRedelivered(message) }
}

/**
 * Tells whoever is on call what failed, why, and what to do. It reads what the rules in resources/alarms.yml put into
 * two queues; an event by itself, as the last release's rules sent it, it takes as well.
 * @returns the messages that are to come again, as not everybody could be told
 */
export const handler = functionHandler(
  'raiseAlarm',
  readDelivery,
  () => ({}),
  async ({ records, items }, context) => {
    const deadline = Date.now() + (context.getRemainingTimeInMillis?.() ?? 30_000) - RESERVE_MS
    const means = {
      ledger,
      histories,
      publish,
      post,
      stack: guide,
      log: logger,
      timeLimitsMs: TIME_LIMITS_MS,
      deadline,
    }
    const results = await tellAll(items, means)
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

import { PublishCommand, SNSClient } from '@aws-sdk/client-sns'
import * as v from 'valibot'
import { type Alarm, type Guide, textOf } from './alarm/alarm.ts'
import { type Event, readEvent } from './alarm/event.ts'
import { Histories } from './alarm/histories.ts'
import { Ledger } from './alarm/ledger.ts'
import { LedgerTable } from './alarm/ledgerTable.ts'
import { type Item, type Means, tellAll } from './alarm/tell.ts'
import { postWebhook, WebhookFailed } from './alarm/webhook/webhook.ts'
import { batch, cameAgain, type Message, toComeAgain } from './shared/batch.ts'
import { asThrown, functionHandler } from './shared/handler.ts'
import { logger } from './shared/logger.ts'

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
const guide: Guide = {
  runbook: environment.KEYTURN_RUNBOOK,
  stage: environment.KEYTURN_STAGE,
  region: environment.AWS_REGION,
}
/** Milliseconds; the SDK itself would wait without end. */
const requestHandler = { connectionTimeout: 2_000, requestTimeout: 3_000, throwOnRequestTimeout: true }
const sns = new SNSClient({ requestHandler, maxAttempts: 2 })
const ledger = new Ledger(
  LedgerTable.over({ requestHandler, maxAttempts: 2 }, environment.KEYTURN_ALARM_TABLE),
)
const histories = new Histories(environment.KEYTURN_EXECUTIONS, { requestHandler, maxAttempts: 2 })

/**
 * Milliseconds. Who reports with less detail gives way for so long. Looking at executions and asking the ledger have a
 * bound each, as telling goes first.
 */
const patience = { giveWay: 10_000, look: 3_000, ledger: 1_500, retry: 500 }
/** Milliseconds of the function's time that are left for notes when telling ends. */
const RESERVE = 6_000

async function publish(alarm: Alarm): Promise<void> {
  await sns.send(
    new PublishCommand({
      TopicArn: environment.KEYTURN_ALARM_TOPIC,
      Subject: alarm.subject,
      Message: textOf(alarm),
      MessageAttributes: { severity: { DataType: 'String', StringValue: alarm.severity } },
    }),
  )
}

const post: Means['post'] = async (alarms, deadline, told) => {
  const Name = environment.KEYTURN_WEBHOOK_PARAMETER
  if (!Name) {
    await told(alarms)
    return new Map()
  }
  const { GetParameterCommand, SSMClient } = await import('../fleet/systemsManager.ts')
  const ssm = new SSMClient({ requestHandler, maxAttempts: 2 })
  const { Parameter } = await ssm
    .send(new GetParameterCommand({ Name, WithDecryption: true }))
    .catch(error => {
      throw new WebhookFailed(`parameter ${Name}: ${error?.name}`)
    })
  return postWebhook(Parameter?.Value ?? '', alarms, deadline, told)
}

/** What came: the records of a queue, or an event by itself, and the events in it. */
type Delivery = { records: Message[] | undefined; items: Item[] }

/** Refuses nothing: whatever it is, somebody has to hear of it. */
function delivered(raw: unknown): Delivery {
  const { success, output } = v.safeParse(batch, raw)
  return success
    ? { records: output.Records, items: output.Records.map(itemOf) }
    : { records: undefined, items: [{ event: readEvent(raw), again: false }] }
}

/** An event of a queue, which is as EventBridge sent it. What cannot be read is an alarm of its own, once. */
function itemOf(message: Message): Item {
  const { messageId, body } = message
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson()), body)
  const event: Event = readEvent(parsed.output)
  return { event: { ...event, id: event.id ?? messageId }, again: cameAgain(message) }
}

/**
 * Tells whoever is on call what failed, why, and what to do. It reads what the rules in resources/alarms.yml put into
 * two queues; an event by itself, as the last release's rules sent it, it takes as well.
 * @returns the messages that are to come again, as not everybody could be told
 */
export const handler = functionHandler(
  'raiseAlarm',
  delivered,
  () => ({}),
  async ({ records, items }, context) => {
    const deadline = Date.now() + (context.getRemainingTimeInMillis?.() ?? 30_000) - RESERVE
    const means = {
      ledger,
      histories,
      publish,
      post,
      guide,
      log: logger,
      patience,
      deadline,
    }
    const results = await tellAll(items, means)
    for (const { told, key, subject, error } of results)
      if (error) logger.error('failed', { key, subject, error })
      else logger.info(told, { key, subject })
    const failed = new Map(results.flatMap(({ item, error }) => (error ? [[item, error]] : [])))
    if (!records && failed.size) throw [...failed.values()][0]
    const untold = (records ?? []).filter((_, index) => failed.has(items[index] as Item))
    return toComeAgain(untold.map(({ messageId }) => messageId))
  },
  asThrown,
)

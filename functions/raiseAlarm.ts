import { setTimeout as sleep } from 'node:timers/promises'
import { Logger } from '@aws-lambda-powertools/logger'
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { PublishCommand, SNSClient } from '@aws-sdk/client-sns'
import middy from '@middy/core'
import * as v from 'valibot'
import { type Alarm, lessened, readAlarm, textOf } from './alarm/alarm.ts'
import { AlarmClaimed, Ledger } from './alarm/ledger.ts'
import { postWebhook, WebhookFailed } from './alarm/webhook.ts'

const text = v.pipe(v.string(), v.nonEmpty())
const schema = v.object({
  KEYTURN_ALARM_TOPIC: text,
  KEYTURN_ALARM_TABLE: text,
  KEYTURN_RUNBOOK: text,
  /** Name of the SecureString with the webhook's URL; '' for none. */
  KEYTURN_WEBHOOK_PARAMETER: v.string(),
})

const environment = v.parse(schema, process.env)
const logger = new Logger()
/** Milliseconds; the SDK itself would wait without end. */
const requestHandler = { connectionTimeout: 2_000, requestTimeout: 3_000, throwOnRequestTimeout: true }
const sns = new SNSClient({ requestHandler })
const ledger = new Ledger(new DynamoDBClient({ requestHandler }), environment.KEYTURN_ALARM_TABLE)

/**
 * Milliseconds. An execution that fails is announced by the state machine, with all that it knows, just before Step
 * Functions and Secrets Manager report it. They give way for so long, so that what is told is the richest account.
 */
const giveWay = 10_000

/** Where an alarm goes. */
export type Outlets = {
  ledger: Pick<Ledger, 'leads' | 'isNews' | 'claim' | 'tellTopic' | 'tellAll'>
  /** @throws whatever SNS throws */
  publish(alarm: Alarm): Promise<void>
  /** @throws WebhookFailed */
  post(alarm: Alarm): Promise<void>
  giveWay: number
}

/**
 * Tells of a failure once, however many events report it: the topic first, then the webhook.
 * @returns whether this event was the one that told
 * @throws AlarmClaimed if another event of the failure is being told, WebhookFailed, and whatever SNS throws; the
 * event is to be tried again then, and the topic is not told twice
 */
export async function tell(read: Alarm, { ledger, publish, post, giveWay }: Outlets): Promise<boolean> {
  if (read.outdone) await sleep(giveWay)
  // An alarm told twice is better than one that waits for DynamoDB.
  const note = async <T>(work: Promise<T>): Promise<T | undefined> =>
    work.catch(error => {
      if (error instanceof AlarmClaimed) throw error
      logger.error('the ledger failed, so this may be told twice', { error })
      return undefined
    })
  const known =
    read.standing !== undefined && (await note(ledger.isNews(read.standing, read.keys[0]))) === false
  const alarm = known ? lessened(read) : read
  const [key] = alarm.keys
  if (alarm.group && (await note(ledger.leads(alarm.group, key))) === false) return false
  const told = await note(ledger.claim(key, alarm.at))
  if (told === 'everything') return false
  if (told !== 'topic') {
    await publish(alarm)
    await note(ledger.tellTopic(key))
  }
  await post(alarm)
  await note(ledger.tellAll(alarm.keys, alarm.at))
  return true
}

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

async function post(alarm: Alarm): Promise<void> {
  const Name = environment.KEYTURN_WEBHOOK_PARAMETER
  if (!Name) return
  const { GetParameterCommand, SSMClient } = await import('@aws-sdk/client-ssm')
  const ssm = new SSMClient({ requestHandler })
  const { Parameter } = await ssm
    .send(new GetParameterCommand({ Name, WithDecryption: true }))
    .catch(error => {
      throw new WebhookFailed(`parameter ${Name}: ${error?.name}`)
    })
  await postWebhook(Parameter?.Value ?? '', alarm)
}

/** Tells whoever is on call that a rotation failed, why, and what to do. The rules in resources/alarms.yml call it. */
export const handler = middy()
  .use(injectLambdaContext(logger, { clearState: true }))
  .handler(async (event: unknown): Promise<void> => {
    const alarm = readAlarm(event, environment.KEYTURN_RUNBOOK)
    const told = await tell(alarm, { ledger, publish, post, giveWay })
    logger.info(told ? 'told' : 'had been told', { keys: alarm.keys, subject: alarm.subject })
  })

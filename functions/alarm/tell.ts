import { setTimeout as sleep } from 'node:timers/promises'
import { settleConcurrently } from '../../fleet/concurrency.ts'
import { TooEarly } from '../shared/queueBatch.ts'
import type { Alarm, StackInfo } from './alarm.ts'
import { decide } from './decide.ts'
import type { EventBridgeEvent } from './event.ts'
import type { Ledger } from './ledger.ts'
import { OUTLETS } from './outlets.ts'
import { readAlarm, recoveryAlarmOf } from './readAlarm.ts'
import { readSuccess } from './readFailure.ts'
import { sendAll } from './send.ts'
import {
  type AlarmTask,
  type IncomingEvent,
  resultsOf,
  type TellingContext,
  type TellResult,
} from './task.ts'
import { verifyWithRetries } from './verifyEvent.ts'

/**
 * Sends alarms of what the events tell of: one alarm for each failure, however many events tell of it. If several events tell of
 * the same failure, the alarm is to be made of the one with the most detail, so the second-hand events are handled last.
 * @returns one result for each event
 */
export async function tellAll(items: IncomingEvent[], context: TellingContext): Promise<TellResult[]> {
  const firstHand = items.filter(({ event }) => !isSecondHand(event))
  const results = await tellRound(firstHand, context)
  const secondHand = items.filter(({ event }) => isSecondHand(event))
  if (!secondHand.length) return results
  const newest = Math.max(
    ...secondHand.map(({ event, redelivered }) => (redelivered ? 0 : Date.parse(event.time ?? '') || 0)),
  )
  const wait = newest + context.timeLimitsMs.secondHandDelay - Date.now()
  if (wait > 0) await sleep(Math.min(wait, context.timeLimitsMs.secondHandDelay))
  return [...results, ...(await tellRound(secondHand, context))]
}

/**
 * Whether an event comes from Step Functions or Secrets Manager. Such an event reports a failed execution shortly after the state
 * machine has announced the failure itself, with more detail.
 */
const isSecondHand = ({ source }: EventBridgeEvent) =>
  source === 'aws.states' || source === 'aws.secretsmanager'

/** Reads the events, decides which alarms have to be sent, and sends them. */
async function tellRound(items: IncomingEvent[], context: TellingContext): Promise<TellResult[]> {
  const results: TellResult[] = []
  const lookSignal = AbortSignal.timeout(context.timeLimitsMs.look)
  const ledger = context.ledger.withTimeout(context.timeLimitsMs.ledger)
  const read = await settleConcurrently(items, 10, async item => {
    const toldKey = await findToldKey(item.event, ledger)
    return toldKey ? { toldKey } : { alarm: await toAlarm(item, context, lookSignal) }
  })
  const tasks = new Map<string, AlarmTask>()
  for (const [index, item] of items.entries()) {
    const outcome = read[index]
    if (outcome?.status !== 'fulfilled') results.push({ item, status: 'failed', error: outcome?.reason })
    else if (outcome.value.toldKey)
      results.push({ item, status: 'had been told', key: outcome.value.toldKey })
    else if (outcome.value.alarm) mergeIntoTasks(tasks, outcome.value.alarm, item)
    else results.push({ item, status: 'nothing to tell' })
  }

  const { ok = [], failed = [] } = Object.groupBy(tasks.values(), ({ alarm }) =>
    alarm.severity === 'ok' ? 'ok' : 'failed',
  )
  // Failures come first, so that a recovery among these events ends a failure among them.
  const due = [...(await decideAll(failed, context, results)), ...(await decideAll(ok, context, results))]
  results.push(...(await sendAll(due, context)))

  // A failure that was told late may have ended before: a rotation succeeded meanwhile, but its recovery was not sent, as no
  // failure was open. So the recovery is sent now, after the failure.
  const over = due.filter(
    ({ alarm, open, claim }) => alarm.credential && !open && claim?.toldOutlets.size === OUTLETS.length,
  )
  await sendAll(over.map(toRecoveryTask(context.stack)), context)
  return results
}

/** Decides which tasks have to be sent, and returns them. The results of the others are added to `results`. */
async function decideAll(
  tasks: AlarmTask[],
  context: TellingContext,
  results: TellResult[],
): Promise<AlarmTask[]> {
  const ledger = context.ledger.withTimeout(context.timeLimitsMs.ledger)
  const decided = await settleConcurrently(tasks, 20, task => decide(task, ledger, context))
  return tasks.flatMap((task, index) => {
    const outcome = decided[index]
    if (outcome?.status === 'fulfilled' && outcome.value) return [outcome.value]
    if (outcome?.status !== 'fulfilled') results.push(...resultsOf(task, 'failed', outcome?.reason))
    else results.push(...resultsOf(task, task.alarm.severity === 'ok' ? 'nothing to tell' : 'had been told'))
    return []
  })
}

/** Makes the task that tells that the failure of another task has ended. */
const toRecoveryTask =
  (stack: StackInfo) =>
  ({ alarm }: AlarmTask): AlarmTask => {
    const [store = '', ...id] = (alarm.credential ?? '').split(' ')
    const recovery = recoveryAlarmOf({ store, id: id.join(' '), execution: '' }, {}, stack)
    return { alarm: { ...recovery, recoveredSeverities: [alarm.severity] }, items: [], open: true }
  }

/**
 * Adds an alarm to the tasks. If several events tell of the same failure, its task has the most severe alarm; if they tell of the
 * same recovery, the newest one.
 */
function mergeIntoTasks(tasks: Map<string, AlarmTask>, alarm: Alarm, item: IncomingEvent): void {
  const known = tasks.get(alarm.key)
  if (!known) tasks.set(alarm.key, { alarm, items: [item], open: false })
  else if (
    alarm.severity === 'ok' ? alarm.happenedAt > known.alarm.happenedAt : isWorse(alarm, known.alarm)
  ) {
    known.alarm = alarm
    known.items.unshift(item)
  } else known.items.push(item)
}

/** Whether only `one` of two alarms is critical. */
const isWorse = (one: Alarm, other: Alarm) => one.severity === 'critical' && other.severity !== 'critical'

/**
 * Makes the alarm that an event tells of; undefined if there is nothing to tell. A recovery is not verified here, because most
 * recoveries are not sent.
 * @throws TooEarly the execution has not announced the event yet, and SQS delivers the event for the first time
 */
async function toAlarm(
  item: IncomingEvent,
  context: TellingContext,
  signal: AbortSignal,
): Promise<Alarm | undefined> {
  const { event, redelivered } = item
  const success = readSuccess({ event, verdict: 'unknown' })
  if (success) return recoveryAlarmOf(success, event, context.stack)
  const verified = await verifyWithRetries(event, context.histories, signal, context.timeLimitsMs.retry)
  if (verified.verdict === 'early' && !redelivered)
    throw new TooEarly('the execution has not announced this yet')
  return readAlarm(verified, context.stack)
}

/**
 * The key of a failed execution whose alarm was sent already; undefined for any other event. A failure that Step Functions reports
 * has mostly been announced by its execution, and told. Then the execution's history need not be read.
 */
async function findToldKey(
  { source, detail, time }: EventBridgeEvent,
  ledger: Ledger,
): Promise<string | undefined> {
  const { executionArn, stateMachineArn } = detail ?? {}
  if (source !== 'aws.states' || !executionArn || !announcesFailures(stateMachineArn)) return undefined
  const key = `execution ${executionArn.split(':').at(-1)}`
  const wasTold = await ledger.wasTold(key, Date.parse(time ?? '') || Date.now()).catch(() => false)
  return wasTold ? key : undefined
}

/** Whether executions of a state machine announce their failures, as those of rotate-due and promote do not. */
const announcesFailures = (stateMachineArn = '') => !/-(rotate-due|promote)$/.test(stateMachineArn)

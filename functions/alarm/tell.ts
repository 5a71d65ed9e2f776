import { setTimeout as sleep } from 'node:timers/promises'
import { settleConcurrently } from '../../fleet/concurrency.ts'
import { TooEarly } from '../shared/queueBatch.ts'
import { type Alarm, downgradeToError, readAlarm, recoveryAlarmOf, type StackInfo } from './alarm.ts'
import type { EventBridgeEvent } from './event.ts'
import { readSuccess } from './failure.ts'
import type { Histories } from './histories.ts'
import { AlarmClaimed, type Claim, type Ledger, OUTLETS, type Outlet } from './ledger.ts'
import { laggingFindingOf, promotedFindingOf } from './replicaFindings.ts'
import { type VerifiedEvent, verifyEvent } from './verifyEvent.ts'

/** An event that is to be told of. `again`: it was taken before, and given back. */
export type IncomingEvent = { event: EventBridgeEvent; redelivered: boolean }

/** What telling needs, and how long it may take of each, in milliseconds. */
export type TellingContext = {
  /** Of which the calls of one step end after `patience.ledger`. */
  ledger: Pick<Ledger, 'withTimeout'>
  histories: Pick<Histories, 'lastEntered'>
  /** @throws whatever SNS throws */
  publish(alarm: Alarm): Promise<void>
  /** Tells as many as it can until `deadline`; calls `told` with each lot. @returns why the others were not told */
  post(
    alarms: Alarm[],
    deadline: number,
    told: (alarms: Alarm[]) => Promise<void>,
  ): Promise<Map<Alarm, Error>>
  stack: StackInfo
  log: { error(message: string, details: { error: unknown }): void }
  timeLimitsMs: { secondHandDelay: number; look: number; ledger: number; retry: number }
  /** When nothing is begun any more. */
  deadline: number
}

/** What became of an item. */
export type TellResult = {
  item: IncomingEvent
  status: 'told' | 'had been told' | 'nothing to tell' | 'failed'
  key?: string | undefined
  subject?: string
  error?: Error
}

/**
 * Tells whoever is on call of what the events report: once of each failure, however many events report it. What is
 * told by several events comes first from the one with the most detail: the others wait.
 */
export async function tellAll(items: IncomingEvent[], means: TellingContext): Promise<TellResult[]> {
  const first = items.filter(({ event }) => !isSecondHand(event))
  const results = await tellRound(first, means)
  const others = items.filter(({ event }) => isSecondHand(event))
  if (!others.length) return results
  const youngest = Math.max(
    ...others.map(({ event, redelivered }) => (redelivered ? 0 : Date.parse(event.time ?? '') || 0)),
  )
  const wait = youngest + means.timeLimitsMs.secondHandDelay - Date.now()
  if (wait > 0) await sleep(Math.min(wait, means.timeLimitsMs.secondHandDelay))
  return [...results, ...(await tellRound(others, means))]
}

/**
 * An execution that fails is announced by the state machine, with all that it knows, just before Step Functions and
 * Secrets Manager report it.
 */
const isSecondHand = ({ source }: EventBridgeEvent) =>
  source === 'aws.states' || source === 'aws.secretsmanager'

/** An alarm that is to be told, those of its outlets that are left, and the items that tell of it. */
type Task = { alarm: Alarm; items: IncomingEvent[]; claim?: Claim | undefined; open: boolean }

async function tellRound(items: IncomingEvent[], means: TellingContext): Promise<TellResult[]> {
  const results: TellResult[] = []
  const looking = AbortSignal.timeout(means.timeLimitsMs.look)
  const asking = means.ledger.withTimeout(means.timeLimitsMs.ledger)
  const read = await settleConcurrently(items, 10, async item => {
    const known = await findToldKey(item.event, asking)
    return known ? { known } : { alarm: await toAlarm(item, means, looking) }
  })
  const tasks = new Map<string, Task>()
  for (const [index, item] of items.entries()) {
    const outcome = read[index]
    if (outcome?.status !== 'fulfilled') results.push({ item, status: 'failed', error: outcome?.reason })
    else if (outcome.value.known) results.push({ item, status: 'had been told', key: outcome.value.known })
    else if (outcome.value.alarm) mergeIntoTasks(tasks, outcome.value.alarm, item)
    else results.push({ item, status: 'nothing to tell' })
  }
  const { ok = [], failed = [] } = Object.groupBy(tasks.values(), ({ alarm }) =>
    alarm.severity === 'ok' ? 'ok' : 'failed',
  )
  // A success makes up for a failure of the same lot.
  const due = [...(await decideAll(failed, means, results)), ...(await decideAll(ok, means, results))]
  results.push(...(await carryOut(due, means)))
  // Told late: a rotation has made up for it meanwhile, and whoever was told so then could not know of this.
  const over = due.filter(
    ({ alarm, open, claim }) => alarm.credential && !open && claim?.toldOutlets.size === OUTLETS.length,
  )
  await carryOut(over.map(toRecoveryTask(means.stack)), means)
  return results
}

/** @returns those that are to be told; what becomes of the others is added to `results` */
async function decideAll(lot: Task[], means: TellingContext, results: TellResult[]): Promise<Task[]> {
  const deciding = means.ledger.withTimeout(means.timeLimitsMs.ledger)
  const decided = await settleConcurrently(lot, 20, task => decide(task, deciding, means))
  return lot.flatMap((task, index) => {
    const outcome = decided[index]
    if (outcome?.status === 'fulfilled' && outcome.value) return [outcome.value]
    if (outcome?.status !== 'fulfilled') results.push(...resultsOf(task, 'failed', outcome?.reason))
    else results.push(...resultsOf(task, task.alarm.severity === 'ok' ? 'nothing to tell' : 'had been told'))
    return []
  })
}

const resultsOf = (
  { items, alarm: { key, subject } }: Task,
  told: TellResult['status'],
  error?: Error,
): TellResult[] => items.map(item => ({ item, status: told, key, subject, ...(error && { error }) }))

const toRecoveryTask =
  (guide: StackInfo) =>
  ({ alarm }: Task): Task => {
    const [store = '', ...id] = (alarm.credential ?? '').split(' ')
    const well = recoveryAlarmOf({ store, id: id.join(' '), execution: '' }, {}, guide)
    return { alarm: { ...well, recoveredSeverities: [alarm.severity] }, items: [], open: true }
  }

/** Of the events of one lot that tell of one failure, the most severe is the one to tell. */
function mergeIntoTasks(tasks: Map<string, Task>, alarm: Alarm, item: IncomingEvent): void {
  const known = tasks.get(alarm.key)
  if (!known) tasks.set(alarm.key, { alarm, items: [item], open: false })
  else if (
    alarm.severity === 'ok' ? alarm.happenedAt > known.alarm.happenedAt : isWorse(alarm, known.alarm)
  ) {
    known.alarm = alarm
    known.items.unshift(item)
  } else known.items.push(item)
}

const isWorse = (one: Alarm, other: Alarm) => one.severity === 'critical' && other.severity !== 'critical'

/** @throws TooEarly */
async function toAlarm(
  item: IncomingEvent,
  means: TellingContext,
  looking: AbortSignal,
): Promise<Alarm | undefined> {
  const { event, redelivered } = item
  const success = readSuccess({ event, verdict: 'unknown' })
  if (success) return recoveryAlarmOf(success, event, means.stack)
  const weighed = await verifyWithRetries(event, means, looking)
  if (weighed.verdict === 'early' && !redelivered)
    throw new TooEarly('the execution has not announced this yet')
  return readAlarm(weighed, means.stack)
}

/** What Step Functions reports was mostly announced and told: then nobody has to look at the execution. */
async function findToldKey(
  { source, detail, time }: EventBridgeEvent,
  ledger: Ledger,
): Promise<string | undefined> {
  const { executionArn, stateMachineArn } = detail ?? {}
  if (source !== 'aws.states' || !executionArn || !isRotation(stateMachineArn)) return undefined
  const key = `execution ${executionArn.split(':').at(-1)}`
  const known = await ledger.wasTold(key, Date.parse(time ?? '') || Date.now()).catch(() => false)
  return known ? key : undefined
}

/** Of the others nothing is announced where they fail. */
const isRotation = (stateMachineArn = '') => !/-(rotate-due|promote)$/.test(stateMachineArn)

/** The history may lag behind the event for a moment. */
async function verifyWithRetries(
  event: EventBridgeEvent,
  means: TellingContext,
  looking: AbortSignal,
): Promise<VerifiedEvent> {
  for (let tries = 1; ; tries++) {
    const weighed = await verifyEvent(event, means.histories, looking)
    if (weighed.verdict !== 'early' || tries === 3) return weighed
    await sleep(means.timeLimitsMs.retry)
  }
}

/** @returns what is to be told; undefined if that was done. @throws AlarmClaimed, TooEarly */
async function decide(task: Task, ledger: Ledger, means: TellingContext): Promise<Task | undefined> {
  if (task.alarm.severity === 'ok') return decideSuccess(task, ledger, means)
  // An alarm told twice is better than one that waits for DynamoDB.
  const ask = <T>(work: Promise<T>, otherwise: T): Promise<T> =>
    work.catch(error => {
      if (error instanceof AlarmClaimed) throw error
      means.log.error('the ledger failed, so this may be told twice', { error })
      return otherwise
    })
  let { alarm } = task
  if (alarm.preexistingKey && !(await ask(ledger.isFirstToFind(alarm.preexistingKey, alarm.key), true)))
    alarm = downgradeToError(alarm)
  const { findings, toldOnlyOnce } = alarm
  if (
    findings &&
    !(await ask(ledger.untoldFindings(findings, alarm.happenedAt, toldOnlyOnce), findings)).length
  ) {
    // It is not told again for as long as it is found.
    if (toldOnlyOnce) await ask(ledger.markFindingsTold(findings, alarm.happenedAt, toldOnlyOnce), undefined)
    // Whoever reports this execution as well may not be able to tell what it failed with.
    const names = alarm.otherKeys.length ? [alarm.key, ...alarm.otherKeys] : []
    for (const key of names) await ask(ledger.markTold(key, alarm.happenedAt), undefined)
    return undefined
  }
  if (
    alarm.reportedExecution &&
    !(await ask(ledger.isFirstOfGroup(alarm.reportedExecution, alarm.key), true))
  )
    return undefined
  const untold: Claim = { key: alarm.key, claimedBy: '', toldOutlets: new Set() }
  const claim = await ask(ledger.claim(alarm.key, alarm.happenedAt, alarm.severity), untold)
  if (!claim) return undefined
  if (alarm.topicTold) claim.toldOutlets.add('topic')
  const open = alarm.credential
    ? await ask(
        ledger.openFailure(alarm.credential, alarm.happenedAt, alarm.severity, isOfReplicas(alarm)),
        true,
      )
    : false
  return { ...task, alarm, claim, open: open || !alarm.credential }
}

/** Whether it is only that replicas do not follow: then it is over when they do. */
const isOfReplicas = ({ credential = '', findings = [], coveredFindings = [] }: Alarm) =>
  [...findings, ...coveredFindings].includes(laggingFindingOf(credential))

/** That a credential is well again is told if it was not, and if its execution bears it out. */
async function decideSuccess(task: Task, ledger: Ledger, means: TellingContext): Promise<Task | undefined> {
  const { alarm, items } = task
  const claim = await ledger.claimRecovery(alarm.credential ?? '', alarm.happenedAt, alarm.replicasFollowed)
  if (!claim) return undefined
  const event = items[0]?.event ?? {}
  const weighed = await verifyWithRetries(event, means, AbortSignal.timeout(means.timeLimitsMs.look))
  const success = readSuccess(weighed)
  const proven =
    success && weighed.verdict === 'proven' && recoveryAlarmOf(success, weighed.event, means.stack)
  if (proven && proven.credential === alarm.credential && proven.happenedAt >= claim.failedAt)
    return { ...task, alarm: { ...proven, recoveredSeverities: claim.severities }, claim, open: true }
  await ledger.releaseClaim(claim).catch(() => {})
  if (weighed.verdict === 'denied' || proven) return undefined
  throw new TooEarly('whether the rotation went well could not be looked up')
}

/** Tells each outlet, whatever becomes of the other, and notes what each of them knows. */
async function carryOut(tasks: Task[], means: TellingContext): Promise<TellResult[]> {
  const failures = new Map<Task, Error>()
  const noting = new Set<Promise<void>>()
  const note = async (task: Task, outlet: Outlet) => {
    const { claim } = task
    if (!claim) return
    claim.toldOutlets.add(outlet)
    if (!claim.claimedBy) return
    const ledger = means.ledger.withTimeout(means.timeLimitsMs.ledger)
    const work = ledger
      .markOutletTold(claim, outlet)
      .catch(error => means.log.error('the ledger failed', { error }))
    noting.add(work)
  }
  const left = (outlet: Outlet) => tasks.filter(({ claim }) => !claim?.toldOutlets.has(outlet))
  const topic = settleConcurrently(left('topic'), 10, async task => {
    try {
      if (Date.now() > means.deadline) throw new Error('no time is left')
      await means.publish(task.alarm)
      await note(task, 'topic')
    } catch (error) {
      failures.set(task, error as Error)
    }
  })
  const webhook = (async () => {
    const due = new Map(left('webhook').map(task => [task.alarm, task]))
    if (!due.size) return
    const told = async (alarms: Alarm[]) => {
      for (const alarm of alarms) await note(due.get(alarm) as Task, 'webhook')
    }
    try {
      const failed = await means.post([...due.keys()], means.deadline, told)
      for (const [alarm, error] of failed) failures.set(due.get(alarm) as Task, error)
    } catch (error) {
      for (const task of due.values())
        if (!task.claim?.toldOutlets.has('webhook')) failures.set(task, error as Error)
    }
  })()
  await Promise.all([topic, webhook])
  await Promise.all(noting)
  const finishing = means.ledger.withTimeout(means.timeLimitsMs.ledger)
  await settleConcurrently(tasks, 20, task => finish(task, !failures.has(task), finishing, means))
  return tasks.flatMap(task => resultsOf(task, failures.has(task) ? 'failed' : 'told', failures.get(task)))
}

/** Writes down what follows from having told everybody; or lets go of the claim, so that the next try need not wait. */
async function finish(
  { alarm, claim }: Task,
  done: boolean,
  ledger: Ledger,
  means: TellingContext,
): Promise<void> {
  try {
    if (!done) {
      if (claim?.claimedBy) await ledger.releaseClaim(claim)
      return
    }
    if (alarm.severity === 'ok') {
      if (claim) await ledger.closeFailure(claim, alarm.happenedAt)
      // What is found again later today is another failure.
      const { credential } = alarm
      if (credential) await ledger.markFindingsUntold([laggingFindingOf(credential)], alarm.happenedAt)
      if (credential) await ledger.markFindingsUntold([promotedFindingOf(credential)], alarm.happenedAt, true)
      return
    }
    for (const key of alarm.otherKeys) await ledger.markTold(key, alarm.happenedAt)
    await ledger.markFindingsTold(
      [...(alarm.findings ?? []), ...(alarm.coveredFindings ?? [])],
      alarm.happenedAt,
      alarm.toldOnlyOnce,
    )
  } catch (error) {
    means.log.error('the ledger failed, so this may be told twice', { error })
  }
}

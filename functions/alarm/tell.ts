import { setTimeout as sleep } from 'node:timers/promises'
import { settled } from '../../fleet/pool.ts'
import { TooEarly } from '../shared/batch.ts'
import { type Alarm, type Guide, lessened, readAlarm, wellAgain } from './alarm.ts'
import { promotedOf, replicasOf } from './elsewhere.ts'
import type { Event } from './event.ts'
import { type Weighed, weigh } from './evidence.ts'
import { readSuccess } from './failure.ts'
import type { Histories } from './histories.ts'
import { AlarmClaimed, type Claim, type Ledger, type Outlet, outlets } from './ledger.ts'

/** An event that is to be told of. `again`: it was taken before, and given back. */
export type Item = { event: Event; again: boolean }

/** What telling needs, and how long it may take of each, in milliseconds. */
export type Means = {
  /** Of which the calls of one step end after `patience.ledger`. */
  ledger: Pick<Ledger, 'within'>
  histories: Pick<Histories, 'last'>
  /** @throws whatever SNS throws */
  publish(alarm: Alarm): Promise<void>
  /** Tells as many as it can until `deadline`; calls `told` with each lot. @returns why the others were not told */
  post(
    alarms: Alarm[],
    deadline: number,
    told: (alarms: Alarm[]) => Promise<void>,
  ): Promise<Map<Alarm, Error>>
  guide: Guide
  log: { error(message: string, details: { error: unknown }): void }
  patience: { giveWay: number; look: number; ledger: number; retry: number }
  /** When nothing is begun any more. */
  deadline: number
}

/** What became of an item. */
export type Result = {
  item: Item
  told: 'told' | 'had been told' | 'nothing to tell' | 'failed'
  key?: string | undefined
  subject?: string
  error?: Error
}

/**
 * Tells whoever is on call of what the events report: once of each failure, however many events report it. What is
 * told by several events comes first from the one with the most detail: the others wait.
 */
export async function tellAll(items: Item[], means: Means): Promise<Result[]> {
  const first = items.filter(({ event }) => !isOutdone(event))
  const results = await tellRound(first, means)
  const others = items.filter(({ event }) => isOutdone(event))
  if (!others.length) return results
  const youngest = Math.max(
    ...others.map(({ event, again }) => (again ? 0 : Date.parse(event.time ?? '') || 0)),
  )
  const wait = youngest + means.patience.giveWay - Date.now()
  if (wait > 0) await sleep(Math.min(wait, means.patience.giveWay))
  return [...results, ...(await tellRound(others, means))]
}

/**
 * An execution that fails is announced by the state machine, with all that it knows, just before Step Functions and
 * Secrets Manager report it.
 */
const isOutdone = ({ source }: Event) => source === 'aws.states' || source === 'aws.secretsmanager'

/** An alarm that is to be told, those of its outlets that are left, and the items that tell of it. */
type Task = { alarm: Alarm; items: Item[]; claim?: Claim | undefined; open: boolean }

async function tellRound(items: Item[], means: Means): Promise<Result[]> {
  const results: Result[] = []
  const looking = AbortSignal.timeout(means.patience.look)
  const asking = means.ledger.within(means.patience.ledger)
  const read = await settled(items, 10, async item => {
    const known = await knownKey(item.event, asking)
    return known ? { known } : { alarm: await toAlarm(item, means, looking) }
  })
  const tasks = new Map<string, Task>()
  for (const [index, item] of items.entries()) {
    const outcome = read[index]
    if (outcome?.status !== 'fulfilled') results.push({ item, told: 'failed', error: outcome?.reason })
    else if (outcome.value.known) results.push({ item, told: 'had been told', key: outcome.value.known })
    else if (outcome.value.alarm) join(tasks, outcome.value.alarm, item)
    else results.push({ item, told: 'nothing to tell' })
  }
  const { ok = [], failed = [] } = Object.groupBy(tasks.values(), ({ alarm }) =>
    alarm.severity === 'ok' ? 'ok' : 'failed',
  )
  // A success makes up for a failure of the same lot.
  const due = [...(await decideAll(failed, means, results)), ...(await decideAll(ok, means, results))]
  results.push(...(await carryOut(due, means)))
  // Told late: a rotation has made up for it meanwhile, and whoever was told so then could not know of this.
  const over = due.filter(
    ({ alarm, open, claim }) => alarm.credential && !open && claim?.told.size === outlets.length,
  )
  await carryOut(over.map(wellMeanwhile(means.guide)), means)
  return results
}

/** @returns those that are to be told; what becomes of the others is added to `results` */
async function decideAll(lot: Task[], means: Means, results: Result[]): Promise<Task[]> {
  const deciding = means.ledger.within(means.patience.ledger)
  const decided = await settled(lot, 20, task => decide(task, deciding, means))
  return lot.flatMap((task, index) => {
    const outcome = decided[index]
    if (outcome?.status === 'fulfilled' && outcome.value) return [outcome.value]
    if (outcome?.status !== 'fulfilled') results.push(...ended(task, 'failed', outcome?.reason))
    else results.push(...ended(task, task.alarm.severity === 'ok' ? 'nothing to tell' : 'had been told'))
    return []
  })
}

const ended = ({ items, alarm: { key, subject } }: Task, told: Result['told'], error?: Error): Result[] =>
  items.map(item => ({ item, told, key, subject, ...(error && { error }) }))

const wellMeanwhile =
  (guide: Guide) =>
  ({ alarm }: Task): Task => {
    const [store = '', ...id] = (alarm.credential ?? '').split(' ')
    const well = wellAgain({ store, id: id.join(' '), execution: '' }, {}, guide)
    return { alarm: { ...well, severities: [alarm.severity] }, items: [], open: true }
  }

/** Of the events of one lot that tell of one failure, the most severe is the one to tell. */
function join(tasks: Map<string, Task>, alarm: Alarm, item: Item): void {
  const known = tasks.get(alarm.key)
  if (!known) tasks.set(alarm.key, { alarm, items: [item], open: false })
  else if (alarm.severity === 'ok' ? alarm.at > known.alarm.at : isWorse(alarm, known.alarm)) {
    known.alarm = alarm
    known.items.unshift(item)
  } else known.items.push(item)
}

const isWorse = (one: Alarm, other: Alarm) => one.severity === 'critical' && other.severity !== 'critical'

/** @throws TooEarly */
async function toAlarm(item: Item, means: Means, looking: AbortSignal): Promise<Alarm | undefined> {
  const { event, again } = item
  const success = readSuccess({ event, worth: 'unknown' })
  if (success) return wellAgain(success, event, means.guide)
  const weighed = await look(event, means, looking)
  if (weighed.worth === 'early' && !again) throw new TooEarly('the execution has not announced this yet')
  return readAlarm(weighed, means.guide)
}

/** What Step Functions reports was mostly announced and told: then nobody has to look at the execution. */
async function knownKey({ source, detail, time }: Event, ledger: Ledger): Promise<string | undefined> {
  const { executionArn, stateMachineArn } = detail ?? {}
  if (source !== 'aws.states' || !executionArn || !isRotation(stateMachineArn)) return undefined
  const key = `execution ${executionArn.split(':').at(-1)}`
  const known = await ledger.knows(key, Date.parse(time ?? '') || Date.now()).catch(() => false)
  return known ? key : undefined
}

/** Of the others nothing is announced where they fail. */
const isRotation = (stateMachineArn = '') => !/-(rotate-due|promote)$/.test(stateMachineArn)

/** The history may lag behind the event for a moment. */
async function look(event: Event, means: Means, looking: AbortSignal): Promise<Weighed> {
  for (let tries = 1; ; tries++) {
    const weighed = await weigh(event, means.histories, looking)
    if (weighed.worth !== 'early' || tries === 3) return weighed
    await sleep(means.patience.retry)
  }
}

/** @returns what is to be told; undefined if that was done. @throws AlarmClaimed, TooEarly */
async function decide(task: Task, ledger: Ledger, means: Means): Promise<Task | undefined> {
  if (task.alarm.severity === 'ok') return decideSuccess(task, ledger, means)
  // An alarm told twice is better than one that waits for DynamoDB.
  const ask = <T>(work: Promise<T>, otherwise: T): Promise<T> =>
    work.catch(error => {
      if (error instanceof AlarmClaimed) throw error
      means.log.error('the ledger failed, so this may be told twice', { error })
      return otherwise
    })
  let { alarm } = task
  if (alarm.standing && !(await ask(ledger.isNews(alarm.standing, alarm.key), true))) alarm = lessened(alarm)
  const { late, lasting } = alarm
  if (late && !(await ask(ledger.unheard(late, alarm.at, lasting), late)).length) {
    // It is not told again for as long as it is found.
    if (lasting) await ask(ledger.hear(late, alarm.at, lasting), undefined)
    // Whoever reports this execution as well may not be able to tell what it failed with.
    const names = alarm.also.length ? [alarm.key, ...alarm.also] : []
    for (const key of names) await ask(ledger.silence(key, alarm.at), undefined)
    return undefined
  }
  if (alarm.reported && !(await ask(ledger.leads(alarm.reported, alarm.key), true))) return undefined
  const untold: Claim = { key: alarm.key, by: '', told: new Set() }
  const claim = await ask(ledger.claim(alarm.key, alarm.at, alarm.severity), untold)
  if (!claim) return undefined
  if (alarm.topicTold) claim.told.add('topic')
  const open = alarm.credential
    ? await ask(ledger.open(alarm.credential, alarm.at, alarm.severity, isOfReplicas(alarm)), true)
    : false
  return { ...task, alarm, claim, open: open || !alarm.credential }
}

/** Whether it is only that replicas do not follow: then it is over when they do. */
const isOfReplicas = ({ credential = '', late = [], heard = [] }: Alarm) =>
  [...late, ...heard].includes(replicasOf(credential))

/** That a credential is well again is told if it was not, and if its execution bears it out. */
async function decideSuccess(task: Task, ledger: Ledger, means: Means): Promise<Task | undefined> {
  const { alarm, items } = task
  const claim = await ledger.mend(alarm.credential ?? '', alarm.at, alarm.everywhere)
  if (!claim) return undefined
  const event = items[0]?.event ?? {}
  const weighed = await look(event, means, AbortSignal.timeout(means.patience.look))
  const success = readSuccess(weighed)
  const proven = success && weighed.worth === 'proven' && wellAgain(success, weighed.event, means.guide)
  if (proven && proven.credential === alarm.credential && proven.at >= claim.failedAt)
    return { ...task, alarm: { ...proven, severities: claim.severities }, claim, open: true }
  await ledger.release(claim).catch(() => {})
  if (weighed.worth === 'denied' || proven) return undefined
  throw new TooEarly('whether the rotation went well could not be looked up')
}

/** Tells each outlet, whatever becomes of the other, and notes what each of them knows. */
async function carryOut(tasks: Task[], means: Means): Promise<Result[]> {
  const failures = new Map<Task, Error>()
  const noting = new Set<Promise<void>>()
  const note = async (task: Task, outlet: Outlet) => {
    const { claim } = task
    if (!claim) return
    claim.told.add(outlet)
    if (!claim.by) return
    const ledger = means.ledger.within(means.patience.ledger)
    const work = ledger.note(claim, outlet).catch(error => means.log.error('the ledger failed', { error }))
    noting.add(work)
  }
  const left = (outlet: Outlet) => tasks.filter(({ claim }) => !claim?.told.has(outlet))
  const topic = settled(left('topic'), 10, async task => {
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
        if (!task.claim?.told.has('webhook')) failures.set(task, error as Error)
    }
  })()
  await Promise.all([topic, webhook])
  await Promise.all(noting)
  const finishing = means.ledger.within(means.patience.ledger)
  await settled(tasks, 20, task => finish(task, !failures.has(task), finishing, means))
  return tasks.flatMap(task => ended(task, failures.has(task) ? 'failed' : 'told', failures.get(task)))
}

/** Writes down what follows from having told everybody; or lets go of the claim, so that the next try need not wait. */
async function finish({ alarm, claim }: Task, done: boolean, ledger: Ledger, means: Means): Promise<void> {
  try {
    if (!done) {
      if (claim?.by) await ledger.release(claim)
      return
    }
    if (alarm.severity === 'ok') {
      if (claim) await ledger.close(claim, alarm.at)
      // What is found again later today is another failure.
      const { credential } = alarm
      if (credential) await ledger.forget([replicasOf(credential)], alarm.at)
      if (credential) await ledger.forget([promotedOf(credential)], alarm.at, true)
      return
    }
    for (const key of alarm.also) await ledger.silence(key, alarm.at)
    await ledger.hear([...(alarm.late ?? []), ...(alarm.heard ?? [])], alarm.at, alarm.lasting)
  } catch (error) {
    means.log.error('the ledger failed, so this may be told twice', { error })
  }
}

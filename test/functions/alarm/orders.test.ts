import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { StateName } from '../../../fleet/states.ts'
import type { Alarm } from '../../../functions/alarm/alarm.ts'
import { readEvent } from '../../../functions/alarm/event.ts'
import { type EnteredState, NotLooked } from '../../../functions/alarm/histories.ts'
import { Ledger } from '../../../functions/alarm/ledger.ts'
import { LedgerTable } from '../../../functions/alarm/ledgerTable.ts'
import type { TellingContext } from '../../../functions/alarm/task.ts'
import { tellAll } from '../../../functions/alarm/tell.ts'
import {
  executionArn,
  executionFailedEvent,
  lockedOutEvent,
  rotationFailedEvent,
} from '../../support/alarmEvents.ts'
import { guide } from './reading.ts'
import { tableIn } from './table.ts'

/** What can happen to a call: it fails before or after its effect, hangs, or the function dies in it. */
const faults = ['ok', 'before', 'after', 'hangs', 'dies before', 'dies after'] as const
type Fault = (typeof faults)[number]

/** A failure: its severity, and who reports it, perhaps more than once. */
type Failure = { critical: boolean; announced: number; ended: number }
type Message = { event: object; failure: number; visibleAt: number; tries: number }

const base = Date.parse('2026-11-21T10:00:00Z')
const arnOf = (n: number) => `${executionArn}-${n}`

function eventsOf({ critical, announced: times, ended }: Failure, n: number): object[] {
  const event = critical ? lockedOutEvent : rotationFailedEvent
  const said = {
    ...event,
    id: `announced-${n}`,
    detail: { ...event.detail, execution: arnOf(n), rotation: rotationOf(critical, n) },
  }
  const status = executionFailedEvent(
    'FAILED',
    ...(critical ? ['LockedOut', 'rollbackSecret: no'] : ['TestFailed', 'testSecret: no']),
  )
  const end = { ...status, id: `ended-${n}`, detail: { ...status.detail, executionArn: arnOf(n) } }
  return [...Array(times).fill(said), ...Array(ended).fill(end)]
}
const rotationOf = (critical: boolean, n: number) => ({
  ...(critical ? lockedOutEvent : rotationFailedEvent).detail.rotation,
  id: `secret-${n}`,
})

class World {
  readonly told: { outlet: 'topic' | 'webhook'; failure: number; severity: string }[] = []
  hit = 0
  now = base
  readonly #items = new Map()
  readonly #failures: Failure[]
  readonly #faults: Fault[]

  constructor(failures: Failure[], faults: Fault[]) {
    this.#failures = failures
    this.#faults = [...faults]
  }

  /** Runs one invocation. @returns the indexes of the events to deliver again, which are all if the function dies */
  async invoke(messages: Message[]): Promise<number[]> {
    let dies = () => {}
    const death = new Promise<'dead'>(resolve => {
      dies = () => resolve('dead')
    })
    let dead = false
    const around = async <T>(call: () => T): Promise<T> => {
      if (dead) return new Promise<never>(() => {})
      const fault = this.#faults.shift() ?? 'ok'
      if (fault !== 'ok') this.hit++
      const result = fault === 'before' || fault === 'hangs' || fault === 'dies before' ? undefined : call()
      if (fault.startsWith('dies')) {
        dead = true
        dies()
      }
      if (fault === 'hangs' || fault.startsWith('dies')) return new Promise<never>(() => {})
      if (fault !== 'ok') throw new Error(fault)
      return result as T
    }
    const items = messages.map(({ event, tries }) => ({ event: readEvent(event), redelivered: tries > 1 }))
    const run = tellAll(items, this.#means(around))
    const results = await Promise.race([run, death])
    if (results === 'dead') return messages.map((_, index) => index)
    return results.flatMap(({ item, error }) => (error ? [items.indexOf(item)] : []))
  }

  #means(around: <T>(call: () => T) => Promise<T>): TellingContext {
    const tell = (outlet: 'topic' | 'webhook', alarm: Alarm) =>
      this.told.push({
        outlet,
        failure: Number(new Map(alarm.facts).get('Execution')?.slice(executionArn.length + 1)),
        severity: alarm.severity,
      })
    return {
      ledger: new Ledger(new LedgerTable(tableIn(this.#items, around), 'alarms'), () => this.now),
      histories: { lastEntered: (arn, wanted, signal) => this.#history(arn, wanted, signal, around) },
      publish: alarm => limited(around(() => void tell('topic', alarm))),
      async post(alarms, _, told) {
        const failed = new Map<Alarm, Error>()
        for (const alarm of alarms)
          try {
            await limited(around(() => void tell('webhook', alarm)))
            await told([alarm])
          } catch (error) {
            failed.set(alarm, error as Error)
          }
        return failed
      },
      stack: guide,
      log: { error() {} },
      timeLimitsMs: { secondHandDelay: 0, look: 8, ledger: 4, retry: 0 },
      deadline: Number.POSITIVE_INFINITY,
    }
  }

  async #history(
    arn: string,
    wanted: (entered: EnteredState) => boolean,
    signal: AbortSignal,
    around: <T>(call: () => T) => Promise<T>,
  ): Promise<EnteredState | 'none'> {
    const n = Number(arn.slice(executionArn.length + 1))
    const failure = this.#failures[n]
    const input = rotationOf(Boolean(failure?.critical), n)
    const states: StateName[] = failure?.critical
      ? ['RollbackFailed', 'AnnounceLockout']
      : ['RotationFailed', 'AnnounceFailure']
    const look = around(
      () => states.map(state => ({ state, input, at: base })).find(wanted) ?? ('none' as const),
    )
    const aborted = new Promise<never>((_, reject) => {
      if (signal.aborted) reject(new Error('aborted'))
      signal.addEventListener('abort', () => reject(new Error('aborted')))
    })
    return Promise.race([look, aborted]).catch(error => {
      throw new NotLooked(error.message)
    })
  }
}

/** Plays the clients of SNS and of the webhook, in which a call that hangs fails after a while. */
const limited = <T>(work: Promise<T>): Promise<T> =>
  Promise.race([work, new Promise<never>((_, reject) => setTimeout(() => reject(new Error('timeout')), 3))])

const failures = fc.array(
  fc
    .record({
      critical: fc.boolean(),
      announced: fc.integer({ min: 0, max: 2 }),
      ended: fc.integer({ min: 0, max: 2 }),
    })
    .filter(({ announced, ended }) => announced + ended > 0),
  { minLength: 1, maxLength: 3 },
)
const plan = fc.array(
  fc.oneof({ weight: 4, arbitrary: fc.constant<Fault>('ok') }, fc.constantFrom(...faults)),
  { maxLength: 25 },
)
const shuffle = fc.array(fc.nat(1_000), { minLength: 20, maxLength: 20 })

/** Delivers every event, in the order and batches that `order` says, until none is to be delivered again. */
async function deliver(world: World, messages: Message[], order: number[]): Promise<void> {
  let queue = messages
  for (let round = 0; queue.length; round++) {
    // The queues give up after ten tries, which these faults do not reach.
    if (round > 60) throw new Error('it never ends')
    world.now = Math.max(world.now, Math.min(...queue.map(({ visibleAt }) => visibleAt)))
    const due = queue.filter(({ visibleAt }) => visibleAt <= world.now)
    const sorted = due.toSorted((a, b) => rank(order, queue.indexOf(a)) - rank(order, queue.indexOf(b)))
    // Two invocations at a time.
    const middle = (order[round % order.length] ?? 0) % (sorted.length + 1)
    const lots = [sorted.slice(0, middle), sorted.slice(middle)].filter(({ length }) => length)
    const again = await Promise.all(
      lots.map(async lot => {
        for (const message of lot) message.tries++
        const places = await world.invoke(lot)
        return places.map(place => lot[place] as Message)
      }),
    )
    const back = again.flat()
    for (const message of back) message.visibleAt = world.now + 70_000
    queue = [...queue.filter(message => !due.includes(message)), ...back]
    world.now += 1_000
  }
}
const rank = (order: number[], index: number) => order[index % order.length] ?? 0

async function play(failures: Failure[], faults: Fault[], order: number[]): Promise<World> {
  const world = new World(failures, faults)
  const messages = failures.flatMap((failure, n) =>
    eventsOf(failure, n).map((event, index) => ({
      event,
      failure: n,
      // Some are delivered late, by up to minutes.
      visibleAt: base + ((order[(n + index) % order.length] ?? 0) % 4) * 40_000,
      tries: 0,
    })),
  )
  await deliver(world, messages, order)
  return world
}

function expectTold(world: World, failures: Failure[]): void {
  for (const [n, { critical }] of failures.entries())
    for (const outlet of ['topic', 'webhook'] as const) {
      const told = world.told.filter(one => one.failure === n && one.outlet === outlet)
      // Every failure was told, and every critical one as critical.
      expect(told.map(({ severity }) => severity)).toContain(critical ? 'critical' : 'error')
      // One fault can cause a second message, and not a third.
      expect(told.length).toBeLessThanOrEqual(1 + world.hit)
    }
}

test('without a fault each failure is told once to each outlet, in whatever order its events come', async () => {
  await fc.assert(
    fc.asyncProperty(failures, shuffle, async (failures, order) => {
      const world = await play(failures, [], order)
      expectTold(world, failures)
    }),
    { numRuns: 300 },
  )
}, 120_000)

test('with one fault anywhere, a failure has at most two messages', async () => {
  const one = fc.tuple(fc.nat(30), fc.constantFrom(...faults.slice(1)))
  await fc.assert(
    fc.asyncProperty(failures, one, shuffle, async (failures, [place, fault], order) => {
      const world = await play(failures, [...Array<Fault>(place).fill('ok'), fault], order)
      expectTold(world, failures)
    }),
    { numRuns: 700 },
  )
}, 120_000)

test('with faults in all calls and orders, each failure is told, and each critical one as critical', async () => {
  await fc.assert(
    fc.asyncProperty(failures, plan, shuffle, async (failures, faults, order) => {
      const world = await play(failures, faults, order)
      expectTold(world, failures)
    }),
    { numRuns: 700 },
  )
}, 120_000)

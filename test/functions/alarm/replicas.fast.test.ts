import { expect, test } from 'vitest'
import type { StateName } from '../../../fleet/states.ts'
import { type EventBridgeEvent, readEvent } from '../../../functions/alarm/event.ts'
import { NotLooked } from '../../../functions/alarm/histories.ts'
import { Ledger } from '../../../functions/alarm/ledger.ts'
import { LedgerTable } from '../../../functions/alarm/ledgerTable.ts'
import type { TellingContext } from '../../../functions/alarm/task.ts'
import { tellAll } from '../../../functions/alarm/tell.ts'
import {
  causeOf,
  executionArn,
  executionFailedEvent,
  laggingReplicasEvent,
  leftOpenEvent,
  lockedOutEvent,
  managedRotationFailedEvent,
  promotedElsewhereEvent,
  promotedFoundEvent,
  replicasBehindEvent,
  replicatedEvent,
  rotatedEvent,
  rotationFailedEvent,
  rotationRefusedEvent,
} from '../../support/alarmEvents.ts'
import { guide } from './reading.ts'
import { tableIn } from './table.ts'

const minute = 60_000
const day = 24 * 60 * minute
const start = Date.parse('2026-11-21T09:00:00Z')

/** The messages that went out, and raiseAlarm's ledger. */
class OnCall {
  readonly #items = new Map()
  readonly #told: string[] = []
  /** Whether histories cannot be read. */
  seesNothing = false
  /** The histories by execution: which state announced what. */
  readonly #histories = new Map<string, { state: StateName; input: unknown }>()

  /** Delivers events so many milliseconds after the start. Their histories prove them unless `forged`. @returns the messages */
  async hears(events: object[], after: number, forged = false): Promise<string[]> {
    const now = start + after
    const items = events.map(event => {
      const raw = { ...event, id: `${Math.random()}`, time: new Date(now).toISOString() }
      const read = readEvent(raw)
      if (!forged) this.#remember(read)
      return { event: read, redelivered: true }
    })
    const results = await tellAll(items, this.#means(now))
    expect(results.flatMap(({ error }) => error ?? [])).toEqual([])
    return this.#told.splice(0)
  }

  #remember({ detail = {}, 'detail-type': type }: EventBridgeEvent): void {
    const { execution: arn = detail.executionArn ?? '', rotation, late, store, id } = detail
    const states: Record<string, StateName> = {
      'Credential Rotation Failed': detail.severity === 'critical' ? 'AnnounceLockout' : 'AnnounceFailure',
      'Credential Replicas Behind': 'AnnounceReplicasBehind',
      'Credential Replicated': 'AnnounceReplicated',
      'Credential Rotated': 'AnnounceSuccess',
      'Credentials Late': 'AnnounceLate',
    }
    const state = states[type ?? '']
    if (state) this.#histories.set(arn, { state, input: rotation ?? late ?? { store, id } })
  }

  #means = (now: number): TellingContext => ({
    ledger: new Ledger(
      new LedgerTable(
        tableIn(this.#items, async call => call()),
        'alarms',
      ),
      () => now,
    ),
    histories: {
      lastEntered: async arn => {
        if (this.seesNothing) throw new NotLooked('too slow')
        const found = this.#histories.get(arn)
        return found ? { ...found, at: now } : 'none'
      },
    },
    publish: async ({ subject }) => void this.#told.push(subject),
    post: async (alarms, _, told) => {
      await told(alarms)
      return new Map()
    },
    stack: guide,
    log: { error: message => this.#told.push(message) },
    timeLimitsMs: { secondHandDelay: 0, look: 1000, ledger: 1000, retry: 0 },
    deadline: Number.POSITIVE_INFINITY,
  })
}

const behind = 'ERROR ReplicasBehind: secret shop/database was rotated, and a replica does not follow'
const refusal = 'ERROR ReplicasBehind: rotation of secret shop/database failed'
const reminder = 'ERROR ReplicasBehind: 1 credentials have a replica that does not follow'
const well = 'OK: secret shop/database was rotated, and every Region has it'

/** The events about a refused try: its own, Step Functions', and Secrets Manager's. */
function tryOf(n: number, event: typeof rotationRefusedEvent = rotationRefusedEvent): object[] {
  const arn = `${executionArn}-${n}`
  const { Error: error, Cause: cause } = event.detail.rotation.failure
  const status = executionFailedEvent('FAILED', error, cause)
  return [
    { ...event, detail: { ...event.detail, execution: arn } },
    { ...status, detail: { ...status.detail, executionArn: arn } },
    managedRotationFailedEvent,
  ]
}
/** The event of a run that finds replicas behind, each time with another reason. */
const found = (n: number) => ({
  ...laggingReplicasEvent,
  detail: {
    execution: `${laggingReplicasEvent.detail.execution}${n}`,
    late: { count: 1, names: [`secrets-manager shop/database: the ${n}th reason`], behind: true },
  },
})

test('a replica that is behind is told at once, and then once a day, whatever reports it', async () => {
  const onCall = new OnCall()
  expect(await onCall.hears([replicasBehindEvent], 0)).toEqual([behind])
  expect(await onCall.hears(tryOf(2), 60 * minute)).toEqual([])
  expect(await onCall.hears([found(0)], 70 * minute)).toEqual([])
  // On the next day a run reports first, then tries that Secrets Manager repeats.
  expect(await onCall.hears([found(1)], day)).toEqual([reminder])
  expect(await onCall.hears([found(2)], day + 15 * minute)).toEqual([])
  for (const n of [3, 4, 5]) expect(await onCall.hears(tryOf(n), day + n * 60 * minute)).toEqual([])
  // Without a run, a try reports it.
  expect(await onCall.hears(tryOf(6), 2 * day)).toEqual([refusal])
  expect(await onCall.hears(tryOf(7), 2 * day + 60 * minute)).toEqual([])
})

test('if its own event is silenced, so is Step Functions’ event, even if the history cannot be read', async () => {
  const onCall = new OnCall()
  expect(await onCall.hears([replicasBehindEvent], 0)).toEqual([behind])
  const [announcement, status] = tryOf(2) as [object, object]
  expect(await onCall.hears([announcement], 60 * minute)).toEqual([])
  onCall.seesNothing = true
  expect(await onCall.hears([status], 60 * minute + 20_000)).toEqual([])
})

test('the event that replicas are in sync closes the failure, and one on the same day is told again', async () => {
  const onCall = new OnCall()
  expect(await onCall.hears([replicasBehindEvent], 0)).toEqual([behind])
  expect(await onCall.hears([replicatedEvent], 20 * minute)).toEqual([well])
  expect(await onCall.hears(tryOf(2), 60 * minute)).toEqual([refusal])
  // Another rotation succeeds, and its replicas are behind again.
  const next = {
    ...replicasBehindEvent,
    detail: { ...replicasBehindEvent.detail, execution: `${executionArn}-3` },
  }
  expect(await onCall.hears([next], 90 * minute)).toEqual([behind])
})

test('a refusal that was told is closed by a later rotation', async () => {
  const onCall = new OnCall()
  expect(await onCall.hears(tryOf(2), 0)).toEqual([refusal])
  expect(await onCall.hears([replicatedEvent], 60 * minute)).toEqual([well])
})

test('another failure meanwhile is told, whatever reports it', async () => {
  const onCall = new OnCall()
  expect(await onCall.hears([replicasBehindEvent], 0)).toEqual([behind])
  expect(await onCall.hears(tryOf(2, rotationFailedEvent), 30 * minute)).toEqual([
    'ERROR TestFailed: rotation of secret shop/database failed',
  ])
  // No earlier event covers this one.
  expect(await onCall.hears([managedRotationFailedEvent], 60 * minute)).toEqual([
    'ERROR RotationFailed: rotation of secret shop/database failed',
  ])
  const rotation = {
    ...lockedOutEvent.detail.rotation,
    failure: causeOf('ReplicasBehind', 'createSecret: the replica in us-east-1 is Failed'),
  }
  const locked = {
    ...lockedOutEvent,
    detail: { ...lockedOutEvent.detail, rotation, execution: `${executionArn}-4` },
  }
  expect(await onCall.hears([locked], 90 * minute)).toEqual([
    'CRITICAL LockedOut: rotation of secret shop/database failed',
  ])
})

test('the failure of another credential is told', async () => {
  const onCall = new OnCall()
  expect(await onCall.hears([replicasBehindEvent], 0)).toEqual([behind])
  expect(await onCall.hears([laggingReplicasEvent], 60 * minute)).toEqual([
    'ERROR ReplicasBehind: 2 credentials have a replica that does not follow',
  ])
})

test('an unproven event silences nothing', async () => {
  const onCall = new OnCall()
  expect(await onCall.hears([found(0)], 0, true)).toHaveLength(1)
  expect(await onCall.hears([replicasBehindEvent], minute, true)).toHaveLength(1)
  expect(await onCall.hears(tryOf(2), 60 * minute)).toEqual([refusal])
})

test('the replicas of an earlier rotation being in sync closes no failure since', async () => {
  const onCall = new OnCall()
  expect(await onCall.hears([replicasBehindEvent], 0)).toEqual([behind])
  // Before the earlier rotation polls again, the next one leaves the application locked out.
  const next = { ...lockedOutEvent, detail: { ...lockedOutEvent.detail, execution: `${executionArn}-2` } }
  expect(await onCall.hears([next], 60 * minute)).toEqual([expect.stringMatching(/^CRITICAL /)])
  expect(await onCall.hears([replicatedEvent], 70 * minute)).toEqual([])
})

/** The event of a run that finds a promoted secret, each time with another reason. */
const promotedIn = (n: number, ...more: string[]) => ({
  ...promotedFoundEvent,
  detail: {
    ...promotedFoundEvent.detail,
    execution: `${promotedFoundEvent.detail.execution}${n}`,
    late: {
      ...promotedFoundEvent.detail.late,
      count: 1 + more.length,
      names: [`secrets-manager shop/database: the ${n}th reason`, ...more],
    },
  },
})
const refusedOnce = 'ERROR PromotedElsewhere: rotation of secret shop/database failed'
const open = 'ERROR PromotedElsewhere: secret shop/database was rotated, and was promoted elsewhere'

test('a secret that was promoted elsewhere is told once, for as long as it is found', async () => {
  const onCall = new OnCall()
  expect(await onCall.hears(tryOf(2, promotedElsewhereEvent), 0)).toEqual([refusedOnce])
  // Secrets Manager retries, and runs find it, day after day.
  for (let n = 1; n < 40; n++) {
    expect(await onCall.hears(tryOf(2 + n, promotedElsewhereEvent), n * day)).toEqual([])
    expect(await onCall.hears([promotedIn(n)], n * day + 60 * minute)).toEqual([])
  }
  // Another secret is told.
  expect(await onCall.hears([promotedIn(40, 'secrets-manager shop/mail: so')], 40 * day)).toEqual([
    'ERROR PromotedElsewhere: 2 credentials stand alone in another Region as well',
  ])
})

test('a run that finds it first tells it once, and two weeks after the last event it is told again', async () => {
  const onCall = new OnCall()
  const list = 'ERROR PromotedElsewhere: 1 credentials stand alone in another Region as well'
  expect(await onCall.hears([promotedIn(0)], 0)).toEqual([list])
  expect(await onCall.hears([promotedIn(1)], 15 * minute)).toEqual([])
  expect(await onCall.hears(tryOf(2, promotedElsewhereEvent), 60 * minute)).toEqual([])
  expect(await onCall.hears([promotedIn(2)], 15 * day)).toEqual([list])
})

test('each rotation that leaves something open is told, and no refusal after it', async () => {
  const onCall = new OnCall()
  expect(await onCall.hears([leftOpenEvent], 0)).toEqual([open])
  expect(await onCall.hears([leftOpenEvent], minute)).toEqual([])
  expect(await onCall.hears(tryOf(2, promotedElsewhereEvent), 60 * minute)).toEqual([])
  expect(await onCall.hears([promotedIn(0)], 70 * minute)).toEqual([])
})

test('a successful rotation closes it, replicas in sync do not, and after that it is told again', async () => {
  const onCall = new OnCall()
  expect(await onCall.hears(tryOf(2, promotedElsewhereEvent), 0)).toEqual([refusedOnce])
  expect(await onCall.hears([replicatedEvent], 30 * minute)).toEqual([])
  expect(
    await onCall.hears(
      [{ ...rotatedEvent, detail: { ...rotatedEvent.detail, execution: `${executionArn}-8` } }],
      day,
    ),
  ).toEqual(['OK: secret shop/database was rotated'])
  expect(await onCall.hears(tryOf(9, promotedElsewhereEvent), day + 60 * minute)).toEqual([refusedOnce])
})

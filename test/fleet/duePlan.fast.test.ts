import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { evaluateSchedule } from '../../fleet/due.ts'
import {
  type DueRotation,
  groupByServer,
  orderForLookup,
  planDue,
  type RecentRotations,
  splitByServer,
} from '../../fleet/duePlan.ts'
import type { ScheduledCredential } from '../../fleet/inventory.ts'

const interval = 900_000
const hour = 4 * interval
const start = Date.parse('2026-11-21T10:00:00Z')
const nothing: RecentRotations = { startTimes: new Map(), knownSince: Number.NEGATIVE_INFINITY }

function credential(id: string, hoursDue: number, tags: Record<string, string> = {}): ScheduledCredential {
  const all = { 'keyturn:managed': 'true', 'keyturn:every': '1d', ...tags }
  return { store: 'parameter-store', id, tags: all, currentSince: new Date(start - (24 + hoursDue) * hour) }
}
const turnAt = (credentials: ScheduledCredential[], tried = nothing, time = start, run = 'run') =>
  planDue(credentials, tried, { run, now: new Date(time), interval })
const ids = (credentials: ScheduledCredential[], tried?: RecentRotations, time?: number) =>
  turnAt(credentials, tried, time).due.map(({ credential }) => credential.id)
function tokenAt(credential: ScheduledCredential, hoursLater: number): string {
  const verdict = evaluateSchedule(credential, new Date(start + hoursLater * hour), interval)
  return verdict.state === 'due' ? verdict.token : verdict.state
}
/** The tries that have begun so far. */
const began = (...tokens: [string, number][]): RecentRotations => ({
  startTimes: new Map(tokens.map(([token, hoursLater]) => [token, start + hoursLater * hour])),
  knownSince: Number.NEGATIVE_INFINITY,
})

describe('the order', () => {
  test('has first what was never tried, by how long it has been due, and then what was tried longest ago', () => {
    const [early, late, again, other] = [
      credential('/early', 30),
      credential('/late', 1),
      credential('/again', 5),
      credential('/other', 4),
    ]
    const tried = began([tokenAt(again, -4), -3.5], [tokenAt(other, -3), -3.8])
    expect(ids([again, late, other, early], tried)).toEqual(['/early', '/late', '/other', '/again'])
  })

  test('leaves out what waits for its next attempt, with the reason', () => {
    const [one, wrong] = [credential('/one', 0.5), credential('/wrong', 1, { 'keyturn:window': 'night' })]
    const tried = began([tokenAt(one, 0), -0.2])
    expect(turnAt([one, wrong], tried)).toEqual({
      due: [],
      late: ['parameter-store /wrong'],
      skipped: [
        expect.stringContaining('parameter-store /wrong: keyturn:window: should be'),
        'parameter-store /one: it was tried already; the next try comes later',
      ],
    })
    expect(ids([one], tried, start + 0.5 * hour)).toEqual(['/one'])
  })

  test('has the end of a due credential’s window', () => {
    const { due } = turnAt([credential('/one', 3, { 'keyturn:window': '09:00-11:00' })])
    expect(due).toMatchObject([{ until: new Date('2026-11-21T11:00:00Z') }])
  })

  test('has in every second place one that may have been tried and forgotten, others in each run', () => {
    const tried = { startTimes: new Map<string, number>(), knownSince: start - 2 * hour }
    const forgotten = Array.from({ length: 20 }, (_, n) => credential(`/forgotten/${n}`, 47))
    const again = Array.from({ length: 10 }, (_, n) => credential(`/again/${n}`, 5))
    for (const one of again) tried.startTimes.set(tokenAt(one, -2), start - 1.5 * hour)
    const later = start + 3.5 * hour
    const order = (run: string) =>
      turnAt([...forgotten, ...again, credential('/new', 1)], tried, later, run).due.map(
        ({ credential }) => credential.id,
      )
    const first = order('run-1')
    expect(first[0]).toBe('/new')
    expect(first.slice(1, 21).filter(id => id.startsWith('/forgotten/'))).toHaveLength(10)
    expect(first).toHaveLength(31)
    expect(order('run-2')).not.toEqual(first)
    expect(order('run-1')).toEqual(first)
  })
})

/** Servers by number, some of which are down: credentials there fail, and all others rotate. */
type Fleet = {
  room: number
  remembered: number
  down: number[]
  credentials: [server: number, hoursDue: number][]
}

/** Simulates runs, one after the other. @returns for each what it began, and which places failed */
function* runs({ room, remembered, down, credentials }: Fleet) {
  const all = credentials.map(([server, hoursDue], n) => ({
    ...credential(`/${server}/${n}`, hoursDue),
    healthy: !down.includes(server),
  }))
  const executions: [string, number][] = []
  for (let n = 0; ; n++) {
    const time = start + n * interval
    const known = executions.slice(-remembered)
    const [oldest] = executions.length > remembered ? known : []
    const tried = { startTimes: new Map(known), knownSince: oldest?.[1] ?? Number.NEGATIVE_INFINITY }
    const { due } = turnAt(all, tried, time, `run-${n}`)
    const taken = due.slice(0, room)
    const names = new Set(executions.map(([token]) => token))
    const fresh = taken.filter(({ token }) => !names.has(token))
    for (const { credential, token } of fresh) {
      executions.push([token, time])
      const one = all.find(({ id }) => id === credential.id)
      if (one?.healthy) one.currentSince = new Date(time)
    }
    yield { startTimes: fresh.map(({ credential }) => credential.id), vain: taken.length - fresh.length }
  }
}

function firstRuns(fleet: Fleet, count: number) {
  const some = runs(fleet)
  return Array.from({ length: count }, () => some.next().value ?? { startTimes: [], vain: 0 })
}

describe('over many runs', () => {
  test('of D that are due at once, with room for R in a run, each was tried after ⌈D/R⌉ runs, whatever fails', () => {
    const fleet = fc.record({
      room: fc.integer({ min: 1, max: 12 }),
      remembered: fc.constant(Number.POSITIVE_INFINITY),
      down: fc.uniqueArray(fc.integer({ min: 0, max: 5 })),
      credentials: fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 100 })), {
        minLength: 1,
        maxLength: 60,
      }),
    })
    fc.assert(
      fc.property(fleet, fleet => {
        const found = firstRuns(fleet, Math.ceil(fleet.credentials.length / fleet.room))
        expect(new Set(found.flatMap(({ startTimes: began }) => began)).size).toBe(fleet.credentials.length)
        expect(found.filter(({ vain }) => vain)).toEqual([])
      }),
      { numRuns: 200 },
    )
  })

  test('with 400 on a server that is down and 100 on each of two others, all others are tried by the second run', () => {
    const down = Array.from({ length: 400 }, () => [0, 2] as [number, number])
    const healthy = Array.from({ length: 200 }, (_, n) => [1 + (n % 2), 1] as [number, number])
    const fleet = { room: 396, remembered: 5000, down: [0], credentials: [...down, ...healthy] }
    const found = firstRuns(fleet, 2).flatMap(({ startTimes: began }) => began)
    expect(found.filter(id => !id.startsWith('/0/'))).toHaveLength(200)
  })

  test('if more fail than is remembered, healthy ones are tried all the same', () => {
    const failing = Array.from({ length: 120 }, () => [0, 200] as [number, number])
    const healthy = Array.from({ length: 20 }, () => [1, 199] as [number, number])
    const fleet = { room: 10, remembered: 30, down: [0], credentials: [...failing, ...healthy] }
    const found = firstRuns(fleet, 60).flatMap(({ startTimes: began }) => began)
    expect(new Set(found.filter(id => id.startsWith('/1/'))).size).toBe(20)
  })
})

/** Servers by number: whether each is down, and until which run another execution has it. */
type Servers = { room: number; down: number[]; taken: Record<number, number>; due: [number, number][] }

/** Simulates runs that know what is due on each server, and which server was down the last time. */
function runsByServer({ room, down, taken, due }: Servers, count: number) {
  const all = due.map(([server, hoursDue], n) => credential(`/${server}/${n}`, hoursDue))
  const serverOf = (id: string) => Number(id.split('/')[1])
  const began = new Map<string, number>()
  const foundDown = new Set<number>()
  return Array.from({ length: count }, (_, n) => {
    const time = start + n * interval
    const run = `run-${n}`
    const turn = turnAt(
      all,
      { startTimes: new Map(began), knownSince: Number.NEGATIVE_INFINITY },
      time,
      run,
    ).due
    const { open, parked } = splitByServer(orderForLookup(turn, room, run), ({ credential: { id } }) => {
      const server = serverOf(id)
      return { id: `${server}`, isTaken: n < (taken[server] ?? 0), isDown: foundDown.has(server) }
    })
    const groups = Map.groupBy([...open, ...parked].slice(0, room), ({ credential }) =>
      serverOf(credential.id),
    )
    const tried = [...groups].flatMap(([server, members]): DueRotation[] => {
      if (down.includes(server)) foundDown.add(server)
      return down.includes(server) ? members.slice(0, 1) : members
    })
    for (const { credential, token } of tried) {
      began.set(token, time)
      const one = all.find(({ id }) => id === credential.id)
      if (one && !down.includes(serverOf(one.id))) one.currentSince = new Date(time)
    }
    return tried.map(({ credential }) => credential.id)
  })
}

describe('with servers that are down or taken', () => {
  const arbitrary = fc.record({
    room: fc.integer({ min: 6, max: 12 }),
    down: fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { maxLength: 4 }),
    taken: fc.dictionary(fc.constantFrom('0', '1', '2'), fc.integer({ min: 1, max: 4 })),
    due: fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 100 })), {
      minLength: 1,
      maxLength: 60,
    }),
  })

  test('of H due on healthy servers, with room for R and S servers down: each was tried after ⌈D/R⌉ + ⌈H/(R-S)⌉ runs from when its server is free, D due on those that are down', () => {
    fc.assert(
      fc.property(arbitrary, fleet => {
        const { room, down, taken, due } = fleet
        const healthy = due.flatMap(([server], n) => (down.includes(server) ? [] : [`/${server}/${n}`]))
        const free = Math.max(0, ...Object.values(taken))
        const count =
          free +
          Math.ceil((due.length - healthy.length) / room) +
          Math.ceil(healthy.length / (room - down.length))
        const tried = new Set(runsByServer(fleet, count).flat())
        expect(healthy.filter(id => !tried.has(id))).toEqual([])
      }),
      { numRuns: 200 },
    )
  })

  test('a server that is down is tried once in a run, with another credential each time', () => {
    const due = Array.from({ length: 40 }, (_, n) => [0, 90 - n] as [number, number])
    const runs = runsByServer({ room: 10, down: [0], taken: {}, due }, 20)
    expect(runs.map(({ length }) => length)).toEqual(Array.from({ length: 20 }, () => 1))
    expect(new Set(runs.flat()).size).toBe(20)
  })

  test('with the 400 longest due on a server that is down, 100 on each of two others rotate within two runs', () => {
    const down = Array.from({ length: 400 }, () => [0, 2] as [number, number])
    const healthy = Array.from({ length: 200 }, (_, n) => [1 + (n % 2), 1] as [number, number])
    const fleet = { room: 396, down: [0], taken: {}, due: [...down, ...healthy] }
    const tried = runsByServer(fleet, 2).flat()
    expect(tried.filter(id => !id.startsWith('/0/'))).toHaveLength(200)
  })

  test('if taken servers have more due than a run looks at, the others are chosen at random', () => {
    const busy = Array.from({ length: 3000 }, (_, n) => credential(`/busy/${n}`, 99))
    const healthy = Array.from({ length: 20 }, (_, n) => credential(`/healthy/${n}`, 1))
    const { due } = turnAt([...busy, ...healthy])
    expect(due).toHaveLength(3020)
    const looked = Array.from({ length: 10 }, (_, n) => orderForLookup(due, 500, `run-${n}`))
    expect(new Set(looked.map(({ length }) => length))).toEqual(new Set([2000]))
    const found = looked.flat().filter(({ credential: { id } }) => id.startsWith('/healthy/'))
    expect(new Set(found.map(({ credential: { id } }) => id)).size).toBe(20)
    expect(looked[0]?.slice(0, 500)).toEqual(due.slice(0, 500))
  })
})

describe('groups', () => {
  const due: DueRotation[] = [
    { credential: credential('/a/user', 2), token: 'token-1' },
    { credential: credential('/b/user', 2), token: 'token-2', until: new Date('2026-11-21T11:00:00Z') },
    { credential: credential('/a/admin', 1), token: 'token-3' },
  ]
  const [user, , admin] = due.map(({ credential }) => credential) as [
    ScheduledCredential,
    ScheduledCredential,
    ScheduledCredential,
  ]
  const hostOf = ({ id }: ScheduledCredential) => `${id.split('/')[1]}:5432`
  const grouped = (bytes: number, admins = new Map<ScheduledCredential, ScheduledCredential>()) =>
    groupByServer(due, { run: 'run-1', hostOf, admins, bytes })
  const rotation = (id: string, token: string, until: string | null = null) => ({
    store: 'parameter-store',
    id,
    token,
    until,
  })

  test('a group has the credentials of one server', () => {
    expect(grouped(10_000)).toEqual([
      {
        name: 'run-1 a:5432',
        host: 'a:5432',
        rotations: [rotation('/a/user', 'token-1'), rotation('/a/admin', 'token-3')],
      },
      {
        name: 'run-1 b:5432',
        host: 'b:5432',
        rotations: [rotation('/b/user', 'token-2', '2026-11-21T11:00:00.000Z')],
      },
    ])
  })

  test('an admin comes a turn before those who need it', () => {
    const turns = [[rotation('/a/admin', 'token-3')], [rotation('/a/user', 'token-1')]]
    expect(grouped(10_000, new Map([[user, admin]]))[0]).toMatchObject({ rotations: turns.flat(), turns })
  })

  test('without room for all, the first are planned, within the size limit of a state', () => {
    expect(grouped(0)).toEqual([])
    for (const bytes of [200, 400, 600, 800]) {
      const groups = grouped(bytes)
      expect(JSON.stringify(groups).length).toBeLessThan(bytes)
      const planned = groups.flatMap(({ rotations }) => rotations.map(({ token }) => token))
      expect(planned.sort()).toEqual(['token-1', 'token-2', 'token-3'].slice(0, planned.length))
    }
    expect(grouped(400)).toHaveLength(1)
  })
})

import { describe, expect, test } from 'vitest'
import { byRank, judge } from '../../fleet/due.ts'
import type { Scheduled } from '../../fleet/inventory.ts'

const managed = { 'keyturn:managed': 'true' }
const since = new Date('2026-11-01T12:00:00Z')

function look(
  at: string,
  tags: Record<string, string>,
  more: Partial<Scheduled> = {},
): ReturnType<typeof judge> {
  const credential = { store: 'parameter-store', id: '/shop/db', since, ...more } as const
  return judge({ ...credential, tags: { ...managed, ...tags } }, new Date(at))
}
const tokenAt = (at: string, tags: Record<string, string>, more: Partial<Scheduled> = {}) => {
  const verdict = look(at, tags, more)
  return verdict.state === 'due' ? verdict.token : verdict.state
}

describe('the interval', () => {
  test.each([
    ['30d', '2026-12-01T11:59:59Z', 'waiting'],
    ['30d', '2026-12-01T12:00:00Z', 'due'],
    ['12h', '2026-11-01T23:59:59Z', 'waiting'],
    ['12h', '2026-11-02T00:00:00Z', 'due'],
    ['15m', '2026-11-01T12:15:00Z', 'due'],
  ])('%s, at %s: %s', (every, at, state) => {
    expect(look(at, { 'keyturn:every': every })).toMatchObject({ state, late: false })
  })

  test('without the tag it waits for ever, and is not late', () => {
    expect(look('2030-01-01T00:00:00Z', {})).toEqual({ state: 'waiting', late: false })
  })
})

describe('the window', () => {
  test.each([
    // Due at 12:00.
    ['02:00-05:00', '2026-11-02T12:00:00Z', 'waiting'],
    ['02:00-05:00', '2026-11-03T01:59:59Z', 'waiting'],
    ['02:00-05:00', '2026-11-03T02:00:00Z', 'due'],
    ['02:00-05:00', '2026-11-03T04:59:59Z', 'due'],
    ['02:00-05:00', '2026-11-03T05:00:00Z', 'waiting'],
    ['11:30-12:30', '2026-11-02T12:00:00Z', 'due'],
    ['11:30-12:30', '2026-11-02T12:30:00Z', 'waiting'],
    ['22:00-04:00', '2026-11-02T21:59:59Z', 'waiting'],
    ['22:00-04:00', '2026-11-02T22:00:00Z', 'due'],
    ['22:00-04:00', '2026-11-03T03:59:59Z', 'due'],
    ['22:00-04:00', '2026-11-03T04:00:00Z', 'waiting'],
  ])('%s, due since 2026-11-02T12:00Z, at %s: %s', (window, at, state) => {
    expect(look(at, { 'keyturn:every': '1d', 'keyturn:window': window }).state).toBe(state)
  })

  test('what waits for its window is not late before the window has opened and a day is over', () => {
    const tags = { 'keyturn:every': '7d', 'keyturn:window': '11:00-12:00' }
    expect(look('2026-11-09T10:00:00Z', tags)).toEqual({ state: 'waiting', late: false })
    expect(look('2026-11-10T11:00:00Z', tags)).toMatchObject({ state: 'due', late: false })
    expect(look('2026-11-10T11:00:01Z', tags)).toMatchObject({ state: 'due', late: true })
    expect(look('2026-11-10T12:00:00Z', tags)).toEqual({ state: 'waiting', late: true })
  })
})

describe('what comes first', () => {
  const verdict = (at: string, more: Partial<Scheduled> = {}) => {
    const found = look(at, { 'keyturn:every': '1d' }, more)
    if (found.state !== 'due') throw new Error('it is not due')
    return found
  }

  test('the lower try; then what has been due for longer', () => {
    const at = '2026-11-03T12:00:00Z'
    const hoursDue = (hours: number) => ({ since: new Date(Date.parse(at) - 86_400_000 - hours * 3_600_000) })
    const due = [30, 0.5, 3, 0.2, 2.5].map(hours => ({ hours, ...verdict(at, hoursDue(hours)) }))
    expect(due.map(({ rank }) => rank.attempt)).toEqual([5, 0, 2, 0, 2])
    expect(due.toSorted((a, b) => byRank(a.rank, b.rank)).map(({ hours }) => hours)).toEqual([
      0.5, 0.2, 3, 2.5, 30,
    ])
  })
})

describe('until', () => {
  test.each([
    ['11:30-13:00', '2026-11-02T12:10:00Z', '2026-11-02T13:00:00.000Z'],
    ['22:00-04:00', '2026-11-02T23:00:00Z', '2026-11-03T04:00:00.000Z'],
    ['22:00-04:00', '2026-11-03T03:00:00Z', '2026-11-03T04:00:00.000Z'],
    ['22:00-00:00', '2026-11-02T23:00:00Z', '2026-11-03T00:00:00.000Z'],
  ])('the end of the window %s, at %s: %s', (window, at, until) => {
    const verdict = look(at, { 'keyturn:every': '1d', 'keyturn:window': window })
    expect(verdict).toMatchObject({ state: 'due', until: new Date(until) })
  })

  test('without a window there is none', () => {
    expect(look('2026-11-02T12:00:00Z', { 'keyturn:every': '1d' })).not.toHaveProperty('until')
  })
})

describe('jitter', () => {
  const tags = { 'keyturn:every': '1d', 'keyturn:jitter': '10h' }
  const ids = Array.from({ length: 200 }, (_, n) => `/shop/${n}`)
  const dueBy = (at: string, more: Partial<Scheduled> = {}) =>
    ids.filter(id => look(at, tags, { id, ...more }).state === 'due')

  test('spreads what was enrolled together over its whole length, and no further', () => {
    expect(dueBy('2026-11-02T12:00:00Z')).toEqual([])
    const half = dueBy('2026-11-02T17:00:00Z').length
    expect(half).toBeGreaterThan(60)
    expect(half).toBeLessThan(140)
    expect(dueBy('2026-11-02T22:00:00Z')).toEqual(ids)
  })

  test('what is due stays due, and the next version comes at another time of the order', () => {
    const early = dueBy('2026-11-02T15:00:00Z')
    expect(dueBy('2026-11-02T16:00:00Z')).toEqual(expect.arrayContaining(early))
    const next = { since: new Date('2026-11-11T12:00:00Z') }
    expect(dueBy('2026-11-12T15:00:00Z', next)).not.toEqual(early)
  })

  test('it is not late while it is put off', () => {
    for (const id of ids) expect(look('2026-11-03T11:59:00Z', tags, { id }).late).toBe(false)
    expect(ids.filter(id => look('2026-11-03T22:00:00Z', tags, { id }).late).length).toBe(ids.length)
  })
})

describe('the token', () => {
  const tags = { 'keyturn:every': '1d' }
  const first = tokenAt('2026-11-02T12:00:00Z', tags)

  test('is one that an execution can have as its name', () => {
    expect(first).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/)
  })

  test('is another one for another credential, store or version', () => {
    const others = [
      tokenAt('2026-11-02T12:00:00Z', tags, { id: '/shop/other' }),
      tokenAt('2026-11-02T12:00:00Z', tags, { store: 'secrets-manager' }),
      tokenAt('2026-11-02T12:00:00Z', tags, { since: new Date(since.getTime() - 1) }),
    ]
    expect(new Set([first, ...others]).size).toBe(4)
  })

  test('is the same until the next try: after 1, 2, 4, 8 and 16 hours, then once a day', () => {
    const changes: number[] = []
    let last: string | undefined
    for (let minutes = 0; minutes <= 96 * 60; minutes += 15) {
      const token = tokenAt(
        new Date(Date.parse('2026-11-02T12:00:00Z') + minutes * 60_000).toISOString(),
        tags,
      )
      if (token !== last) changes.push(minutes / 60)
      last = token
    }
    expect(changes).toEqual([0, 1, 2, 4, 8, 16, 40, 64, 88])
  })
})

describe('late', () => {
  test.each([
    ['30d', '2026-12-02T12:00:00Z', false],
    ['30d', '2026-12-02T12:00:01Z', true],
    ['6h', '2026-11-02T00:00:00Z', false],
    ['6h', '2026-11-02T00:00:01Z', true],
    // Not between two runs.
    ['15m', '2026-11-01T13:15:00Z', false],
    ['15m', '2026-11-01T13:15:01Z', true],
  ])('every %s, at %s: %s', (every, at, late) => {
    expect(look(at, { 'keyturn:every': every })).toMatchObject({ state: 'due', late })
  })
})

describe('skipped, with the reason', () => {
  test('a tag that is wrong, its own or any other: late at once, as it will never rotate', () => {
    for (const [tag, value] of [
      ['every', 'monthly'],
      ['every', '30s'],
      ['window', '2-5'],
      ['window', '02:00-02:00'],
      ['window', '24:00-05:00'],
      ['window', '02:00-02:59'],
      ['jitter', 'some'],
      ['grace', 'soon'],
      ['evry', '30d'],
    ]) {
      const verdict = look('2026-11-01T12:00:00Z', {
        'keyturn:every': '30d',
        [`keyturn:${tag}`]: value ?? '',
      })
      expect(verdict).toEqual({
        state: 'skipped',
        late: true,
        reason: expect.stringContaining(`keyturn:${tag}: `),
      })
    }
  })

  test('a credential that Keyturn may not use', () => {
    for (const value of ['', 'false', 'True'])
      expect(look('2026-11-01T12:00:00Z', { 'keyturn:every': '30d', 'keyturn:managed': value })).toEqual({
        state: 'skipped',
        late: true,
        reason: 'it lacks the tag keyturn:managed=true',
      })
  })

  test("a secret with a schedule of Secrets Manager's own, whatever its tags: late a day after its next date", () => {
    const nextByService = new Date('2026-11-20T00:00:00Z')
    const secret = { store: 'secrets-manager', nextByService } as const
    for (const [at, late] of [
      ['2026-11-21T00:00:00Z', false],
      ['2026-11-21T00:00:01Z', true],
    ] as const) {
      expect(look(at, {}, secret)).toEqual({ state: 'waiting', late })
      expect(look(at, { 'keyturn:every': '1d' }, secret)).toEqual({
        state: 'skipped',
        late,
        reason: 'Secrets Manager rotates it on its own schedule',
      })
    }
  })
})

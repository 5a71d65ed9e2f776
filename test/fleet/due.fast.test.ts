import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { evaluateSchedule, nextRotationTime } from '../../fleet/due.ts'
import type { ScheduledCredential } from '../../fleet/inventory.ts'
import { parseOptions, parseTags } from '../../rotation/options.ts'

const managed = { 'keyturn:managed': 'true' }
const since = new Date('2026-11-01T12:00:00Z')

function look(
  at: string,
  tags: Record<string, string>,
  more: Partial<ScheduledCredential> = {},
): ReturnType<typeof evaluateSchedule> {
  const credential = { store: 'parameter-store', id: '/shop/db', currentSince: since, ...more } as const
  return evaluateSchedule({ ...credential, tags: { ...managed, ...tags } }, new Date(at))
}
const tokenAt = (at: string, tags: Record<string, string>, more: Partial<ScheduledCredential> = {}) => {
  const verdict = look(at, tags, more)
  return verdict.state === 'due' ? verdict.token : verdict.state
}

describe('by the interval, a credential is', () => {
  test.each([
    ['30d', '2026-12-01T11:59:59Z', 'waiting'],
    ['30d', '2026-12-01T12:00:00Z', 'due'],
    ['12h', '2026-11-01T23:59:59Z', 'waiting'],
    ['12h', '2026-11-02T00:00:00Z', 'due'],
    ['15m', '2026-11-01T12:15:00Z', 'due'],
  ])('with %s, at %s, %s', (every, at, state) => {
    expect(look(at, { 'keyturn:every': every })).toMatchObject({ state, late: false })
  })

  test('never due, nor late, without the tag', () => {
    expect(look('2030-01-01T00:00:00Z', {})).toEqual({ state: 'waiting', late: false })
  })
})

describe('by its window, a credential is', () => {
  test.each([
    // The credential is due at 12:00.
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
    // 2026-11-02 is a Monday.
    ['Mon 22:00-04:00', '2026-11-03T03:59:59Z', 'due'],
    ['Tue 22:00-04:00', '2026-11-03T03:59:59Z', 'waiting'],
    ['Wed-Fri 02:00-05:00 Europe/Berlin', '2026-11-04T00:59:59Z', 'waiting'],
    ['Wed-Fri 02:00-05:00 Europe/Berlin', '2026-11-04T01:00:00Z', 'due'],
    ['Wed-Fri 02:00-05:00 Europe/Berlin', '2026-11-04T04:00:00Z', 'waiting'],
  ])('with %s, due since 2026-11-02T12:00Z, at %s, %s', (window, at, state) => {
    expect(look(at, { 'keyturn:every': '1d', 'keyturn:window': window }).state).toBe(state)
  })

  test('late only a day after the window has opened, if it waits for that', () => {
    const tags = { 'keyturn:every': '7d', 'keyturn:window': '11:00-12:00' }
    expect(look('2026-11-09T10:00:00Z', tags)).toEqual({ state: 'waiting', late: false })
    expect(look('2026-11-10T11:00:00Z', tags)).toMatchObject({ state: 'due', late: false })
    expect(look('2026-11-10T11:00:01Z', tags)).toMatchObject({ state: 'due', late: true })
    expect(look('2026-11-10T12:00:00Z', tags)).toEqual({ state: 'waiting', late: true })
  })
})

describe('a credential’s attempt', () => {
  test.each([
    [0.5, 0, 0.5],
    [3, 2, 1],
    [15.5, 4, 7.5],
    [17, 5, 1],
    [41, 6, 1],
  ])('after %f hours has the number %i, and has been due for %f hours', (hours, attempt, waits) => {
    const since = new Date(Date.parse('2026-11-03T12:00:00Z') - (24 + hours) * 3_600_000)
    const found = look('2026-11-03T12:00:00Z', { 'keyturn:every': '1d' }, { currentSince: since })
    const rank = { attempt, dueForMs: hours * 3_600_000, attemptDueForMs: waits * 3_600_000 }
    expect(found).toMatchObject({ state: 'due', rank })
  })
})

describe('the field `until`', () => {
  test.each([
    ['11:30-13:00', '2026-11-02T12:10:00Z', '2026-11-02T13:00:00.000Z'],
    ['22:00-04:00', '2026-11-02T23:00:00Z', '2026-11-03T04:00:00.000Z'],
    ['22:00-04:00', '2026-11-03T03:00:00Z', '2026-11-03T04:00:00.000Z'],
    ['22:00-00:00', '2026-11-02T23:00:00Z', '2026-11-03T00:00:00.000Z'],
    ['22:00-04:00 Europe/Berlin', '2026-11-02T23:00:00Z', '2026-11-03T03:00:00.000Z'],
  ])('is the end of the window %s, at %s: %s', (window, at, until) => {
    const verdict = look(at, { 'keyturn:every': '1d', 'keyturn:window': window })
    expect(verdict).toMatchObject({ state: 'due', until: new Date(until) })
  })

  test('is undefined without a window', () => {
    expect(look('2026-11-02T12:00:00Z', { 'keyturn:every': '1d' })).not.toHaveProperty('until')
  })
})

describe('jitter', () => {
  const tags = { 'keyturn:every': '1d', 'keyturn:jitter': '10h' }
  const ids = Array.from({ length: 200 }, (_, n) => `/shop/${n}`)
  const dueBy = (at: string, more: Partial<ScheduledCredential> = {}) =>
    ids.filter(id => look(at, tags, { id, ...more }).state === 'due')

  test('spreads credentials that were enrolled together over its whole length, and no further', () => {
    expect(dueBy('2026-11-02T12:00:00Z')).toEqual([])
    const half = dueBy('2026-11-02T17:00:00Z').length
    expect(half).toBeGreaterThan(60)
    expect(half).toBeLessThan(140)
    expect(dueBy('2026-11-02T22:00:00Z')).toEqual(ids)
  })

  test('a due credential stays due, and its next version has another delay', () => {
    const early = dueBy('2026-11-02T15:00:00Z')
    expect(dueBy('2026-11-02T16:00:00Z')).toEqual(expect.arrayContaining(early))
    const next = { currentSince: new Date('2026-11-11T12:00:00Z') }
    expect(dueBy('2026-11-12T15:00:00Z', next)).not.toEqual(early)
  })

  test('a credential is not late during its delay', () => {
    for (const id of ids) expect(look('2026-11-03T11:59:00Z', tags, { id }).late).toBe(false)
    expect(ids.filter(id => look('2026-11-03T22:00:00Z', tags, { id }).late).length).toBe(ids.length)
  })
})

describe('jitter beside a window', () => {
  const quarter = 15 * 60_000
  const ids = Array.from({ length: 200 }, (_, n) => `/shop/${n}`)
  const tagsOf = (window: string, jitter: string) => ({
    ...managed,
    'keyturn:every': '30d',
    'keyturn:window': window,
    'keyturn:jitter': jitter,
  })
  const dueAt = (time: string, tags: Record<string, string>) =>
    ids.filter(
      id =>
        evaluateSchedule({ store: 'parameter-store', id, currentSince: since, tags }, new Date(time), quarter)
          .state === 'due',
    ).length

  test('spreads credentials that were due before over the window less one interval, or over its own length', () => {
    // All were due at 12:00 on the day before.
    const whole = tagsOf('02:00-05:00', '7d')
    expect(dueAt('2026-12-02T02:00:00Z', whole)).toBe(0)
    const begun = ['02:15', '02:45', '03:15', '03:45', '04:15', '04:45'].map(at =>
      dueAt(`2026-12-02T${at}:00Z`, whole),
    )
    expect(begun.at(-1)).toBe(200)
    for (const [n, count] of begun.entries())
      expect(count - (begun[n - 1] ?? 0), `until ${n}`).toBeGreaterThan(6)
    const hourly = tagsOf('02:00-05:00', '1h')
    expect(dueAt('2026-12-02T02:30:00Z', hourly)).toBeGreaterThan(60)
    expect(dueAt('2026-12-02T02:30:00Z', hourly)).toBeLessThan(140)
    expect(dueAt('2026-12-02T03:00:00Z', hourly)).toBe(200)
  })

  test('delays a credential that falls due inside of a window within the rest of that window', () => {
    const tags = tagsOf('11:00-15:00', '7d')
    expect(dueAt('2026-12-01T12:00:00Z', tags)).toBe(0)
    expect(dueAt('2026-12-01T13:22:30Z', tags)).toBeGreaterThan(60)
    expect(dueAt('2026-12-01T13:22:30Z', tags)).toBeLessThan(140)
    expect(dueAt('2026-12-01T14:45:00Z', tags)).toBe(200)
  })

  test('spreads credentials again in each further window', () => {
    const tags = tagsOf('02:00-05:00', '3h')
    expect(dueAt('2026-12-03T02:00:00Z', tags)).toBe(0)
    expect(dueAt('2026-12-03T04:45:00Z', tags)).toBe(200)
  })

  test('longer than the interval makes the credential late', () => {
    const tags = { 'keyturn:every': '1d', 'keyturn:jitter': '25h' }
    expect(look('2026-11-01T12:00:00Z', tags)).toEqual({
      state: 'skipped',
      late: true,
      reason: 'keyturn:jitter: should be no longer than keyturn:every',
    })
    expect(look('2026-11-01T12:00:00Z', { ...tags, 'keyturn:jitter': '24h' }).state).toBe('waiting')
    expect(parseTags(tags, parseOptions({})).jitter).toBe(90_000)
  })
})

describe('the token', () => {
  const tags = { 'keyturn:every': '1d' }
  const first = tokenAt('2026-11-02T12:00:00Z', tags)

  test('can be the name of an execution', () => {
    expect(first).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/)
  })

  test('is another one for another credential, store or version', () => {
    const others = [
      tokenAt('2026-11-02T12:00:00Z', tags, { id: '/shop/other' }),
      tokenAt('2026-11-02T12:00:00Z', tags, { store: 'secrets-manager' }),
      tokenAt('2026-11-02T12:00:00Z', tags, { currentSince: new Date(since.getTime() - 1) }),
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

describe('a credential is late', () => {
  test.each([
    ['30d', '2026-12-02T12:00:00Z', false],
    ['30d', '2026-12-02T12:00:01Z', true],
    ['6h', '2026-11-02T00:00:00Z', false],
    ['6h', '2026-11-02T00:00:01Z', true],
    // Late does not depend on the time between two runs.
    ['15m', '2026-11-01T13:15:00Z', false],
    ['15m', '2026-11-01T13:15:01Z', true],
  ])('with an interval of %s, at %s: %s', (every, at, late) => {
    expect(look(at, { 'keyturn:every': every })).toMatchObject({ state: 'due', late })
  })
})

describe('a credential is skipped with the reason', () => {
  test('that a tag is wrong, and is late at once, as it will never rotate', () => {
    for (const [tag, value] of [
      ['every', 'monthly'],
      ['every', '30s'],
      ['window', '2-5'],
      ['window', '02:00-02:00'],
      ['window', '24:00-05:00'],
      ['window', '02:00-02:59'],
      ['window', '02:00-05:00 Europe/Atlantis'],
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

  test('that Keyturn may not use it', () => {
    for (const value of ['', 'false', 'True'])
      expect(look('2026-11-01T12:00:00Z', { 'keyturn:every': '30d', 'keyturn:managed': value })).toEqual({
        state: 'skipped',
        late: true,
        reason: 'it lacks the tag keyturn:managed=true',
      })
  })

  test('that Secrets Manager has a schedule of its own for it, and is late a day after that schedule’s date', () => {
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

describe('a credential whose home tag', () => {
  const arn = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-AbCdEf'
  const at = '2027-01-01T00:00:00Z'
  test.each([
    [
      'us-east-1',
      { arn },
      { state: 'skipped', late: false, reason: 'keyturn:home: it rotates in us-east-1' },
    ],
    ['eu-west-1', { arn }, { state: 'due' }],
    // Parameters have no replicas, and so no home.
    ['us-east-1', {}, { state: 'due' }],
  ])('is %s, with %j, becomes %j', (home, more, verdict) => {
    expect(look(at, { 'keyturn:every': '1d', 'keyturn:home': home }, more)).toMatchObject(verdict)
  })
})

describe('the time of the next rotation', () => {
  const next = (tags: Record<string, string>, now: Date) =>
    nextRotationTime(
      { store: 'parameter-store', id: '/shop/db', currentSince: since, tags: { ...managed, ...tags } },
      now,
    )

  test('is when the credential becomes due, and not a second earlier', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('1h', '1d', '30d'),
        fc.constantFrom(undefined, '02:00-05:00', 'Mon-Fri 22:00-04:00', 'Sat 10:00-12:00 Europe/Berlin'),
        fc.constantFrom(undefined, '1h'),
        fc.integer({ min: 0, max: 40 * 24 * 3600 }),
        (every, window, jitter, later) => {
          const tags = {
            'keyturn:every': every,
            ...(window && { 'keyturn:window': window }),
            ...(jitter && { 'keyturn:jitter': jitter }),
          }
          const now = new Date(since.getTime() + later * 1000)
          const at = next(tags, now) ?? expect.fail()
          expect(at.getTime()).toBeGreaterThanOrEqual(now.getTime())
          expect(look(at.toISOString(), tags).state).toBe('due')
          if (at.getTime() - 1000 > now.getTime())
            expect(look(new Date(at.getTime() - 1000).toISOString(), tags).state).toBe('waiting')
        },
      ),
    )
  })

  test.each([
    [{}],
    [{ 'keyturn:every': 'often' }],
    [{ 'keyturn:every': '1h', 'keyturn:jitter': '2h' }],
    [{ 'keyturn:every': '1h', 'keyturn:managed': 'false' }],
  ])('is not known with the tags %j', tags => {
    expect(next(tags, new Date('2026-11-03T00:00:00Z'))).toBeUndefined()
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openingAt } from '../../fleet/window.ts'
import { parseOptions, parseTags } from '../../rotation/options.ts'
import type { Window } from '../../rotation/window.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

function parsed(text: string): Window {
  const { window } = parseTags({ 'keyturn:window': text }, parseOptions({}))
  if (!window) throw new Error('there is none')
  return window
}
const opening = (text: string, at: string) => {
  const { opens, closes } = openingAt(parsed(text), Date.parse(at))
  return [opens, closes].map(time => new Date(time).toISOString().slice(0, 16))
}

describe('a window with days and a time zone', () => {
  test.each([
    // Berlin is one hour ahead of UTC in winter, two in summer.
    ['02:00-05:00 Europe/Berlin', '2026-01-10T00:59Z', '2026-01-10T01:00', '2026-01-10T04:00'],
    ['02:00-05:00 Europe/Berlin', '2026-07-10T02:59Z', '2026-07-10T00:00', '2026-07-10T03:00'],
    ['02:00-05:00 Europe/Berlin', '2026-07-10T03:00Z', '2026-07-11T00:00', '2026-07-11T03:00'],
    ['02:00-05:00 +05:30', '2026-07-09T21:00Z', '2026-07-09T20:30', '2026-07-09T23:30'],
    // 2026-11-21 is a Saturday.
    ['Mon-Fri 02:00-05:00', '2026-11-20T04:59Z', '2026-11-20T02:00', '2026-11-20T05:00'],
    ['Mon-Fri 02:00-05:00', '2026-11-20T05:00Z', '2026-11-23T02:00', '2026-11-23T05:00'],
    ['Mon+Wed 02:00-05:00', '2026-11-23T05:00Z', '2026-11-25T02:00', '2026-11-25T05:00'],
    ['Fri-Mon+Wed 02:00-05:00', '2026-11-24T00:00Z', '2026-11-25T02:00', '2026-11-25T05:00'],
    ['Fri-Mon+Wed 02:00-05:00', '2026-11-26T00:00Z', '2026-11-27T02:00', '2026-11-27T05:00'],
    ['Sun 02:00-05:00', '2026-11-22T05:00Z', '2026-11-29T02:00', '2026-11-29T05:00'],
    // Tokyo's Monday begins on UTC's Sunday.
    ['Mon 02:00-05:00 Asia/Tokyo', '2026-11-21T00:00Z', '2026-11-22T17:00', '2026-11-22T20:00'],
    // For a window over midnight, the day on which it opens counts.
    ['Fri 22:00-04:00', '2026-11-21T03:59Z', '2026-11-20T22:00', '2026-11-21T04:00'],
    ['Sat 22:00-04:00', '2026-11-21T03:59Z', '2026-11-21T22:00', '2026-11-22T04:00'],
    ['Fri 22:00-00:00', '2026-11-20T23:00Z', '2026-11-20T22:00', '2026-11-21T00:00'],
    // 2026-03-29, 02:00 to 03:00 does not exist in Berlin.
    ['02:15-04:00 Europe/Berlin', '2026-03-29T00:00Z', '2026-03-29T01:00', '2026-03-29T02:00'],
    ['02:15-05:00 Europe/Berlin', '2026-03-29T00:00Z', '2026-03-29T01:00', '2026-03-29T03:00'],
    ['01:00-02:30 Europe/Berlin', '2026-03-29T00:00Z', '2026-03-29T00:00', '2026-03-29T01:00'],
    // The window lasts an hour of real time, although the clock skips all or half of it.
    ['02:00-03:00 Europe/Berlin', '2026-03-29T00:00Z', '2026-03-29T01:00', '2026-03-29T02:00'],
    ['01:30-02:30 Europe/Berlin', '2026-03-29T00:00Z', '2026-03-29T00:30', '2026-03-29T01:30'],
    // 2026-10-25, 02:00 to 03:00 comes twice.
    ['02:30-04:00 Europe/Berlin', '2026-10-25T00:00Z', '2026-10-25T00:30', '2026-10-25T03:00'],
    ['01:00-02:30 Europe/Berlin', '2026-10-24T23:00Z', '2026-10-24T23:00', '2026-10-25T00:30'],
    // A window that opened at the first 02:00 does not open again at the second.
    ['01:00-02:30 Europe/Berlin', '2026-10-25T01:15Z', '2026-10-26T00:00', '2026-10-26T01:30'],
    // Lord Howe's clock moves by half an hour.
    ['02:00-03:00 Australia/Lord_Howe', '2026-10-03T15:00Z', '2026-10-03T15:30', '2026-10-03T16:30'],
    // Samoa had no 30 December in 2011.
    ['Fri 10:00-12:00 Pacific/Apia', '2011-12-29T00:00Z', '2011-12-30T10:00', '2011-12-30T11:00'],
    ['Sat 10:00-12:00 Pacific/Apia', '2011-12-29T00:00Z', '2011-12-30T20:00', '2011-12-30T22:00'],
  ])('%s, at %s: %s to %s', (window, at, opens, closes) => {
    expect(opening(window, at)).toEqual([opens, closes])
  })

  /** The clock's time at each minute of a night, as if it were UTC, and when the clock first shows that time or a later one. */
  function clock(zone: string, night: string) {
    const format = new Intl.DateTimeFormat('sv-SE', {
      timeZone: zone,
      dateStyle: 'short',
      timeStyle: 'short',
    })
    const first = Date.parse(night) - 3 * day
    const shown = Array.from({ length: 7 * 1440 }, (_, n) =>
      Date.parse(`${format.format(first + n * minute).replace(' ', 'T')}Z`),
    )
    const reached = new Map<number, number>()
    let latest = (shown[0] ?? 0) - day
    for (const [n, shows] of shown.entries())
      for (; latest < shows; latest += minute) reached.set(latest + minute, first + n * minute)
    return { first, shown, reached }
  }
  const nights = [
    ['Europe/Berlin', '2026-03-29T01:00Z'],
    ['Europe/Berlin', '2026-10-25T01:00Z'],
    ['America/New_York', '2026-03-08T07:00Z'],
    ['America/New_York', '2026-11-01T06:00Z'],
    ['America/Havana', '2026-03-08T05:00Z'],
    ['America/Havana', '2026-11-01T05:00Z'],
    ['Asia/Beirut', '2026-03-28T22:00Z'],
    ['Asia/Beirut', '2026-10-24T21:00Z'],
    ['Australia/Lord_Howe', '2026-10-03T15:30Z'],
    ['Australia/Lord_Howe', '2026-04-04T15:00Z'],
    ['Pacific/Apia', '2011-12-30T10:00Z'],
    ['Asia/Kathmandu', '2026-03-29T01:00Z'],
    ['UTC', '2028-02-29T00:00Z'],
  ] as const
  const clocks = nights.map(([zone, night]) => clock(zone, night))
  const anyWindow = fc
    .record({
      from: fc.integer({ min: 0, max: 1439 }),
      length: fc.oneof(fc.integer({ min: 60, max: 180 }), fc.integer({ min: 60, max: 1439 })),
      days: fc.option(fc.uniqueArray(fc.integer({ min: 0, max: 6 }), { minLength: 1 }), { nil: undefined }),
    })
    .map(({ from, length, days }) => ({ from, to: (from + length) % 1440, ...(days && { days }) }))

  test('on a night on which the clock changes, a window opens when the clock first shows its time', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: nights.length - 1 }),
        anyWindow,
        fc.integer({ min: 2 * 1440, max: 5 * 1440 }),
        (which, window, at) => {
          const [zone = ''] = nights[which] ?? []
          const { first = 0, shown = [], reached } = clocks[which] ?? {}
          const time = first + at * minute
          const when = (local: number) => reached?.get(local) ?? Number.NaN
          const dates = [...new Set(shown.map(shows => Math.floor(shows / day)))]
          const all = Array.from({ length: 12 }, (_, n) => (dates[0] ?? 0) + n + 1)
          const openings = all
            .filter(date => !window.days || window.days.includes(new Date(date * day).getUTCDay()))
            .map(date => {
              const opens = when(date * day + window.from * minute)
              const ends = window.from < window.to ? date : date + 1
              return { opens, closes: Math.max(when(ends * day + window.to * minute), opens + hour) }
            })
          const expected = openings.find(({ closes }) => !(closes <= time))
          const found = openingAt({ ...window, zone }, time)
          // The clock was not read for windows after these seven days.
          if (expected && Number.isFinite(expected.closes)) expect(found).toEqual(expected)
          expect(found.closes).toBeGreaterThan(time)
          expect(found.closes - found.opens).toBeGreaterThanOrEqual(hour)
        },
      ),
      { numRuns: 2000 },
    )
  })
})

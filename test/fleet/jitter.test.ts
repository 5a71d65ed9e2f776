import fc from 'fast-check'
import { expect, test } from 'vitest'
import { evaluateSchedule } from '../../fleet/due.ts'
import { openingAt } from '../../fleet/window.ts'
import { parseOptions, parseTags } from '../../rotation/options.ts'

const managed = { 'keyturn:managed': 'true' }
const since = new Date('2026-11-01T12:00:00Z')
const hour = 3_600_000

test('jitter beside a window: within each window every due credential is open at some run, and never outside', () => {
  const time = fc.integer({ min: 0, max: 1439 })
  const text = (minutes: number) => new Date((minutes % 1440) * 60_000).toISOString().slice(11, 16)
  const window = fc
    .record({
      from: time,
      length: fc.oneof(fc.constant(60), fc.integer({ min: 60, max: 1439 })),
      days: fc.constantFrom('', 'Mon-Fri ', 'Sat+Wed ', 'Sun '),
      zone: fc.constantFrom('', ' Europe/Berlin', ' America/New_York', ' Australia/Lord_Howe'),
    })
    .map(({ from, length, days, zone }) => `${days}${text(from)}-${text(from + length)}${zone}`)
  fc.assert(
    fc.property(
      window,
      fc.integer({ min: 1, max: 60 }),
      fc.nat(),
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 1, max: 720 }),
      fc.integer({ min: 0, max: 400 * 1440 }),
      fc.nat({ max: 3 }),
      fc.uuid(),
      (window, minutes, phase, days, jitter, madeAt, windows, id) => {
        const interval = minutes * 60_000
        const made = since.getTime() + madeAt * 60_000
        const tags = {
          ...managed,
          'keyturn:every': `${days}d`,
          'keyturn:window': window,
          'keyturn:jitter': `${Math.min(jitter, days * 24)}h`,
        }
        const credential = { store: 'parameter-store', id, currentSince: new Date(made), tags } as const
        const parsed = parseTags(tags, parseOptions({})).window
        if (!parsed) throw new Error('there is none')
        const due = made + days * 24 * hour
        let opening = openingAt(parsed, due)
        for (let n = 0; n < windows; n++) opening = openingAt(parsed, opening.closes)
        const start = Math.max(due, opening.opens)
        fc.pre(opening.closes - start >= interval)
        const first = start - hour + ((phase * 1000) % interval)
        const runs = Array.from(
          { length: Math.ceil((opening.closes + hour - first) / interval) },
          (_, n) => first + n * interval,
        )
        const open = runs.filter(run => evaluateSchedule(credential, new Date(run), interval).state === 'due')
        expect(open.filter(run => run >= start && run < opening.closes)).not.toEqual([])
        for (const run of open) expect(openingAt(parsed, run).opens).toBeLessThanOrEqual(run)
      },
    ),
    { numRuns: 300 },
  )
})

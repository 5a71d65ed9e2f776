import { expect, test } from 'vitest'
import { coldReport } from '../../../bench/official/cold/report.ts'
import { ratioOf } from '../../../bench/official/ratio.ts'
import { replacePart } from '../../../bench/official/sections.ts'
import { startSection } from '../../../bench/official/startReport.ts'
import { cellsOf } from '../../../bench/official/summary.ts'
import { type Pairs, takeInTurns } from '../../../bench/official/takeInTurns.ts'

test('a new part of a report replaces the old one, and the other parts keep their places', () => {
  const firsts = ['# One', '## Two', '## Three']
  const one = '# One\n\nfirst\n\n## Within one\n'
  const report = replacePart(one, '## Three\n\nthird', firsts)
  expect(report).toBe('# One\n\nfirst\n\n## Within one\n\n## Three\n\nthird\n')
  expect(replacePart(report, '## Two\n', firsts)).toBe(report.replace('## Three', '## Two\n\n## Three'))
  expect(replacePart(report, '# One\n', firsts)).toBe('# One\n\n## Three\n\nthird\n')
  expect(replacePart('', '# One\n', firsts)).toBe('# One\n')
  expect(() => replacePart(report, '## Four\n', firsts)).toThrow('no part of the report begins with ## Four')
})

test('both sides take turns, each begins equally often, and the first pair is left out', async () => {
  const order: string[] = []
  const take = (side: string) => async () => order.push(side)
  const taken = await takeInTurns(3, { official: take('o'), keyturn: take('k') })
  expect(order.join('')).toBe('okkookko')
  expect(taken).toEqual({ official: [4, 5, 8], keyturn: [3, 6, 7] })
})

test('a ratio is the median of the pairs’ ratios, not the ratio of the medians', () => {
  expect(ratioOf({ official: [10, 100, 1], keyturn: [20, 50, 3] })).toBe('2.00 (0.50 to 3.00)')
})

const outage = (outage: number, wall: number, memory = 0) => ({
  outageMs: outage,
  wall,
  memory: memory * 2 ** 20,
})
const cold = {
  outages: [
    {
      engine: 'postgres' as const,
      database: 'PostgreSQL 18',
      warm: { official: [outage(100, 200)], keyturn: [outage(20, 40)] },
      cold: {
        official: [outage(110, 600, 50), outage(130, 700, 52), outage(120, 650, 51)],
        keyturn: [outage(300, 550, 70), outage(360, 530, 71), outage(240, 540, 69)],
      },
    },
  ],
  failures: [
    {
      database: 'PostgreSQL 18',
      rate: 50,
      isCold: true,
      rotations: 20,
      official: 118,
      keyturn: 301,
      busy: 0.754,
    },
  ],
  tooFast: [],
  zips: [{ engine: 'postgres' as const, bytes: 385_115, libraries: 'PyGreSQL and libpq' }],
  packages: [{ zipped: 940_000 }, { zipped: 942_133 }] as Parameters<typeof coldReport>[0]['packages'],
  conditions: { load: [1, 1.5] as [number, number], date: '2026-11-30', commit: 'abc1234' },
}

test('the report of cold functions has the medians, the most memory and the largest package', () => {
  const report = coldReport(cold)
  const row = (title: string) => cellsOf(report, `PostgreSQL 18: ${title}`).slice(1)
  expect(row('locked out, warm')).toEqual(['100 ms', '20 ms', '0.20 (0.20 to 0.20)'])
  expect(row('locked out, cold')).toEqual(['120 ms', '300 ms', '2.73 (2.00 to 2.77)'])
  expect(row('a whole rotation, cold')).toEqual(['650 ms', '540 ms', '0.83 (0.76 to 0.92)'])
  expect(row('50 a second, cold')).toEqual(['118', '301', '75 %'])
  expect(row('one function')).toEqual(['52 MiB', '71 MiB', '385,115', '942,133'])
  expect(report).toContain('medians of 3 pairs')
  expect(report).toContain('rotates 20 times')
  expect(report).toContain('with PyGreSQL and libpq.')
  expect(report).not.toContain('Not measured')
})

test('the report says what could not be measured', () => {
  const report = coldReport({ ...cold, tooFast: ['PostgreSQL 18 at 200 a second'] })
  expect(report).toContain('too much of them was in use: PostgreSQL 18 at 200 a second.')
})

test('the start of a function is the sum of its parts without the login', () => {
  const start = (imported: number, client: number, driver: number, login: number) => ({
    importMs: imported,
    clientMs: client,
    driverMs: driver,
    loginMs: login,
  })
  const pairs: Pairs<ReturnType<typeof start>> = {
    official: [start(150, 50, 0, 30)],
    keyturn: [start(40, 0, 10, 15)],
  }
  const section = startSection([{ database: 'MySQL 9.7.4', pairs }])
  expect(cellsOf(section, 'MySQL 9.7.4').slice(1)).toEqual(['200 ms', '50 ms', '0.25 (0.25 to 0.25)'])
  expect(cellsOf(section, "MySQL 9.7.4: AWS's").slice(1)).toEqual(['150 ms', '50 ms', '', '30 ms'])
  expect(cellsOf(section, 'MySQL 9.7.4: Keyturn').slice(1)).toEqual(['40 ms', '', '10 ms', '15 ms'])
})

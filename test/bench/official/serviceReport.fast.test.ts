import { expect, test } from 'vitest'
import type { MeasuredWork } from '../../../bench/official/rotator.ts'
import type { ServiceComparison, ServiceRotation } from '../../../bench/official/service.ts'
import { serviceCountsSection, serviceTimesSection } from '../../../bench/official/serviceReport.ts'
import { cellsOf } from '../../../bench/official/summary.ts'

const work = (calls: number, more: Partial<MeasuredWork> = {}): MeasuredWork => ({
  ...{ calls: Array(calls).fill('GetSecretValue'), accepted: 0, refused: 0 },
  ...{ wall: 100, cpu: 50, memory: 0 },
  ...more,
})
const official: ServiceRotation = {
  functionWork: work(14, { accepted: 2, refused: 2 }),
  execution: work(0, { cpu: 0 }),
  stepFunctions: [],
}
const keyturn = (looks: number, calls: number): ServiceRotation => ({
  functionWork: work(4, { wall: 300 }),
  execution: work(calls, { accepted: 2 }),
  stepFunctions: ['StartExecution', 'DescribeExecution', ...Array(looks).fill('GetExecutionHistory')],
})
const called: ServiceComparison = {
  ...{ database: 'A', strategy: 'alternating', side: "AWS's" },
  pairs: { official: [official, official], keyturn: [keyturn(5, 8), keyturn(9, 7)] },
}

test('the counts have one poll for each step, and both turns of two users', () => {
  const counts = serviceCountsSection([called])
  expect(cellsOf(counts, "A, two users, called: AWS's").slice(1)).toEqual(['14', '0', '0', '14', '4'])
  expect(cellsOf(counts, 'A, two users, called: Keyturn').slice(1)).toEqual([
    ...['4', '7 or 8', '6', '17 or 18', '2'],
  ])
})

test('the times have all calls, with every poll, and the CPU time of both functions beside them', () => {
  const times = serviceTimesSection([called], { load: [0, 0], date: '2026-11-30', commit: 'abc' })
  expect(cellsOf(times, "A, two users, called: AWS's").slice(1)).toEqual([
    ...['14', '19 to 22'],
    ...['100 ms', '300 ms', '3.00 (3.00 to 3.00)'],
    ...['50 ms', '100 ms', '2.00 (2.00 to 2.00)'],
  ])
})

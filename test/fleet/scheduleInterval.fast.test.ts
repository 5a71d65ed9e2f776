import { expect, test } from 'vitest'
import { scheduleIntervalMs } from '../../fleet/scheduleInterval.ts'

test.each([
  ['rate(15 minutes)', 15],
  ['rate(1 minute)', 1],
  ['rate(1 hour)', 60],
  ['rate(2 hours)', 60],
  ['cron(0/15 * * * ? *)', 60],
])('between two runs of %s lie %i minutes', (schedule, minutes) => {
  expect(scheduleIntervalMs(schedule)).toBe(minutes * 60_000)
})

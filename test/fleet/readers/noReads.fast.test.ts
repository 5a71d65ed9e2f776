import { expect, test } from 'vitest'
import { countReadingRotations, doubtAboutNoReads } from '../../../fleet/readers/noReads.ts'

const moment = '2026-11-30T12:00:00.000Z'
const since = '2026-11-23T12:00:00.000Z'
const at = (began: string, ended: string, more: object) => ({
  ...{ began: `2026-11-${began}:00.000Z`, ended: `2026-11-${ended}:00.000Z`, outcome: 'rotated' as const },
  ...more,
})

test.each([
  ['went well', {}, 1],
  ['locked its user out', { outcome: 'locked-out', step: 'TestSecret' }, 1],
  ['failed when it had read', { outcome: 'failed', step: 'SetSecret' }, 1],
  ['failed in its rehearsal', { outcome: 'failed', step: 'RehearseFinish' }, 1],
  ['was stopped before', { outcome: 'stopped', step: 'CreateSecret' }, 0],
  ['failed somewhere', { outcome: 'failed' }, 0],
  ['is at work', { outcome: 'running', ended: undefined }, 0],
])('whether CloudTrail must have reads of a rotation that %s', (_, more, count) => {
  expect(countReadingRotations([at('28T10:00', '28T10:01', more)], since, moment)).toBe(count)
})

test('only rotations in the window count, without the last half hour, which CloudTrail may not have yet', () => {
  const rotations = [
    at('23T11:59', '23T12:01', {}),
    at('23T12:00', '23T12:01', {}),
    at('30T11:20', '30T11:30', {}),
    at('30T11:20', '30T11:31', {}),
  ]
  expect(countReadingRotations(rotations, since, moment)).toBe(2)
})

test('without such a rotation there is no doubt, and with unknown rotations there is', () => {
  expect(doubtAboutNoReads({ is: 0 })).toBeUndefined()
  expect(doubtAboutNoReads({ is: 2 })).toMatch(/no read at all, although 2 rotations ended/)
  expect(doubtAboutNoReads({ unread: 'DynamoDB Scan: AccessDenied' })).toMatch(
    /is not known \(DynamoDB Scan: AccessDenied\)$/,
  )
})

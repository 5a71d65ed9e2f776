import { expect, test } from 'vitest'
import { runtimeDeprecatedSince } from '../../../fleet/audit/runtimes.ts'

test.each([
  ['nodejs20.x', '2026-11-30T00:00:00.000Z', '2026-04-30'],
  ['nodejs20.x', '2026-04-29T23:59:59.000Z', undefined],
  ['nodejs24.x', '2026-11-30T00:00:00.000Z', undefined],
  ['nodejs24.x', '2028-05-01T00:00:00.000Z', '2028-04-30'],
  ['nodejs99.x', '2026-11-30T00:00:00.000Z', undefined],
  ['constructor', '2026-11-30T00:00:00.000Z', undefined],
  [undefined, '2026-11-30T00:00:00.000Z', undefined],
])('the runtime %s counts as deprecated on %s: %s', (runtime, moment, day) => {
  expect(runtimeDeprecatedSince(runtime, moment)).toBe(day)
})

import { afterAll, beforeAll, expect, test } from 'vitest'
import { Bench, checks, scenarios } from '../../bench/rotation/counts.ts'

let bench: Bench
beforeAll(async () => {
  bench = await Bench.start()
})
afterAll(() => bench?.[Symbol.asyncDispose]())

test.each(scenarios.filter(({ fails }) => !fails))('$title: no more calls than allowed', async scenario => {
  const measured = await bench.rotate(scenario)
  // Nothing counted is no proof.
  expect(measured.rotation.calls).toContain('PutSecretValue')
  expect(measured.rotation.logins).toBeGreaterThan(1)
  for (const { what, found, limit } of checks(measured)) expect(found, what).toBeLessThanOrEqual(limit)
})

test.each(scenarios.filter(({ fails }) => fails))('$title: is counted', async scenario => {
  const { rotation } = await bench.rotate(scenario)
  expect(rotation.calls).toContain('ListSecretVersionIds')
  expect(rotation.stepFunctions).toBeGreaterThan(0)
})

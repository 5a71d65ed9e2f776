import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cellsOf } from '../../bench/official/summary.ts'
import { checkLimits, RotationBench, SCENARIOS } from '../../bench/rotation/counts.ts'

let bench: RotationBench
beforeAll(async () => {
  bench = await RotationBench.start()
})
afterAll(() => bench?.[Symbol.asyncDispose]())

test.each(SCENARIOS.filter(({ isRolledBack }) => !isRolledBack))(
  '$title: no more calls than allowed',
  async scenario => {
    const measured = await bench.rotate(scenario)
    // A count of nothing would prove nothing.
    expect(measured.rotation.calls).toContain('PutSecretValue')
    expect(measured.rotation.logins).toBeGreaterThan(1)
    for (const { what, found, limit } of checkLimits(measured)) expect(found, what).toBeLessThanOrEqual(limit)
  },
)

test.each(SCENARIOS.filter(({ isRolledBack }) => isRolledBack))('$title: is counted', async scenario => {
  const { rotation } = await bench.rotate(scenario)
  expect(rotation.calls).toContain('ListSecretVersionIds')
  expect(rotation.stepFunctions).toBeGreaterThan(0)
})

const official = readFileSync(join(import.meta.dirname, '../../bench/official/RESULTS.md'), 'utf8')

test.each([
  ['single-user', 'PostgreSQL 18, one user'],
  ['alternating-users, the first', 'PostgreSQL 18, two users, the first time'],
  ['alternating-users, a later one', 'PostgreSQL 18, two users, later'],
])("%s: as many calls and logins as the comparison with AWS's functions says", async (title, row) => {
  const scenario = SCENARIOS.find(scenario => scenario.title === title)
  if (!scenario) throw new Error(`there is no ${title}`)
  const { rotation, retirement } = await bench.rotate(scenario)
  const [, calls, logins] = cellsOf(official, `${row}: Keyturn`)
  const all = rotation.calls.length + rotation.stepFunctions
  expect([all, rotation.logins]).toEqual([Number(calls), Number(logins)])
  if (!retirement) return
  const [, later, more] = cellsOf(official, '— its retirement')
  expect([retirement.calls.length, retirement.logins]).toEqual([Number(later), Number(more)])
})

test.each([
  ['single-user', 'PostgreSQL 18, one user, called'],
  ['alternating-users, a later one', 'PostgreSQL 18, two users, called'],
])('%s: called by Secrets Manager, as many calls and logins as that comparison says', async (title, row) => {
  const scenario = SCENARIOS.find(scenario => scenario.title === title)
  if (!scenario) throw new Error(`there is no ${title}`)
  const { calls, logins, stepFunctions } = await bench.rotateAsService(scenario)
  const [, , , , least, allLogins] = cellsOf(official, `${row}: Keyturn`).map(Number)
  const [, later = 0, more = 0] =
    scenario.kind === 'alternating' ? cellsOf(official, '— its retirement').map(Number) : []
  const looks = stepFunctions.filter(action => action === 'GetExecutionHistory').length
  expect(looks).toBeGreaterThanOrEqual(4)
  // The comparison counts the poll of the rehearsal beside those of rotateSecret.
  const rehearsed = scenario.kind === 'alternating' ? 0 : 1
  expect(calls.length - later + stepFunctions.length - looks + 4 + rehearsed).toBe(least)
  expect(logins - more).toBe(allLogins)
})

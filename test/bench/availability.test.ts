import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { onMysql, onPostgres, onRedis } from '../../bench/availability/applications.ts'
import { measureAvailability } from '../../bench/availability/measure.ts'
import type { Admin } from '../../local/client/users.ts'
import { type Embedded, startEmbedded } from '../../local/embedded/embedded.ts'

// As bench/availability/run.ts, but for a few seconds.
const settings = { rotations: 3, rate: 40, cached: 500, grace: 1_500 }
/** The newest of each that has its own way to let a user have two passwords. */
const twoPasswords = [
  ...(['mysql', 'mariadb'] as const).flatMap(engine =>
    inject('mysql')
      .filter(server => server.engine === engine)
      .slice(-1)
      .map(server => ({ ...server, target: (embedded: Embedded) => onMysql(embedded, server) })),
  ),
  ...inject('redis')
    .slice(-1)
    .map(server => ({ ...server, target: (embedded: Embedded) => onRedis(embedded, server) })),
]

let embedded: Embedded
let admin: Admin
beforeAll(async () => {
  embedded = await startEmbedded({ trust: twoPasswords.map(({ caFile }) => caFile) })
  admin = await embedded.users.makeAdmin('master')
})
afterAll(() => embedded.stop())

test.each([
  ['alternating-users', 3],
  ['temporary-clone', 6],
] as const)('%s: no login of an application is refused', async (strategy, rotations) => {
  const found = await measureAvailability(embedded, await onPostgres(embedded, admin, strategy), settings)
  expect(found).toMatchObject({ rotations, refused: 0, failed: 0, outages: [] })
  expect(found.queries).toBeGreaterThan(100)
})

// All at once: most of it is waiting.
describe.concurrent.each(twoPasswords)('$name', ({ target }) => {
  test('dual-password: no login of an application is refused', async () => {
    const found = await measureAvailability(embedded, await target(embedded), settings)
    expect(found).toMatchObject({ rotations: 3, refused: 0, failed: 0, outages: [] })
    expect(found.queries).toBeGreaterThan(100)
  })
})

test('a grace time shorter than an application keeps a value is seen: its logins are refused', async () => {
  const target = await onPostgres(embedded, admin, 'alternating-users')
  const found = await measureAvailability(embedded, target, { ...settings, cached: 60_000, grace: 50 })
  expect(found.refused).toBeGreaterThan(0)
  expect(found.outages.length).toBeGreaterThan(0)
})

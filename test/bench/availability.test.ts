import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { TagResourceCommand } from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { measureAvailability, observeApplication } from '../../bench/availability/measureAvailability.ts'
import {
  makeMysqlPoolTarget,
  makePostgresPoolTarget,
  measurePools,
} from '../../bench/availability/measurePools.ts'
import {
  installPools,
  openPool,
  POOL_CONNECTION_COUNT,
  poolLibraries,
} from '../../bench/availability/pools.ts'
import { makeMysqlTarget, makePostgresTarget, makeRedisTarget } from '../../bench/availability/targets.ts'
import type { Admin } from '../../local/client/users.ts'
import { type Embedded, startEmbedded } from '../../local/embedded/embedded.ts'
import { runRotation } from '../../local/embedded/stateMachine.ts'
import { runStatements } from '../../local/servers/postgresDatabase.ts'

// The same as bench/availability/run.ts, for a few seconds.
const settings = { rotationCount: 3, queriesPerSecond: 40, cacheMs: 500, graceMs: 1_500 }
/** A query that no user may run. */
const absent = 'TABLE no_such_table'
/** The newest server of each engine that can give one user two passwords. */
const twoPasswords = [
  ...(['mysql', 'mariadb'] as const).flatMap(engine =>
    inject('mysql')
      .filter(server => server.engine === engine)
      .slice(-1)
      .map(server => ({
        ...server,
        absent,
        target: (embedded: Embedded) => makeMysqlTarget(embedded, server),
      })),
  ),
  ...inject('redis')
    .slice(-1)
    .map(server => ({
      ...server,
      absent: 'NOSUCHCOMMAND',
      target: (embedded: Embedded) => makeRedisTarget(embedded, server),
    })),
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
  const found = await measureAvailability(
    embedded,
    await makePostgresTarget(embedded, admin, strategy),
    settings,
  )
  expect(found).toMatchObject({ executionCount: rotations, refused: 0, failed: 0, outages: [] })
  expect(found.queries).toBeGreaterThan(100)
})

// These run concurrently, as they mostly wait.
describe.concurrent.each(twoPasswords)('$name', ({ target }) => {
  test('dual-password: no login of an application is refused', async () => {
    const found = await measureAvailability(embedded, await target(embedded), settings)
    expect(found).toMatchObject({ executionCount: 3, refused: 0, failed: 0, outages: [] })
    expect(found.queries).toBeGreaterThan(100)
  })
})

describe('a rotation whose test query fails with the current value refuses no login', () => {
  test.each([
    ...(['single-user', 'alternating-users', 'temporary-clone'] as const).map(strategy => ({
      ...{ name: 'PostgreSQL', strategy, absent },
      target: (embedded: Embedded) => makePostgresTarget(embedded, admin, strategy),
    })),
    ...twoPasswords.flatMap(({ name, target, absent }) =>
      (['single-user', 'dual-password'] as const).map(strategy => ({
        ...{ name, strategy, target, absent },
      })),
    ),
  ])('$name, $strategy', async ({ strategy, absent, target }) => {
    const application = await target(embedded)
    const tags = { 'keyturn:strategy': strategy, 'keyturn:test-query': absent }
    const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
    const id = application.secret
    await embedded.secrets.send(new TagResourceCommand({ SecretId: id, Tags }))
    const observed = await observeApplication(embedded, application, settings, async () => {
      await sleep(100)
      const input = { store: 'secrets-manager', id }
      const { failure, states } = await runRotation(embedded.tasks, randomUUID(), input)
      expect(failure?.error).toBe('TestFailed')
      expect(states.includes('SetSecret')).toBe(strategy !== 'single-user')
      await sleep(settings.cacheMs)
    })
    expect(observed).toMatchObject({ refused: 0, failed: 0, outages: [] })
    expect(observed.queries).toBeGreaterThan(10)
  })
})

test('the bench counts refused logins if the grace time is shorter than an application caches a value', async () => {
  const target = await makePostgresTarget(embedded, admin, 'alternating-users')
  const found = await measureAvailability(embedded, target, { ...settings, cacheMs: 60_000, graceMs: 50 })
  expect(found.refused).toBeGreaterThan(0)
  expect(found.outages.length).toBeGreaterThan(0)
})

describe('pools', () => {
  const ofNode = () =>
    installPools(
      sentence => {
        throw new Error(sentence)
      },
      poolLibraries.filter(({ requiredPrograms }) => requiredPrograms === 'node'),
    )

  test.each([
    { name: 'PostgreSQL', makeTarget: () => makePostgresPoolTarget(embedded, 'alternating-users') },
    ...inject('mysql')
      .slice(0, 1)
      .map(server => ({
        name: server.name,
        makeTarget: () => makeMysqlPoolTarget(embedded, 'alternating-users', server),
      })),
  ])('pools of $name lose no session and no query', async ({ makeTarget }) => {
    const found = await measurePools(embedded, await makeTarget(), await ofNode(), { graceMs: 300 })
    expect(found).toMatchObject([{ reopenedCount: 0, failed: 0, firstError: '' }])
    expect(found[0]?.queries).toBeGreaterThan(POOL_CONNECTION_COUNT)
  })

  test('the bench counts sessions that are cut', async () => {
    const { secret, caFile } = await makePostgresPoolTarget(embedded, 'alternating-users')
    const value = JSON.parse((await embedded.users.valueStore.read(secret, 'current')) ?? '')
    const [pg] = await ofNode()
    if (!pg) throw new Error('there is no pool')
    const pool = await openPool(pg, 'postgres', value, caFile)
    const sessions = `select pid from pg_stat_activity where usename = '${value.username}'`
    const before = await runStatements(embedded.postgres, sessions)
    expect(before).toHaveLength(POOL_CONNECTION_COUNT)
    await runStatements(
      embedded.postgres,
      `select pg_terminate_backend(pid) from (${sessions}) as all_of_them`,
    )
    const isNew = ({ pid }: { pid?: number }) => !before.some(old => old.pid === pid)
    while ((await runStatements(embedded.postgres, sessions)).filter(isNew).length < POOL_CONNECTION_COUNT)
      await sleep(20)
    expect((await pool.stop()).reopenedCount).toBe(POOL_CONNECTION_COUNT)
  })
})

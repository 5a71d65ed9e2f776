import { setTimeout as sleep } from 'node:timers/promises'
import { escapeIdentifier as name, escapeLiteral as text } from 'pg'
import { describe, expect, inject, test } from 'vitest'
import { listUsers, type Pgbouncer, startPgbouncer } from '../../local/servers/pgbouncer.ts'
import { type App, asSuperuser, hex, makeApp } from '../../local/servers/postgresDatabase.ts'
import { Postgres } from '../../rotation/engines/postgres.ts'
import { UNTOUCHED } from '../../rotation/pipeline.ts'
import type { StrategyName } from '../../rotation/strategies/names.ts'
import { World } from '../world/world.ts'
import { startApplication } from './application.ts'
import { pooledPlace, throughPooler } from './place.ts'

const twoUsers = ['alternating-users', 'temporary-clone'] as const

/** Gives the application a table that its own search_path finds, and nobody else's. */
async function furnish({ server }: Pgbouncer, { user, database }: App): Promise<void> {
  await asSuperuser(
    server,
    `create schema of_its_own; grant usage on schema of_its_own to ${name(user)};
     create table of_its_own.of_the_app as select 1 as n; grant select on of_its_own.of_the_app to ${name(user)};
     alter role ${name(user)} set search_path = of_its_own`,
    database,
  )
}

async function worldOf(pgbouncer: Pgbouncer, strategy: StrategyName, how: { asks?: boolean } = {}) {
  const world = await World.of(pooledPlace(pgbouncer, how), strategy, 'user')
  await furnish(pgbouncer, world.app)
  const application = await startApplication(pgbouncer, () => world.current())
  return { world, application, pgbouncer }
}

/** Ends every connection that the pooler holds for this user. */
const cut = ({ server }: Pgbouncer, user: string) =>
  asSuperuser(server, `select pg_terminate_backend(pid) from pg_stat_activity where usename = ${text(user)}`)

/** Whether the application can log in through the pooler when that has to open a new connection. */
async function logsInAnew(pgbouncer: Pgbouncer, world: World): Promise<boolean> {
  const current = await world.current()
  await cut(pgbouncer, current.username)
  const engine = new Postgres({ caFile: pgbouncer.pooled.caFile })
  for (let tries = 1; ; tries++)
    try {
      await using session = await engine.login(current)
      return session.pooled
    } catch (error) {
      // The pooler may not have seen yet that a connection is gone, or keep for a second that it was refused one itself.
      if ((error as Error).name !== 'Unreachable' || tries > 30) throw error
      await sleep(100)
    }
}

const nothing = async () => {}

describe.each(inject('pgbouncer'))('PgBouncer: $name', pgbouncer => {
  const { server, pooled, mode, users } = pgbouncer
  const place = pooledPlace(pgbouncer)
  const engine = new Postgres({ caFile: pooled.caFile })
  const asksItself = users === 'auth_query'

  test('it is recognised, and the server itself is not taken for one', async () => {
    const { current } = await place.makeApp('single-user')
    await using through = await engine.login(current)
    await using past = await new Postgres({ caFile: server.caFile }).login(
      current.with({ port: server.port }),
    )
    expect([through.pooled, past.pooled]).toEqual([true, false])
  })

  test('who is refused is LoginRefused, by a wrong password or an unknown name; a database is InvalidCredential', async () => {
    const { current } = await place.makeApp('single-user')
    for (const wrong of [{ password: 'wrong' }, { username: `nobody_${hex()}` }])
      await expect(engine.login(current.with(wrong))).rejects.toMatchObject({ name: 'LoginRefused' })
    await expect(engine.login(current.with({ dbname: `none_${hex()}` }))).rejects.toMatchObject({
      name:
        mode === 'transaction' && pgbouncer.name.includes('bookworm') ? 'Unreachable' : 'InvalidCredential',
    })
  })

  test('a single user is NotPermitted unless somebody vouches for the pooler, and nothing changes', async () => {
    const { world, application } = await worldOf(pgbouncer, 'single-user')
    const { end, severity, error, rollback } = await world.rotate(nothing)
    expect({ end, severity, rollback }).toEqual({
      end: 'NotPermitted',
      severity: 'error',
      rollback: 'intact',
    })
    expect(error?.message).toContain('keyturn:pooler=auth-query')
    expect(error?.message.endsWith(UNTOUCHED)).toBe(true)
    const { refused, failures } = await application.stop()
    expect({ refused, failures }).toEqual({ refused: 0, failures: [] })
    expect(await logsInAnew(pgbouncer, world)).toBe(true)
  })

  test('a single user that somebody vouches for', async () => {
    const { world, application } = await worldOf(pgbouncer, 'single-user', { asks: true })
    const before = await world.current()
    const ends = [await world.rotate(nothing), await world.rotate(nothing)].map(({ end }) => end)
    const { refused, failures } = await application.stop()
    expect(failures).toEqual([])
    expect((await world.current()).password === before.password).toBe(!asksItself)
    if (asksItself) expect(ends).toEqual(['rotated', 'rotated'])
    else {
      // Found out while the connection is there that set the password, and set back.
      expect(ends).toEqual(['NotPermitted', 'NotPermitted'])
      expect(refused).toBe(0)
    }
    expect(await place.admits(await world.current())).toBe(true)
    expect(await logsInAnew(pgbouncer, world)).toBe(true)
  })

  test('a single user whose test fails is rolled back, and the rollback believes no login', async () => {
    const { world, application } = await worldOf(pgbouncer, 'single-user', { asks: true })
    const { end, rollback } = await world.rotate(nothing, { fails: true })
    expect([end, rollback]).toEqual(asksItself ? ['Forced', 'restored'] : ['NotPermitted', 'restored'])
    expect((await application.stop()).failures).toEqual([])
    expect(await place.admits(await world.current())).toBe(true)
    expect(await logsInAnew(pgbouncer, world)).toBe(true)
  })

  test.each(twoUsers)('%s: the application loses nothing', async strategy => {
    const { world, application } = await worldOf(pgbouncer, strategy)
    const outcomes = [await world.rotate(nothing), await world.rotate(nothing)]
    const { refused, failures, queries } = await application.stop()
    expect({ refused, failures }).toEqual({ refused: 0, failures: [] })
    expect(queries).toBeGreaterThan(10)
    if (asksItself) expect(outcomes.map(({ end }) => end)).toEqual(['rotated', 'rotated'])
    // What it does not know, it refuses.
    else
      expect(outcomes.map(({ end, severity, rollback }) => [end, severity, rollback])).toEqual(
        Array(2).fill(['LoginRefused', 'error', 'intact']),
      )
    for (const replaced of await world.replaced()) expect(await place.admits(replaced)).toBe(false)
    expect(await place.admits(await world.current())).toBe(true)
    expect(await logsInAnew(pgbouncer, world)).toBe(true)
  })

  test('two users whose test fails are rolled back, and the application loses nothing', async () => {
    const { world, application } = await worldOf(pgbouncer, 'alternating-users')
    const { severity, rollback } = await world.rotate(nothing, { fails: true })
    expect({ severity, rollback }).toEqual({ severity: 'error', rollback: 'intact' })
    const { refused, failures } = await application.stop()
    expect({ refused, failures }).toEqual({ refused: 0, failures: [] })
    for (const replaced of await world.replaced()) expect(await place.admits(replaced)).toBe(false)
  })

  test('a test query runs with the settings of the user; in statement mode it is NotPermitted', async () => {
    const { world, application } = await worldOf(pgbouncer, 'alternating-users')
    await application.stop()
    await using session = await engine.login(await world.current())
    const run = session.run('select n from of_the_app')
    if (mode === 'statement') await expect(run).rejects.toMatchObject({ name: 'NotPermitted' })
    else await expect(run).resolves.toBeUndefined()
  })
})

describe('PgBouncer that gives its one connection to everybody in turn', () => {
  const [newest] = inject('postgres')
  const starting = async (settings: Record<string, number>) => {
    if (!newest) throw new Error('there is no PostgreSQL')
    return await startPgbouncer(newest, { settings })
  }

  test('nothing of what a session sets is left on it', async () => {
    await using stack = new AsyncDisposableStack()
    const pgbouncer = stack.adopt(await starting({ default_pool_size: 1 }), p => p.stop())
    const app = throughPooler(pgbouncer, await makeApp(pgbouncer.server))
    await furnish(pgbouncer, app)
    const application = await startApplication(pgbouncer, async () => app.current)
    const engine = new Postgres({ caFile: pgbouncer.pooled.caFile })
    const show = async () => {
      const query = `select name, setting from pg_settings where name in
        ('search_path', 'statement_timeout', 'DateStyle', 'role', 'transaction_read_only', 'default_transaction_read_only')`
      const { username: user, password } = app.current
      return await asSuperuser(pgbouncer.pooled, query, app.database, { user, password })
    }
    const before = await show()
    for (let i = 0; i < 5; i++) {
      await using session = await engine.login(app.current)
      await session.setPassword(app.user, app.current.password)
      await session.run('select n from of_the_app')
      await session.run('select 1 / 0').catch(() => {})
    }
    expect(await show()).toEqual(before)
    expect((await application.stop()).failures).toEqual([])
  })

  test('its limits, its waits and the failures of the server behind it are no refusals', async () => {
    await using stack = new AsyncDisposableStack()
    const full = stack.adopt(await starting({ max_client_conn: 1 }), p => p.stop())
    const app = throughPooler(full, await makeApp(full.server))
    const engine = new Postgres({ caFile: full.pooled.caFile })
    {
      await using _ = await engine.login(app.current)
      await expect(engine.login(app.current)).rejects.toMatchObject({ name: 'Unreachable' })
    }
    const gone = stack.adopt(await startPgbouncer({ ...full.server, port: 1 }, { users: 'static list' }), p =>
      p.stop(),
    )
    await listUsers(gone, { [app.user]: app.current.password })
    await expect(
      new Postgres({ caFile: gone.pooled.caFile }).login(throughPooler(gone, app).current),
    ).rejects.toMatchObject({ name: 'Unreachable' })
  })
})

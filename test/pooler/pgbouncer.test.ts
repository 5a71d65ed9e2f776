import { setTimeout as sleep } from 'node:timers/promises'
import { escapeIdentifier as name, escapeLiteral as text } from 'pg'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import {
  addListedUsers,
  appThroughPooler,
  type Pgbouncer,
  POOL_MODES,
  type PoolMode,
  startPgbouncer,
} from '../../local/servers/pgbouncer.ts'
import { type PostgresServer, startPostgres } from '../../local/servers/postgres.ts'
import { makeApp, randomHex, runStatements } from '../../local/servers/postgresDatabase.ts'
import { startStandbyOf } from '../../local/servers/postgresStandby.ts'
import { hasChangedNothingMark } from '../../rotation/changedNothingMark.ts'
import { Postgres } from '../../rotation/engines/postgres/postgres.ts'
import { rollback as takeBack } from '../../rotation/rollback.ts'
import * as steps from '../../rotation/steps.ts'
import { SESSION_LOOK_PAUSES_MS } from '../../rotation/strategies/alternatingUsers.ts'
import { LOGIN_PAUSES_MS } from '../../rotation/strategies/login.ts'
import type { StrategyName } from '../../rotation/strategies/strategyNames.ts'
import { watchedClient } from '../support/engines/watchedClient.ts'
import { World } from '../world/world.ts'
import { furnish, startApplication } from './application.ts'
import { pooledPlace } from './place.ts'

// Shorter waits than in production: RDS is played, and a pooler neither changes its refusals nor closes a clone's connections.
LOGIN_PAUSES_MS.splice(0, Infinity, 20, 100, 300)
SESSION_LOOK_PAUSES_MS.splice(0, Infinity, 20)

const oneUser = ['single-user', 'master'] as const
const twoUsers = ['alternating-users', 'temporary-clone'] as const

async function worldOf(
  pgbouncer: Pgbouncer,
  strategy: StrategyName,
  how: { asks?: boolean; testQuery?: string } = {},
) {
  const world = await World.create(pooledPlace(pgbouncer, how), strategy, 'user')
  // The server must have room for all connections of the pooler too.
  onTestFinished(() => world.app.drop())
  await furnish(pgbouncer, world.app)
  const application = await startApplication(pgbouncer, () => world.current())
  // This is the grace time: what was replaced is closed when the application has the new value.
  const promote = world.store.promote.bind(world.store)
  world.store.promote = async (...change) => {
    await promote(...change)
    await application.turns()
  }
  return { world, application, pgbouncer }
}

/** @returns the stored password hashes of the user and its clone */
const verifiers = ({ server }: Pgbouncer, { user, clone }: World) =>
  runStatements(
    server,
    `select rolname, rolpassword from pg_authid where rolname in (${text(user)}, ${text(clone)}) order by 1`,
  )

/** Closes every connection that the pooler holds for this user. */
const cut = ({ server }: Pgbouncer, user: string) =>
  runStatements(
    server,
    `select pg_terminate_backend(pid) from pg_stat_activity where usename = ${text(user)}`,
  )

/** @returns whether the application can log in through the pooler if that has to open a new connection */
async function logsInAnew(pgbouncer: Pgbouncer, world: World): Promise<boolean> {
  const current = await world.current()
  await cut(pgbouncer, current.username)
  const engine = new Postgres({ caFile: pgbouncer.pooled.caFile })
  for (let tries = 1; ; tries++)
    try {
      await using session = await engine.login(current)
      return session.isBehindPooler
    } catch (error) {
      // The pooler may not have noticed yet that a connection was closed, and it remembers a refusal for a second.
      if ((error as Error).name !== 'Unreachable' || tries > 30) throw error
      await sleep(100)
    }
}

const nothing = async () => {}

describe.each(inject('pgbouncer'))('PgBouncer: $name', pgbouncer => {
  const { server, pooled, mode, userLookup } = pgbouncer
  const place = pooledPlace(pgbouncer)
  const engine = new Postgres({ caFile: pooled.caFile })
  const asksItself = userLookup === 'auth_query'

  test('a session through a pooler is recognised, and one past the pooler is not', async () => {
    const { current } = await place.makeApp('single-user')
    await using through = await engine.login(current)
    await using past = await new Postgres({ caFile: server.caFile }).login(
      current.with({ port: server.port }),
    )
    expect([through.isBehindPooler, past.isBehindPooler]).toEqual([true, false])
  })

  test('a login does not change the user’s own timeouts in the session that the application gets next', async () => {
    const { current } = await place.makeApp('single-user')
    const timeouts = ['statement_timeout', 'idle_session_timeout']
    for (const timeout of timeouts)
      await runStatements(server, `alter role ${name(current.username)} set ${timeout} = '17s'`)
    const { Client, shows } = watchedClient()
    await using session = await new Postgres({ caFile: pooled.caFile, Client }).login(current)
    await session.countFreeConnections(current.username)
    expect(await shows(timeouts)).toEqual(['17s', '17s'])
  })

  test('a wrong password or an unknown user throws LoginRefused, and an unknown database InvalidCredential', async () => {
    const { current } = await place.makeApp('single-user')
    for (const wrong of [{ password: 'wrong' }, { username: `nobody_${randomHex()}` }])
      await expect(engine.login(current.with(wrong))).rejects.toMatchObject({ name: 'LoginRefused' })
    await expect(engine.login(current.with({ dbname: `none_${randomHex()}` }))).rejects.toMatchObject({
      name:
        mode === 'transaction' && pgbouncer.name.includes('bookworm') ? 'Unreachable' : 'InvalidCredential',
    })
  })

  test.each(oneUser)(
    '%s throws NotPermitted without the tag that the pooler asks the database, and nothing changes',
    async strategy => {
      const { world, application } = await worldOf(pgbouncer, strategy)
      const { end, severity, error, rollback } = await world.rotate(nothing)
      expect({ end, severity, rollback }).toEqual({
        end: 'NotPermitted',
        severity: 'error',
        rollback: 'intact',
      })
      expect(error?.message).toContain('keyturn:pooler=auth-query')
      expect(error?.message).toContain('in the rehearsal, before anything was changed: ')
      // Without a rehearsal, as in an execution that began under the last release, setSecret finds it.
      const { id, pipeline } = world
      const rotation = await steps.createSecret(pipeline, { id, token: randomHex(16) })
      await expect(steps.setSecret(pipeline, rotation)).rejects.toSatisfy(
        ({ name, message }) => name === 'NotPermitted' && hasChangedNothingMark(message),
      )
      const known = { ...pipeline, hasChangedNothing: async () => true }
      expect(await takeBack(known, rotation)).toMatchObject({ outcome: 'intact' })
      const { refused, failures } = await application.stop()
      expect({ refused, failures }).toEqual({ refused: 0, failures: [] })
      expect(await logsInAnew(pgbouncer, world)).toBe(true)
    },
  )

  test.each(oneUser)(
    '%s with the tag rotates if the pooler asks the database, and else throws NotPermitted',
    async strategy => {
      const { world, application } = await worldOf(pgbouncer, strategy, { asks: true })
      const before = await world.current()
      const ends = [await world.rotate(nothing), await world.rotate(nothing)].map(({ end }) => end)
      const { refused, failures } = await application.stop()
      expect(failures).toEqual([])
      expect((await world.current()).password === before.password).toBe(!asksItself)
      if (asksItself) expect(ends).toEqual(['rotated', 'rotated'])
      else {
        // This is found while the connection that set the password is open, which sets it back.
        expect(ends).toEqual(['NotPermitted', 'NotPermitted'])
        expect(refused).toBe(0)
      }
      expect(await place.admits(await world.current())).toBe(true)
      expect(await logsInAnew(pgbouncer, world)).toBe(true)
    },
  )

  test.each(oneUser)(
    '%s whose test fails is rolled back, without relying on a login through the pooler',
    async strategy => {
      const { world, application } = await worldOf(pgbouncer, strategy, { asks: true })
      const { end, rollback } = await world.rotate(nothing, { fails: true })
      expect([end, rollback]).toEqual(asksItself ? ['Forced', 'restored'] : ['NotPermitted', 'restored'])
      expect((await application.stop()).failures).toEqual([])
      expect(await place.admits(await world.current())).toBe(true)
      expect(await logsInAnew(pgbouncer, world)).toBe(true)
    },
  )

  test.each(twoUsers)('%s never has a query of the application fail', async strategy => {
    const { world, application } = await worldOf(pgbouncer, strategy)
    // The application queries before, during and after each rotation.
    const turns = () => application.turns()
    const outcomes = [await world.rotate(turns), await world.rotate(turns)]
    await turns()
    const { refused, failures, queries } = await application.stop()
    expect({ refused, failures }).toEqual({ refused: 0, failures: [] })
    expect(queries).toBeGreaterThan(0)
    if (asksItself) expect(outcomes.map(({ end }) => end)).toEqual(['rotated', 'rotated'])
    // A pooler with a static list refuses users that it does not know.
    else
      expect(outcomes.map(({ end, severity, rollback }) => [end, severity, rollback])).toEqual(
        Array(2).fill(['LoginRefused', 'error', 'intact']),
      )
    for (const replaced of await world.replaced()) expect(await place.admits(replaced)).toBe(false)
    expect(await place.admits(await world.current())).toBe(true)
    expect(await logsInAnew(pgbouncer, world)).toBe(true)
  })

  test('two users whose test fails are rolled back, and no query of the application fails', async () => {
    const { world, application } = await worldOf(pgbouncer, 'alternating-users')
    const { severity, rollback } = await world.rotate(nothing, { fails: true })
    expect({ severity, rollback }).toEqual({ severity: 'error', rollback: 'intact' })
    const { refused, failures } = await application.stop()
    expect({ refused, failures }).toEqual({ refused: 0, failures: [] })
    for (const replaced of await world.replaced()) expect(await place.admits(replaced)).toBe(false)
  })

  test.each(['single-user', 'master', ...twoUsers] as const)(
    '%s with a test query throws NotPermitted in statement mode, before anything changes',
    async strategy => {
      const { world, application } = await worldOf(pgbouncer, strategy, {
        asks: true,
        testQuery: 'select n from of_the_app',
      })
      const before = await verifiers(pgbouncer, world)
      const { end, severity, error, rollback } = await world.rotate(nothing)
      const { refused, failures } = await application.stop()
      expect(failures).toEqual([])
      if (mode === 'statement') {
        expect({ end, severity, rollback }).toEqual({
          end: 'NotPermitted',
          severity: 'error',
          rollback: 'intact',
        })
        expect(error?.message).toContain('keyturn:test-query')
        // With one user the rehearsal finds this, with two users SetSecret.
        const rehearsed = /^in the rehearsal, before anything was changed: /.test(`${error?.message}`)
        expect(rehearsed || hasChangedNothingMark(`${error?.message}`)).toBe(true)
        expect(rehearsed).toBe(strategy === 'single-user' || strategy === 'master')
        expect(await verifiers(pgbouncer, world)).toEqual(before)
        expect(refused).toBe(0)
      } else if (asksItself) expect(end).toBe('rotated')
      else expect(end).toMatch(/^(NotPermitted|LoginRefused)$/)
      expect(await place.admits(await world.current())).toBe(true)
    },
  )

  test('a test query runs with the user’s settings, and throws NotPermitted in statement mode', async () => {
    const { world, application } = await worldOf(pgbouncer, 'alternating-users')
    await application.stop()
    await using session = await engine.login(await world.current())
    const run = session.runTestQuery('select n from of_the_app')
    if (mode === 'statement') await expect(run).rejects.toMatchObject({ name: 'NotPermitted' })
    else await expect(run).resolves.toBeUndefined()
  })
})

describe('a PgBouncer that gives one connection to all clients in turn, or has limits', () => {
  const [newest] = inject('postgres')
  const starting = async (settings: Record<string, number>) => {
    if (!newest) throw new Error('there is no PostgreSQL')
    return await startPgbouncer(newest, { settings })
  }

  test('has no setting of a session left on its connection', async () => {
    await using stack = new AsyncDisposableStack()
    const pgbouncer = stack.adopt(await starting({ default_pool_size: 1 }), p => p.stop())
    const app = appThroughPooler(pgbouncer, await makeApp(pgbouncer.server))
    await furnish(pgbouncer, app)
    const application = await startApplication(pgbouncer, async () => app.current)
    const engine = new Postgres({ caFile: pgbouncer.pooled.caFile })
    const show = async () => {
      const query = `select name, setting from pg_settings where name in
        ('search_path', 'statement_timeout', 'DateStyle', 'role', 'transaction_read_only', 'default_transaction_read_only')`
      const { username: user, password } = app.current
      return await runStatements(pgbouncer.pooled, query, app.database, { user, password })
    }
    const before = await show()
    for (let i = 0; i < 5; i++) {
      await using session = await engine.login(app.current)
      await session.setPassword(app.user, app.current.password)
      await session.runTestQuery('select n from of_the_app')
      await session.runTestQuery('select 1 / 0').catch(() => {})
    }
    expect(await show()).toEqual(before)
    expect((await application.stop()).failures).toEqual([])
  })

  test('closes a temporary clone’s connections, so that it is dropped, and the next clone works', async () => {
    await using stack = new AsyncDisposableStack()
    const pgbouncer = stack.adopt(await starting({ server_idle_timeout: 1 }), p => p.stop())
    SESSION_LOOK_PAUSES_MS.push(500, 500, 1000, 2000)
    onTestFinished(() => void SESSION_LOOK_PAUSES_MS.splice(1))
    const { world, application } = await worldOf(pgbouncer, 'temporary-clone')
    for (const _ of [1, 2]) {
      expect(await world.rotate(nothing)).toEqual({ end: 'rotated' })
      expect(await verifiers(pgbouncer, world)).toHaveLength(1)
    }
    const { refused, failures } = await application.stop()
    expect({ refused, failures }).toEqual({ refused: 0, failures: [] })
  })

  test('serves a replaced user until it needs another connection for it, as docs/poolers.md says', async () => {
    await using stack = new AsyncDisposableStack()
    const pgbouncer = stack.adopt(await starting({ server_lifetime: 2 }), p => p.stop())
    const { world, application } = await worldOf(pgbouncer, 'alternating-users')
    expect(await world.rotate(nothing)).toEqual({ end: 'rotated' })
    await sleep(4000)
    // Its logins are served, with the value that it reads; its pool's queries are not.
    expect((await application.stop()).refused).toBeGreaterThan(0)
  })

  test('makes a login throw Unreachable at its limits and timeouts, or if its server fails', async () => {
    await using stack = new AsyncDisposableStack()
    const full = stack.adopt(await starting({ max_client_conn: 1 }), p => p.stop())
    const app = appThroughPooler(full, await makeApp(full.server))
    const engine = new Postgres({ caFile: full.pooled.caFile })
    {
      await using _ = await engine.login(app.current)
      await expect(engine.login(app.current)).rejects.toMatchObject({ name: 'Unreachable' })
    }
    const gone = stack.adopt(
      await startPgbouncer({ ...full.server, port: 1 }, { userLookup: 'static list' }),
      p => p.stop(),
    )
    await addListedUsers(gone, { [app.user]: app.current.password })
    await expect(
      new Postgres({ caFile: gone.pooled.caFile }).login(appThroughPooler(gone, app).current),
    ).rejects.toMatchObject({ name: 'Unreachable' })
  })

  test('passes isStandby through in every mode', async () => {
    await using stack = new AsyncDisposableStack()
    const primary = stack.adopt(await startPostgres(), server => server.stop())
    const app = await makeApp(primary)
    const standby = stack.adopt(await startStandbyOf(primary), server => server.stop())
    const told = async (server: PostgresServer, mode: PoolMode) => {
      const pgbouncer = stack.adopt(await startPgbouncer(server, { mode }), p => p.stop())
      const engine = new Postgres({ caFile: pgbouncer.pooled.caFile })
      await using session = await engine.login(appThroughPooler(pgbouncer, app).current)
      return [session.isBehindPooler, await session.isStandby()]
    }
    for (const mode of POOL_MODES) {
      expect(await told(primary, mode)).toEqual([true, false])
      expect(await told(standby, mode)).toEqual([true, true])
    }
  })
})

import { readFileSync } from 'node:fs'
import { escapeIdentifier as name, escapeLiteral as text } from 'pg'
import { describe, expect, inject, test } from 'vitest'
import { startPostgres } from '../../../../local/servers/postgres.ts'
import {
  type App,
  admits,
  makeApp,
  randomHex,
  runStatements,
} from '../../../../local/servers/postgresDatabase.ts'
import type { Engine, Session, UserPair } from '../../../../rotation/engines/engine.ts'
import { Postgres } from '../../../../rotation/engines/postgres/postgres.ts'
import { md5PasswordHash } from '../../../../rotation/engines/postgres/scram.ts'
import { AlternatingUsers } from '../../../../rotation/strategies/alternatingUsers.ts'
import { pooledPlace } from '../../../pooler/place.ts'
import { expectForetold, type Outcome, outcomeOf } from '../../../support/contracts/expectForetold.ts'

const { pairOf } = new AlternatingUsers()
const versions = inject('postgres').filter(({ version }) => [18, 14].includes(version))

async function wouldOpenUser(session: Session, both: UserPair, open = both.clone) {
  return await session.wouldOpenUser(both, open)
}

async function wouldSetPassword(session: Session, user: string, password: string) {
  await session.wouldSetPassword(user, password)
}

describe.each(versions)('PostgreSQL $version', server => {
  const engine: Engine = new Postgres({ caFile: server.caFile })
  const since16 = server.version >= 16

  /** An app with what a DBA did to it before: U the user, C the clone, A the admin, D the database. */
  async function makeScene(statements = '', { cloned = false } = {}) {
    const app = await makeApp(server)
    const both = pairOf(app.user)
    const asAdmin = (host?: string) => engine.login(app.admin.with({ dbname: app.database }), host)
    const openUser = async (open: string, password: string) => {
      await using session = await asAdmin()
      return await session.openUser(both, { user: open, password })
    }
    if (cloned) await openUser(both.clone, 'clone')
    const names: Record<string, string> = {
      U: name(both.user),
      C: name(both.clone),
      A: name(app.admin.username),
      D: app.database,
    }
    const sql = (part: string) =>
      runStatements(
        server,
        part.replace(/\b[UCAD]\b|(?<=_)D\b/g, letter => names[letter] ?? letter),
        app.database,
      )
    if (statements) await sql(statements)
    return { app, both, asAdmin, sql, state: () => stateOf(app) }
  }

  /** All that the server keeps of user, clone and admin, and of what is theirs. */
  function stateOf({ user, admin, database }: Pick<App, 'user' | 'admin' | 'database'>) {
    const roles = [user, pairOf(user).clone, admin.username].map(text).join(', ')
    const ours = `select oid from pg_roles where rolname in (${roles})`
    return runStatements(
      server,
      `select
         array(select to_jsonb(r) from pg_authid r where oid in (${ours}) order by oid) as roles,
         array(select to_jsonb(m) from pg_auth_members m
           where m.member in (${ours}) or m.roleid in (${ours}) or m.grantor in (${ours}) order by m.*::text) as memberships,
         array(select to_jsonb(s) from pg_db_role_setting s where s.setrole in (${ours}) order by s.*::text) as settings,
         array(select to_jsonb(d) from pg_shdepend d where d.refobjid in (${ours}) order by d.*::text) as things,
         array(select to_jsonb(c) - 'relfrozenxid' - 'relminmxid' - 'reltuples' - 'relpages' - 'relallvisible' from pg_class c
           where relowner in (${ours}) order by oid) as relations,
         array(select to_jsonb(d) from pg_default_acl d order by oid) as defaults`,
      database,
    )
  }

  /** What the log has of this user. */
  const said = (user: string) =>
    readFileSync(server.logFile, 'utf8')
      .split('\n')
      .filter(line => line.includes(user))
      .join('\n')

  const threw = (threw: RegExp) => ({ threw: expect.stringMatching(threw) })
  const goesWell = { returned: undefined }

  describe('wouldSetPassword', () => {
    /** Each: a state; whose password is set, and by whom; what a DBA did before; and how that ends. */
    const cases: [string, 'U' | 'A' | 'nobody', 'itself' | 'the admin', string, Outcome][] = [
      ['a user sets its own password', 'U', 'itself', '', goesWell],
      ['an admin sets the password of a user', 'U', 'the admin', '', goesWell],
      [
        'the user is read-only',
        'U',
        'itself',
        'alter role U set default_transaction_read_only = on',
        goesWell,
      ],
      [
        'the user acts as another role',
        'U',
        'itself',
        'create role o_D; grant o_D to U; alter role U set role = o_D',
        goesWell,
      ],
      ['there is no such user', 'nobody', 'the admin', '', threw(/^NotPermitted: .*does not exist/)],
      ['a user sets the password of another', 'A', 'itself', '', threw(/^NotPermitted: .*permission denied/)],
      [
        'an admin sets the password of a superuser',
        'U',
        'the admin',
        'alter role U superuser',
        threw(/^NotPermitted: .*(superuser|permission denied to alter role)/),
      ],
      [
        'a user with REPLICATION sets its own password',
        'U',
        'itself',
        'alter role U replication',
        since16 ? goesWell : threw(/^NotPermitted: .*must be superuser to alter replication roles/),
      ],
      [
        'an admin sets the password of a user that it may not grant to others',
        'U',
        'the admin',
        since16 ? 'revoke U from A cascade' : '',
        since16 ? threw(/^NotPermitted: .*permission denied/) : goesWell,
      ],
    ]
    test.concurrent.each(cases)('%s', async (_, whose, who, statements, end) => {
      const { app, asAdmin, sql, state } = await makeScene(statements)
      await using session = who === 'itself' ? await engine.login(app.current) : await asAdmin()
      const user = { U: app.user, A: app.admin.username, nobody: `nobody_${randomHex()}` }[whose]
      expect(
        await expectForetold({
          would: () => wouldSetPassword(session, user, 'never used'),
          does: () => session.setPassword(user, 'next'),
          state,
        }),
      ).toEqual(end)
      await sql('alter role U nosuperuser')
      expect(await admits(server, app.current.with({ password: 'next' }))).toBe('returned' in end)
    })

    test('too many iterations of SCRAM throw NotPermitted, and a user with an md5 verifier may change it', async () => {
      const { app, asAdmin, state } = await makeScene()
      await using session = await asAdmin('scram-sha-256:200000')
      const acts = {
        would: () => wouldSetPassword(session, app.user, 'x'),
        does: () => session.setPassword(app.user, 'x'),
        state,
      }
      expect(await expectForetold(acts)).toEqual(threw(/^NotPermitted: .*scram_iterations of 200000/))
      await runStatements(server, `alter role ${app.user} password '${md5PasswordHash(app.user, 'old')}'`)
      await using itself = await engine.login(app.current.with({ password: 'old' }))
      await wouldSetPassword(itself, app.user, 'x')
      expect(said(app.user)).toContain(md5PasswordHash(app.user, 'x'))
    })

    test('a library that refuses a password throws DatabaseFailed, and the log has nothing but verifiers', async () => {
      const generated = `generated-${randomHex(8)}`
      const { app, state } = await makeScene(`alter role U set session_preload_libraries = 'passwordcheck'`)
      await using session = await engine.login(app.current)
      await wouldSetPassword(session, app.user, generated)
      expect(said(app.user)).toContain(`"${app.user}" password 'SCRAM-SHA-256$4096:`)
      expect(said(app.user)).not.toContain(generated)
      expect(
        await expectForetold({
          would: () => wouldSetPassword(session, app.user, app.user),
          does: () => session.setPassword(app.user, app.user),
          state,
        }),
      ).toEqual(threw(/^DatabaseFailed: .*SQLSTATE 22023/))
    })
  })

  describe('wouldOpenUser', () => {
    const none = { returned: [] }
    const toClone = (cloned: boolean) => ({ cloned, open: 'clone' as const })
    const back = { cloned: true, open: 'user' as const }
    /** Each: a state, how the turn begins, what a DBA did before it, and how it ends. */
    const cases: [string, { cloned: boolean; open: 'clone' | 'user' }, string, Outcome][] = [
      ['there is no clone yet', toClone(false), '', none],
      ['the clone equals the user', toClone(true), '', none],
      ['the user is opened', back, '', none],
      [
        'the user has changed',
        toClone(true),
        `create role shared_D; create role stray_D; grant shared_D to U; grant stray_D to A with admin option;
         grant stray_D to C${since16 ? ' granted by A' : ''}; alter role U connection limit 7 valid until '2999-01-01' createdb;
         alter role U set statement_timeout = '17s'; alter role U in database D set work_mem = '7MB';
         alter role C in database D set search_path = x; alter role C nologin`,
        none,
      ],
      [
        'the admin reads only, by its setting',
        toClone(true),
        'alter role A set default_transaction_read_only = on',
        none,
      ],
      [
        'the clone owns things, and was granted others',
        toClone(true),
        'create table public.owned (n int); alter table public.owned owner to C; create table public.lent (n int); alter table public.lent owner to A; grant select on public.lent to C',
        none,
      ],
      [
        'the clone owns things, and is in use',
        back,
        'create table public.owned (n int); alter table public.owned owner to C',
        none,
      ],
      [
        'the clone keeps a setting and default privileges',
        toClone(true),
        `alter role C set log_statement = 'ddl'; alter default privileges for role C grant select on tables to A`,
        {
          returned: [
            expect.stringMatching(/keeps default privileges on new relations.*: they give other roles more/),
            expect.stringMatching(/keeps its setting of log_statement: only a superuser/),
          ],
        },
      ],
      [
        'another user has the clone’s name',
        toClone(false),
        'create role C login',
        threw(/^NotPermitted: .*no clone/),
      ],
      [
        'another user has the clone’s name, and the user is opened',
        { ...back, cloned: false },
        'create role C login',
        threw(/^NotPermitted: .*no clone/),
      ],
      [
        'the clone is a superuser',
        toClone(true),
        'alter role C superuser',
        threw(/^NotPermitted: .*is a superuser/),
      ],
      [
        'there is no user',
        toClone(false),
        'drop owned by U; drop role U',
        threw(/^NotPermitted: .*there is no user/),
      ],
      [
        'the admin may create no roles',
        toClone(false),
        'alter role A nocreaterole',
        threw(/^NotPermitted: .*permission denied/),
      ],
      [
        'the admin may change no roles, and the user is opened',
        back,
        'alter role A nocreaterole',
        threw(/^NotPermitted: .*permission denied/),
      ],
      [
        'the user has a setting that only a superuser may set',
        toClone(true),
        `alter role U set log_statement = 'ddl'`,
        threw(/^NotPermitted: .*log_statement/),
      ],
      [
        'the user may replicate',
        toClone(true),
        'alter role U replication',
        threw(/^NotPermitted: .*(replication|permission denied to alter role)/),
      ],
    ]
    test.concurrent.each(cases)('%s', async (_, { cloned, open }, statements, end) => {
      const { both, asAdmin, state } = await makeScene(statements, { cloned })
      await using session = await asAdmin()
      expect(
        await expectForetold({
          would: () => wouldOpenUser(session, both, both[open]),
          does: () => session.openUser(both, { user: both[open], password: 'next' }),
          state,
        }),
      ).toEqual(end)
    })

    if (since16)
      test('wouldOpenUser reports what the admin may not hand over, and refuses what it may not grant', async () => {
        const { both, asAdmin, sql, state } = await makeScene(
          'create table public.owned (n int); alter table public.owned owner to C; revoke U from A cascade; grant U to C',
          { cloned: true },
        )
        await using session = await asAdmin()
        const acts = {
          would: () => wouldOpenUser(session, both),
          does: () => session.openUser(both, { user: both.clone, password: 'next' }),
          state,
        }
        const stays = expect.stringMatching(/keeps table (public\.)?owned: .*permission denied to grant role/)
        expect(await expectForetold(acts)).toEqual({ returned: [stays] })
        await sql('grant U to C with inherit false')
        expect(await expectForetold(acts)).toEqual(threw(/^NotPermitted: .*permission denied to grant role/))
      })

    test('wouldOpenUser changes nothing in other databases, and reports one that the admin may not enter', async () => {
      const { app, both, asAdmin, state } = await makeScene('', { cloned: true })
      const [open, closed] = [`open_${randomHex()}`, `closed_${randomHex()}`]
      for (const database of [open, closed]) {
        await runStatements(server, `create database ${database}`)
        await runStatements(server, `grant create on database ${database} to ${name(both.user)}`)
        await runStatements(server, `create schema own authorization ${name(both.clone)}`, database)
      }
      await runStatements(server, `revoke connect on database ${closed} from public`)
      const owner = () =>
        runStatements(server, `select nspowner::regrole from pg_namespace where nspname = 'own'`, open)
      const owned = await owner()
      await using session = await asAdmin()
      const told = await outcomeOf(wouldOpenUser(session, both))
      const takes = `reassign owned by "${both.clone}"`
      expect(said(both.clone)).not.toContain(takes)
      expect(await owner()).toEqual(owned)
      expect(
        await expectForetold({
          would: () => wouldOpenUser(session, both),
          does: () => session.openUser(both, { user: both.clone, password: 'next' }),
          state,
        }),
      ).toEqual(told)
      expect(said(both.clone)).toContain(takes)
      expect(told.returned).toEqual([
        expect.stringContaining(`${both.clone} keeps what it holds in the database ${closed}: `),
      ])
      expect(await owner()).toEqual([{ nspowner: app.user }])
      for (const database of [open, closed]) await runStatements(server, `drop database ${database}`)
    })

    test('wouldOpenUser warns that the user will not get in, whatever its password, before it is opened', async () => {
      const { both, asAdmin, sql } = await makeScene('', { cloned: true })
      await using session = await asAdmin()
      await sql(`alter role U valid until '2001-01-01' connection limit 0`)
      expect(await wouldOpenUser(session, both, both.user)).toEqual([
        expect.stringMatching(/ is let in no more since 2001-01-01 /),
        expect.stringMatching(/ may have no connection: /),
      ])
      await sql(`alter role U valid until '2999-01-01' connection limit 1`)
      expect(await wouldOpenUser(session, both, both.user)).toEqual([])
    })

    test('the statements of wouldOpenUser have no password', async () => {
      const { both, asAdmin } = await makeScene()
      await using session = await asAdmin()
      await wouldOpenUser(session, both)
      expect(said(both.clone)).toContain(`create role "${both.clone}" login inherit`)
      expect(said(both.clone)).not.toContain(' password ')
    })

    test.concurrent.each([
      ['changes the clone', true, 'alter role C connection limit 5'],
      ['makes the clone', false, 'create role C'],
    ])(
      'a session that %s meanwhile throws Conflict within two seconds, and does not keep the user out',
      async (_, cloned, statement) => {
        const { app, both, asAdmin, sql, state } = await makeScene('', { cloned })
        await sql('alter role U connection limit 7')
        const before = await state()
        const held = outcomeOf(sql(`begin; ${statement}; select pg_sleep(20)`))
        const holds = `from pg_stat_activity where wait_event = 'PgSleep' and datname = '${app.database}'`
        await expect.poll(() => sql(`select ${holds}`)).toHaveLength(1)
        await using session = await asAdmin()
        const since = Date.now()
        let over = false
        const told = outcomeOf(wouldOpenUser(session, both)).finally(() => {
          over = true
        })
        while (!over) expect(await admits(server, app.current)).toBe(true)
        expect(await told).toEqual(threw(/^Conflict: .*lock/))
        expect(Date.now() - since).toBeLessThan(2_000)
        await sql(`select pg_terminate_backend(pid) ${holds}`)
        await held
        expect(await state()).toEqual(before)
        expect(await outcomeOf(wouldOpenUser(session, both))).toEqual(none)
      },
    )

    test('wouldOpenUser does not disturb a rotation that makes the clone at the same time', async () => {
      const { both, asAdmin, app } = await makeScene()
      const looks = await Promise.all([1, 2, 3].map(() => asAdmin()))
      await using session = await asAdmin()
      const looking = looks.map(async look => {
        for (let i = 0; i < 8; i++) {
          const { threw: error = '' } = await outcomeOf(wouldOpenUser(look, both))
          expect(error).toMatch(/^(Conflict: .*)?$/)
        }
      })
      await session.openUser(both, { user: both.clone, password: 'next' })
      await Promise.all(looking)
      await Promise.all(looks.map(look => look[Symbol.asyncDispose]()))
      expect(await admits(server, app.current.with({ username: both.clone, password: 'next' }))).toBe(true)
    })
  })

  describe('wouldDropClone', () => {
    const owns = 'create table public.owned (n int); alter table public.owned owner to C'
    test.concurrent.each<[string, string, RegExp | undefined]>([
      ['the clone equals the user', '', undefined],
      ['the clone owns things', owns, undefined],
      [
        'the clone has default privileges that its user has not',
        'alter default privileges for role C grant select on tables to A',
        /^NotPermitted: .* is not dropped: .*keeps default privileges/,
      ],
      [
        'another user has the clone’s name',
        `revoke U from C${since16 ? ' granted by A' : ''} cascade`,
        /^NotPermitted: .*no clone/,
      ],
      ['there is no clone', 'drop owned by C; drop role C', undefined],
    ])('%s', async (_, statements, says) => {
      const { both, asAdmin, state } = await makeScene(statements, { cloned: true })
      await using session = await asAdmin()
      const before = await state()
      const told = await outcomeOf(session.wouldDropClone(both))
      expect(await state()).toEqual(before)
      expect(told).toEqual(says ? threw(says) : { returned: [] })
      expect((await outcomeOf(session.dropClone(both))).threw).toEqual(told.threw)
    })
  })

  test('countFreeConnections counts by the limits of the user and of the database', async () => {
    const { app, asAdmin, sql } = await makeScene(
      'alter role U connection limit 3; alter role A connection limit 9',
    )
    await using session = await engine.login(app.current)
    await using admin = await asAdmin()
    expect(await session.countFreeConnections(app.user)).toBe(2)
    await sql('alter database D connection limit 3')
    expect(await session.countFreeConnections(app.user)).toBe(1)
    expect(await admin.countFreeConnections(app.user)).toBe(1)
    {
      await using _ = await engine.login(app.current)
      expect(await session.countFreeConnections(app.user)).toBe(0)
      expect(await outcomeOf(engine.login(app.current))).toEqual(threw(/^Unreachable: .*no room/))
    }
    await sql('alter role U superuser')
    expect(await session.countFreeConnections(app.user)).toBeGreaterThan(50)
  })
})

test('countFreeConnections leaves out the connections that the server reserves for others', async () => {
  const server = await startPostgres(18)
  try {
    await runStatements(server, 'alter system set superuser_reserved_connections = 190')
    await runStatements(server, 'alter system set reserved_connections = 3')
    await server.restart()
    const { current, user } = await makeApp(server)
    const engine = new Postgres({ caFile: server.caFile })
    const sessions = [await engine.login(current)]
    const roomNow = () => sessions[0]?.countFreeConnections(user)
    await expect.poll(roomNow).toBe(6)
    while (await roomNow()) sessions.push(await engine.login(current))
    expect(sessions).toHaveLength(7)
    expect(await outcomeOf(engine.login(current))).toEqual({
      threw: expect.stringMatching(/^Unreachable: .*no room/),
    })
    await runStatements(server, `grant pg_use_reserved_connections to ${name(user)}`)
    expect(await roomNow()).toBe(3)
    sessions.push(await engine.login(current))
    await Promise.all(sessions.map(session => session[Symbol.asyncDispose]()))
  } finally {
    await server.stop()
  }
})

const poolers = inject('pgbouncer').filter(({ userLookup }) => userLookup === 'static list')

test.concurrent.each(poolers)('$name: what a check tries through the pooler is undone', async pgbouncer => {
  const place = pooledPlace(pgbouncer)
  const { current, admin, user, database } = await place.makeApp('alternating-users')
  const both = pairOf(user)
  const engine = new Postgres({ caFile: pgbouncer.pooled.caFile })
  const state = () =>
    runStatements(
      pgbouncer.server,
      `select to_jsonb(r) as role from pg_authid r where rolname in (${text(user)}, ${text(both.clone)})`,
    )
  const before = await state()
  await using session = await engine.login(current)
  await using acting = await engine.login(admin.with({ dbname: database }))
  expect(session.isBehindPooler).toBe(true)
  expect(await session.countFreeConnections(user)).toBeUndefined()
  await wouldSetPassword(session, user, 'never used')
  expect(await wouldOpenUser(acting, both)).toEqual([])
  expect(await state()).toEqual(before)
})

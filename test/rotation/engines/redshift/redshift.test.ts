import { readFileSync } from 'node:fs'
import type pg from 'pg'
import { escapeIdentifier as name } from 'pg'
import { describe, expect, test } from 'vitest'
import { type App, randomHex, runStatements } from '../../../../local/servers/postgresDatabase.ts'
import { Redshift } from '../../../../rotation/engines/redshift/redshift.ts'
import { AlternatingUsers } from '../../../../rotation/strategies/alternatingUsers.ts'
import { engineContract } from '../../../support/contracts/engine.ts'
import { expectForetold, type Outcome, outcomeOf } from '../../../support/contracts/expectForetold.ts'
import { makeApp, StandInClient, standInServers } from '../../../support/engines/redshiftStandIn.ts'
import { subjectOf } from '../../../support/engines/redshiftSubject.ts'

const { pairOf } = new AlternatingUsers()

const refused: Outcome = {
  threw: expect.stringMatching(/^NotPermitted: .*(permission denied|must be superuser)/),
}

const servers = standInServers()

describe.skipIf(!servers.length).each(servers)('Redshift, with PostgreSQL $version standing in', server => {
  engineContract(subjectOf(server))

  const engine = new Redshift({ caFile: server.caFile, Client: StandInClient })

  async function makeClone(options: { user?: string } = {}) {
    const app = await makeApp(server, options)
    const both = pairOf(app.user)
    const clone = app.current.with({ username: both.clone, password: `clone-${randomHex(8)}` })
    const asAdmin = (dbname = app.database, host?: string) => engine.login(app.admin.with({ dbname }), host)
    const sync = async () => {
      await using session = await asAdmin()
      await session.openUser(both, { user: clone.username, password: clone.password })
    }
    const differences = async () => {
      await using session = await engine.login(clone)
      return await session.differences(both, async () => app.current)
    }
    const as = ({ username: user, password }: App['current'], statements: string) =>
      runStatements(server, statements, app.database, { user, password })
    const sql = (statements: string) => runStatements(server, statements, app.database)
    const [u, c] = [name(both.user), name(both.clone)]
    return { app, user: app.current, clone, both, asAdmin, sync, differences, as, sql, u, c }
  }

  test.each([
    ['a schema', 'grant usage on schema s to U', 'revoke usage on schema s from U'],
    ['a table', 'grant select, insert on s.t to U', 'revoke insert on s.t from U'],
    [
      'a table, WITH GRANT OPTION',
      'grant select on s.t to U with grant option',
      'revoke grant option for select on s.t from U',
    ],
    ['a view', 'grant select on s.v to U', 'revoke select on s.v from U'],
    ['a column', 'grant select (m), update (m) on s.t to U', 'revoke update (m) on s.t from U'],
    [
      'a column, then the table',
      'grant select (m) on s.t to U',
      'revoke select (m) on s.t from U; grant select on s.t to U',
    ],
    [
      'a function',
      'grant execute on function s.f(int, "odd t") to U',
      'revoke all on function s.f(int, "odd t") from U',
    ],
    ['a procedure', 'grant execute on procedure s.p(int) to U', 'revoke all on procedure s.p(int) from U'],
    ['a language', 'grant usage on language sql to U', 'revoke usage on language sql from U'],
    ['the database', 'revoke temp on database D from U', 'grant temp on database D to U'],
    ['another database', 'grant temp on database postgres to U', 'revoke temp on database postgres from U'],
    ['a group', 'create group "G x"; alter group "G x" add user U', 'alter group "G x" drop user U'],
    [
      'default privileges of another user for this one',
      'alter default privileges for user A in schema s grant select on tables to U',
      'alter default privileges for user A in schema s revoke select on tables from U',
    ],
    [
      'default privileges of this user for a group',
      'create group "R x"; alter default privileges for user U grant select on tables to group "R x"',
      'alter default privileges for user U revoke select on tables from group "R x"',
    ],
    [
      'default privileges that take functions from PUBLIC',
      'alter default privileges for user U revoke execute on functions from public',
      'alter default privileges for user U grant execute on functions to public',
    ],
  ])('the clone gets, and loses again, what concerns %s', async (_, give, take) => {
    const odd = `o'dd "${randomHex(4)}"\\$1`
    const { app, sync, differences, sql, u } = await makeClone({ user: odd })
    const mark = randomHex(4)
    const fill = (statement: string) =>
      statement
        .replaceAll(/\bU\b/g, () => u)
        .replaceAll(/\bA\b/g, app.admin.username)
        .replaceAll(/\bD\b/g, app.database)
        .replaceAll(/"([GR]) x"/g, `"$1 ${mark}"`)
    await sql(
      `create schema s; create table s.t (n int, m int); create view s.v as select 1 as one;
       create type "odd t" as (a int);
       create function s.f(int, "odd t") returns int language sql as 'select 1';
       create procedure s.p(int) language sql as 'select 1'; create procedure s.p() language sql as 'select 1'`,
    )
    await sync()
    for (const statement of [give, take]) {
      await sql(fill(statement))
      expect(await differences(), statement).not.toEqual([])
      await sync()
      expect(await differences(), statement).toEqual([])
    }
  })

  test('what user and clone make belongs to the user after the next rotation, and both can use it', async () => {
    const { user, clone, sync, differences, as, sql, u } = await makeClone()
    await sync()
    await as(user, 'create schema mine; create table mine.t (n int)')
    await as(clone, 'create table public.new (n int); create schema ours')
    expect(await differences()).toEqual([])
    await sync()
    await as(clone, 'insert into mine.t values (1); truncate mine.t; create table mine.other (n int)')
    await as(user, 'insert into public.new values (1); drop schema ours')
    await as(clone, 'insert into public.new values (2)')
    await sync()
    const owners = `select distinct tableowner from pg_tables where schemaname in ('mine', 'public')`
    expect(await sql(owners)).toEqual([{ tableowner: user.username }])
    await as(user, `drop table mine.other; grant select on mine.t to ${u}`)
  })

  test('a clone in use hands over what it owns, and stays as it was otherwise', async () => {
    const { app, user, clone, both, asAdmin, sync, as, sql, u } = await makeClone()
    await sync()
    await as(clone, 'create table public.made (n int)')
    await sql(`alter user ${u} valid until '2001-01-01'; alter user ${u} connection limit 0`)
    const state = () => sql(`select * from pg_roles where rolname = '${clone.username}'`)
    const before = await state()
    await using session = await asAdmin()
    expect(await session.openUser(both, { user: both.user, password: 'back' })).toEqual([])
    expect(await state()).toEqual(before)
    expect(await sql(`select tableowner from pg_tables where tablename = 'made'`)).toEqual([
      { tableowner: both.user },
    ])
    await as(clone, 'insert into public.made values (1)')
    expect(await subjectOf(server).admits(user.with({ password: app.current.password }))).toBe(false)
  })

  test('what cannot be handed over stays with the clone, and stops no rotation', async () => {
    const { app, clone, both, asAdmin, sync, as, sql } = await makeClone()
    await sync()
    await as(clone, 'create table public.made (n int); create table public.stays (n int)')
    await sql(
      `create function public.refuse() returns event_trigger language plpgsql as $$ begin
         if current_query() ~ 'alter table "public"."stays" owner' then raise insufficient_privilege; end if; end $$;
       create event trigger refuse on ddl_command_start when tag in ('ALTER TABLE') execute function public.refuse()`,
    )
    await using session = await asAdmin()
    const open = { user: clone.username, password: clone.password }
    for (let turns = 0; turns < 2; turns++)
      expect(await session.openUser(both, open)).toEqual([
        expect.stringContaining(`${clone.username} keeps table "public"."stays"`),
      ])
    expect(
      await sql(`select tablename, tableowner from pg_tables where schemaname = 'public' order by 1`),
    ).toEqual([
      { tablename: 'made', tableowner: app.user },
      { tablename: 'stays', tableowner: clone.username },
    ])
    await expect(session.dropClone(both)).rejects.toMatchObject({ name: 'NotPermitted' })
    expect(await subjectOf(server).admits(clone)).toBe(true)
  })

  test('the clone’s own default privileges stop no rotation, and go when it is dropped', async () => {
    const { app, both, asAdmin, sync, differences, sql, c } = await makeClone()
    await sync()
    await sql(`alter default privileges for user ${c} grant select on tables to ${app.admin.username}`)
    await sync()
    expect(await differences()).toEqual([])
    await sql(`alter default privileges for user ${c} grant select on tables to ${app.admin.username}`)
    await using session = await asAdmin()
    await session.dropClone(both)
  })

  test('a statement that fails undoes the others of its change, and the session can be used', async () => {
    const { user, clone, both, sql, u } = await makeClone()
    // It may make users, but this setting only a superuser may give.
    await sql(`alter user ${u} createrole; alter user ${u} set log_statement = 'all'`)
    await using session = await engine.login(user)
    await expect(
      session.openUser(both, { user: clone.username, password: clone.password }),
    ).rejects.toMatchObject({ name: 'NotPermitted' })
    await session.runTestQuery('select 1')
    await session.setPassword(user.username, 'next')
    expect(await sql(`select 1 from pg_user where usename = '${clone.username}'`)).toEqual([])
  })

  test('a clone that is dropped hands over to the user what it owned', async () => {
    const { clone, both, asAdmin, sync, as, sql, u } = await makeClone()
    const group = `group_${randomHex()}`
    await sql(
      `create group ${group}; alter group ${group} add user ${u}; alter default privileges for user ${u} grant select on tables to group ${group}`,
    )
    await sync()
    await as(
      clone,
      `create table public.left (n int); create view public.seen as select 1 as one; create schema "left s";
       create function public.f(int) returns int language sql as 'select 1';
       create procedure public.p() language sql as 'select 1'`,
    )
    await using session = await asAdmin()
    await session.dropClone(both)
    expect(await sql(`select tableowner from pg_tables where tablename = 'left'`)).toEqual([
      { tableowner: both.user },
    ])
    expect(await sql(`select 1 from pg_user where usename = '${clone.username}'`)).toEqual([])
  })

  test('a stranger with the clone’s name that owns something throws NotPermitted', async () => {
    const { clone, sync, sql, u, c } = await makeClone()
    const schema = `strange_${randomHex()}`
    await sql(`create table public.t_${schema} (n int); grant select on public.t_${schema} to ${u};
               create user ${c}; create schema ${schema} authorization ${c}`)
    await expect(sync()).rejects.toMatchObject({
      name: 'NotPermitted',
      message: expect.stringContaining('no clone'),
    })
    expect(
      await sql(`select nspowner::regrole::text as owner from pg_namespace where nspname = '${schema}'`),
    ).toEqual([{ owner: clone.username }])
  })

  test('a user without rights, whose own password was proven, is not trusted as the clone', async () => {
    const { app, both, asAdmin, sql, u, c } = await makeClone()
    const table = `t_${randomHex()}`
    await sql(
      `create table public.${table} (n int); grant select on public.${table} to ${u}; create user ${c}`,
    )
    await using session = await asAdmin()
    const refused = { name: 'NotPermitted', message: expect.stringContaining('no clone') }
    await expect(session.openUser(both, { user: both.user, password: 'taken' })).rejects.toMatchObject(
      refused,
    )
    await expect(session.closeUser(both.user, both)).rejects.toMatchObject(refused)
    expect(await subjectOf(server).admits(app.current)).toBe(true)
    await session.openUser(both, { user: both.clone, password: 'turn' })
  })

  test('a clone that holds something in another database is not dropped', async () => {
    const { app, clone, both, asAdmin, sync, c } = await makeClone()
    await sync()
    const elsewhere = await makeApp(server)
    await runStatements(server, `alter database ${elsewhere.database} owner to ${app.admin.username}`)
    await runStatements(
      server,
      `create schema theirs; grant usage on schema theirs to ${c}`,
      elsewhere.database,
    )
    await using session = await asAdmin()
    await expect(session.dropClone(both)).rejects.toMatchObject({
      name: 'NotPermitted',
      message: expect.stringContaining(elsewhere.database),
    })
    expect(await subjectOf(server).admits(clone)).toBe(true)
  })

  describe('a check of', () => {
    /** @returns all that the server keeps of user and clone, and of what they own in their database */
    const stateOf = ({ both, sql }: Awaited<ReturnType<typeof makeClone>>) => {
      const ours = `select oid from pg_roles where rolname in ('${both.user}', '${both.clone}')`
      return sql(
        `select
           array(select to_jsonb(r) from pg_authid r where oid in (${ours}) order by oid) as users,
           array(select to_jsonb(m) from pg_auth_members m where member in (${ours}) order by m.*::text) as groups,
           array(select to_jsonb(s) from pg_db_role_setting s where setrole in (${ours}) order by s.*::text) as settings,
           array(select to_jsonb(d) from pg_shdepend d where refobjid in (${ours}) order by d.*::text) as things,
           array(select to_jsonb(c) - 'relfrozenxid' from pg_class c where relname in ('of_users', 'of_clones')) as tables,
           array(select to_jsonb(d) from pg_default_acl d) as defaults,
           array(select to_jsonb(g) from svv_user_grants g) as roles`,
      )
    }
    const goesWell = { returned: [] }
    const changed = `create group g_D; alter group g_D add user U; alter user U connection limit 7 valid until '2999-01-01' createdb;
      alter user U set statement_timeout = '17s'; create table of_users (n int); alter table of_users owner to U;
      create table of_clones (n int); alter table of_clones owner to C; grant select on pg_authid to U`
    test.each<[string, { cloned?: boolean; open?: 'user' | 'clone' }, string, Outcome]>([
      ['there is no clone yet', {}, '', goesWell],
      ['the user has changed', { cloned: true }, changed, goesWell],
      ['the user is opened, and has changed', { cloned: true, open: 'user' }, changed, goesWell],
      [
        'another user has the clone’s name',
        {},
        'create user C; create schema strange_D authorization C',
        { threw: expect.stringMatching(/^NotPermitted: .*no clone/) },
      ],
      [
        'there is no user',
        {},
        'drop owned by U; drop user U',
        { threw: expect.stringMatching(/^NotPermitted: there is no user/) },
      ],
      ['the admin is no superuser', { cloned: true }, 'alter user A nosuperuser', refused],
      [
        'the admin is no superuser, and the user is opened',
        { cloned: true, open: 'user' },
        'alter user A nosuperuser',
        refused,
      ],
    ])('wouldOpenUser: %s', async (_, { cloned = false, open = 'clone' }, statements, end) => {
      const scene = await makeClone()
      const { app, both, asAdmin, sync, sql, u, c } = scene
      if (cloned) await sync()
      const names: Record<string, string> = { U: u, C: c, A: name(app.admin.username), D: app.database }
      await sql(statements.replace(/\b[UCAD]\b|(?<=_)D\b/g, letter => names[letter] ?? letter))
      await using session = await asAdmin()
      expect(
        await expectForetold({
          would: () => session.wouldOpenUser(both, both[open]),
          does: () => session.openUser(both, { user: both[open], password: 'next' }),
          state: () => stateOf(scene),
        }),
      ).toEqual(end)
    })

    test.each<[string, string, string, Outcome]>([
      ['there is no clone yet', 'none', '', { returned: [] }],
      ['there is a clone, which owns something', 'clone', changed, { returned: [] }],
      ['the admin is no superuser', 'clone', 'alter user A nosuperuser', refused],
      ['the admin is no superuser, and there is no clone yet', 'none', 'alter user A nosuperuser', refused],
      [
        'another user has the clone’s name',
        'none',
        'create user C; create schema strange_D authorization C',
        { threw: expect.stringMatching(/^NotPermitted: .*no clone/) },
      ],
    ])('wouldDropClone: %s', async (_, which, statements, end) => {
      const scene = await makeClone()
      const { app, both, asAdmin, sync, sql, u, c } = scene
      if (which === 'clone') await sync()
      const names: Record<string, string> = { U: u, C: c, A: name(app.admin.username), D: app.database }
      await sql(statements.replace(/\b[UCAD]\b|(?<=_)D\b/g, letter => names[letter] ?? letter))
      await using session = await asAdmin()
      const before = await stateOf(scene)
      expect(await outcomeOf(session.wouldDropClone(both))).toEqual(end)
      expect(await stateOf(scene)).toEqual(before)
      // dropClone refuses nothing if there is no clone.
      const there = which === 'clone' || statements.includes('create user C')
      if (there) expect((await outcomeOf(session.dropClone(both))).threw).toEqual(end.threw)
    })

    test('wouldSetPassword allows oneself and what an admin may change, and sends no password', async () => {
      const scene = await makeClone()
      const { app, asAdmin } = scene
      const state = () => stateOf(scene)
      const mark = readFileSync(server.logFile, 'utf8').length
      await using itself = await engine.login(app.current)
      await using admin = await asAdmin()
      const sets = (session: typeof admin, user: string) =>
        expectForetold({
          would: () => session.wouldSetPassword(user),
          does: () => session.setPassword(user, app.current.password),
          state,
        })
      for (const session of [itself, admin])
        expect(await sets(session, app.user)).toEqual({ returned: undefined })
      expect(await sets(itself, app.admin.username)).toEqual(refused)
      expect(await sets(admin, `nobody_${randomHex()}`)).toEqual({
        threw: expect.stringMatching(/^NotPermitted: .*does not exist/),
      })
      const tried = readFileSync(server.logFile, 'utf8')
        .slice(mark)
        .split('\n')
        .filter(line => line.includes(app.user) && line.includes('; rollback'))
      expect(tried).toEqual([
        expect.stringContaining(`alter user "${app.user}" valid until 'infinity'; rollback`),
      ])
    })

    test('countFreeConnections counts by the user’s limit, and returns undefined for a superuser', async () => {
      const { app, asAdmin, sql, u } = await makeClone()
      await using itself = await engine.login(app.current)
      await using admin = await asAdmin()
      expect(await itself.countFreeConnections(app.user)).toBeUndefined()
      await sql(`alter user ${u} connection limit 2`)
      for (const session of [itself, admin]) expect(await session.countFreeConnections(app.user)).toBe(1)
      await using _ = await engine.login(app.current)
      for (const session of [itself, admin]) expect(await session.countFreeConnections(app.user)).toBe(0)
      expect((await outcomeOf(engine.login(app.current))).threw).toContain('no room')
      await sql(`alter user ${u} superuser`)
      expect(await itself.countFreeConnections(app.user)).toBeUndefined()
    })
  })

  test('each statement has a time limit on the server, which no later statement of the session has', async () => {
    const { current } = await makeApp(server)
    const clients: StandInClient[] = []
    const sent: string[] = []
    class Client extends StandInClient {
      constructor(config: pg.ClientConfig) {
        super(config)
        clients.push(this)
        const query = this.query.bind(this)
        this.query = ((statement: string) => {
          sent.push(statement)
          return query(statement)
        }) as unknown as pg.Client['query']
      }
    }
    const hasty = new Redshift({ caFile: server.caFile, Client, statementTimeout: 200 })
    await using session = await hasty.login(current)
    await session.setPassword(current.username, 'next')
    expect(sent.filter(statement => /set (?!local)\w+ (=|to) /.test(statement))).toEqual([])
    expect(sent.join('; ')).toContain('set local statement_timeout to 200')
    const shown = await clients[0]?.query('show statement_timeout')
    expect(shown?.rows).toEqual([{ statement_timeout: '0' }])
  })

  test('openUser is one transaction, and makes the kind of password that the user has', async () => {
    const { both, asAdmin, app } = await makeClone()
    const mark = readFileSync(server.logFile, 'utf8').length
    for (const [host, kind] of [
      ['sha256', /: create user .* password 'sha256\|\w{64}\|\w{64}'; commit$/m],
      ['md5', /: alter user .* password 'md5\w{32}'; commit$/m],
    ] as const) {
      await using session = await asAdmin(app.database, host)
      await session.openUser(both, { user: both.clone, password: 'x' })
      expect(readFileSync(server.logFile, 'utf8').slice(mark)).toMatch(kind)
    }
  })
})

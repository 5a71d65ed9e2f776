import { escapeIdentifier as name, escapeLiteral as text } from 'pg'
import { describe, expect, inject, test } from 'vitest'
import { admits, makeApp, randomHex, runStatements } from '../../../../local/servers/postgresDatabase.ts'
import { Postgres } from '../../../../rotation/engines/postgres/postgres.ts'
import { AlternatingUsers } from '../../../../rotation/strategies/alternatingUsers.ts'
import { rejectionOf } from '../../../support/observe.ts'

const { pairOf } = new AlternatingUsers()
const versions = inject('postgres').filter(({ version }) => [18, 16, 14].includes(version))

describe.each(versions)('PostgreSQL $version', server => {
  const engine = new Postgres({ caFile: server.caFile })
  const inherits = server.version >= 16

  async function makeTurns() {
    const app = await makeApp(server)
    const both = pairOf(app.user)
    const clone = app.current.with({ username: both.clone, password: `clone-${randomHex(8)}` })
    const open = async (credential = clone, proof = app.current) => {
      await using proven = await engine.login(proof)
      await using session = await engine.login(
        app.admin.with({ dbname: app.database }),
        proven.accountQualifier,
      )
      return await session.openUser(both, { user: credential.username, password: credential.password })
    }
    const drop = async () => {
      await using session = await engine.login(app.admin.with({ dbname: app.database }))
      await session.dropClone(both)
    }
    const differences = async () => {
      await using session = await engine.login(clone)
      // Other tests change settings of their own databases meanwhile.
      const found = await session.differences(both)
      return found.filter(text => !text.includes(' in database ') || text.includes(app.database))
    }
    const [u, c, a] = [both.user, both.clone, app.admin.username].map(name) as [string, string, string]
    const sql = (statements: string) => runStatements(server, statements, app.database)
    const asAdmin = (statements: string) =>
      runStatements(server, statements, app.database, {
        user: app.admin.username,
        password: app.admin.password,
      })
    /** All that the server keeps of a role but its password and what it owns. */
    const stateOf = (role: string) =>
      sql(
        `select to_jsonb(r) - 'rolpassword' as role,
           array(select to_jsonb(m) - 'oid' from pg_auth_members m where m.member = r.oid order by 1) as memberships,
           array(select to_jsonb(s) from pg_db_role_setting s where s.setrole = r.oid order by 1) as settings,
           array(select pg_describe_object(classid, objid, objsubid) from pg_shdepend d
             where refclassid = 'pg_authid'::regclass and refobjid = r.oid and deptype in ('a', 'r') order by 1) as grants
         from pg_roles r where rolname = ${text(role)}`,
      )
    return { app, both, clone, open, drop, differences, sql, asAdmin, stateOf, u, c, a }
  }

  /** What a DBA may do to the user while the clone is in use; D is the database. */
  const trouble: [string, string][] = [
    ['expires', `alter role U valid until '2001-01-01'`],
    ['has a connection limit of 0', 'alter role U connection limit 0'],
    ['may not log in', 'alter role U nologin'],
    ['does not inherit privileges', 'alter role U noinherit'],
    ['loads a missing library', `alter role U set session_preload_libraries = 'nowhere'`],
    [
      'loads a missing library in this database',
      `alter role U in database D set session_preload_libraries = 'nowhere'`,
    ],
    ['has a statement_timeout of a millisecond', `alter role U set statement_timeout = 1`],
    ['is read-only', 'alter role U set default_transaction_read_only = on'],
    ['may create databases', 'alter role U createdb'],
    [
      'lost a privilege that the clone was granted itself',
      'grant connect on database D to C; revoke connect on database D from public',
    ],
    [
      'lost a role by which it may connect',
      'create role gate_D; grant connect on database D to gate_D; revoke connect on database D from public; grant gate_D to C',
    ],
  ]

  test.each(trouble)(
    'opening the user, which %s, leaves the clone in use as it is',
    async (_, statements) => {
      const { app, clone, open, sql, stateOf, u, c } = await makeTurns()
      await open()
      const fill = (part: string) =>
        part
          .replace(/\bU\b/g, u)
          .replace(/\bC\b/g, c)
          .replace(/\bD\b|(?<=_)D\b/g, app.database)
      await sql(fill(statements))
      const before = await stateOf(clone.username)
      const back = app.current.with({ password: 'back' })
      expect(await open(back, clone)).toEqual([])
      expect(await stateOf(clone.username)).toEqual(before)
      await using _session = await engine.login(clone)
    },
  )

  test.each(trouble.slice(3, 9))(
    'opening the clone leaves the user in use, which %s, as it is',
    async (_, statements) => {
      const { app, clone, open, sql, stateOf, u } = await makeTurns()
      await open()
      const superuser = app.admin.with({
        username: server.superuser.user,
        password: server.superuser.password,
      })
      const before = await stateOf(app.user)
      await sql(
        `create table public.owned (n int); alter table public.owned owner to ${name(clone.username)}`,
      )
      await using session = await engine.login(superuser.with({ dbname: app.database }))
      await session.openUser(pairOf(app.user), { user: clone.username, password: clone.password })
      expect(await stateOf(app.user)).toEqual(before)
      await sql(statements.replace(/\bU\b/g, u).replace(/\bD\b/g, app.database))
      const changed = await stateOf(app.user)
      await session.openUser(pairOf(app.user), { user: clone.username, password: clone.password })
      expect(await stateOf(app.user)).toEqual(changed)
    },
  )

  test('a clone in use hands over what it owns, and can still do everything with it', async () => {
    const { app, clone, open, sql, c } = await makeTurns()
    await open()
    await sql(`create table public.owned (n int); alter table public.owned owner to ${c}`)
    await open(app.current.with({ password: 'back' }), clone)
    expect(await sql(`select tableowner from pg_tables where tablename = 'owned'`)).toEqual([
      { tableowner: app.user },
    ])
    const writing = new Postgres({ caFile: server.caFile, testMayWrite: true })
    await using session = await writing.login(clone)
    await session.runTestQuery('drop table public.owned')
  })

  test('a clone in use that does not inherit keeps what it owns', async () => {
    const { app, clone, open, sql, u, c } = await makeTurns()
    await open()
    await sql(
      `create schema own authorization ${c}; alter database ${app.database} owner to ${c};
       revoke connect on database ${app.database} from public; grant connect on database ${app.database} to ${u}, ${name(app.admin.username)};
       ${inherits ? `grant ${u} to ${c} with inherit false granted by ${name(app.admin.username)}` : `alter role ${c} noinherit`}`,
    )
    await open(app.current.with({ password: 'back' }), clone)
    expect(await admits(server, clone)).toBe(true)
    expect(
      await sql(`select nspowner::regrole::text as owner from pg_namespace where nspname = 'own'`),
    ).toEqual([{ owner: clone.username }])
    // At its own turn it inherits again, and hands it over.
    await open(clone, app.current.with({ password: 'back' }))
    expect(
      await sql(`select nspowner::regrole::text as owner from pg_namespace where nspname = 'own'`),
    ).toEqual([{ owner: app.user }])
  })

  describe('a handover leaves the admin’s own memberships as they were', () => {
    const since16: [string, string][] = [
      ['granted by the admin itself, with SET', 'grant U, C to A with set true, inherit false granted by A'],
      [
        'granted by the admin itself, with INHERIT',
        'grant U, C to A with set false, inherit true granted by A',
      ],
      [
        'granted by the admin itself, with both options',
        'grant U, C to A with set true, inherit true granted by A',
      ],
      [
        'granted by the admin itself, with neither option',
        'grant U to A with set false, inherit false granted by A',
      ],
      ['in the clone alone', 'grant C to A with set true, inherit false granted by A'],
      [
        'granted by another role that the admin has',
        'create role D; grant U, C to D with admin option; grant D to A; revoke admin option for U, C from A cascade; grant U to C; grant U to A with set true, inherit false granted by D',
      ],
    ]
    const before16: [string, string][] = [
      ['granted by the admin itself', 'grant U, C to A'],
      ['granted with ADMIN OPTION', 'grant U to A with admin option'],
      ['granted to an admin that does not inherit', 'alter role A noinherit; grant U, C to A'],
      ['in another role that is a member of both', 'create role D; grant U, C to D; grant D to A'],
    ]

    test.each([...(inherits ? since16 : before16), ['no memberships', 'select 1']] as [string, string][])(
      '%s',
      async (_, statements) => {
        const { app, open, sql, stateOf, differences, u, c, a } = await makeTurns()
        await open()
        const fill = (part: string) =>
          part
            .replace(/\bU\b/g, u)
            .replace(/\bC\b/g, c)
            .replace(/\bA\b/g, a)
            .replace(/\bD\b/g, `dba_${app.database}`)
        for (const statement of statements.split('; ')) await sql(fill(statement))
        const before = await stateOf(app.admin.username)
        await sql(`create table public.owned (n int); alter table public.owned owner to ${c}`)
        const told = await open()
        expect(await stateOf(app.admin.username)).toEqual(before)
        expect(await differences()).toEqual([])
        if (!statements.includes('noinherit')) expect(told).toEqual([])
        // A transaction that fails in the middle.
        await sql(
          `alter role ${c} superuser; create foreign data wrapper w; alter foreign data wrapper w owner to ${c}; alter role ${c} nosuperuser`,
        )
        expect(await open()).toContainEqual(expect.stringContaining('keeps foreign-data wrapper w'))
        expect(await stateOf(app.admin.username)).toEqual(before)
      },
    )
  })

  test('what the clone holds in a database that the admin may not enter stays, and stops no rotation', async () => {
    const { clone, open, drop, differences, c } = await makeTurns()
    await open()
    const closed = `closed_${randomHex()}`
    await runStatements(server, `create database ${closed}`)
    await runStatements(
      server,
      `revoke connect on database ${closed} from public; create schema own authorization ${c};
       alter default privileges for role ${c} grant select on tables to public`,
      closed,
    )
    expect(await open()).toEqual([expect.stringContaining(`holds in the database ${closed}`)])
    expect(await differences()).toEqual([])
    expect(await rejectionOf(drop())).toMatchObject({
      name: 'NotPermitted',
      message: expect.stringContaining(closed),
    })
    expect(await admits(server, clone)).toBe(true)
    await runStatements(server, `alter database ${closed} allow_connections false`)
    expect(await open()).toEqual([expect.stringContaining(`holds in the database ${closed}`)])
    await runStatements(server, `drop database ${closed}`)
    expect(await open()).toEqual([])
    await drop()
  })

  test('default privileges of the clone in another database stop no rotation', async () => {
    const { app, open, drop, differences, c } = await makeTurns()
    await open()
    const other = `other_${randomHex()}`
    await runStatements(server, `create database ${other} owner ${name(app.admin.username)}`)
    await runStatements(
      server,
      `alter default privileges for role ${c} in schema public grant all on tables to ${name(app.admin.username)}`,
      other,
    )
    expect(await open()).toEqual([expect.stringContaining('keeps default privileges on new relations')])
    expect(await differences()).toEqual([])
    expect(await rejectionOf(drop())).toMatchObject({
      name: 'NotPermitted',
      message: expect.stringContaining('default privileges on new relations'),
    })
  })

  test('a clone’s table that somebody uses stays with the clone until it is free', async () => {
    const { app, open, sql, differences, c } = await makeTurns()
    await open()
    await sql(`create table public.busy (n int); alter table public.busy owner to ${c};
      create table public.free (n int); alter table public.free owner to ${c}`)
    const reading = sql('begin; lock table public.busy in access share mode; select pg_sleep(4); commit')
    const told = await open()
    expect(told).toEqual([expect.stringMatching(/keeps table (public\.)?busy: .*lock/)])
    expect(await differences()).toEqual([])
    expect(await sql(`select tableowner from pg_tables where tablename = 'free'`)).toEqual([
      { tableowner: app.user },
    ])
    await reading
    expect(await open()).toEqual([])
  })

  if (inherits)
    test.each([
      ['inherit', 'inherit true, set false', 'inherit false, set true'],
      ['set', 'inherit false, set true', 'inherit true, set false'],
    ])(
      'a role with the option %s, which the clone has without its user, is taken from the clone',
      async (_, clones, users) => {
        const { open, differences, sql, asAdmin, u, c, a } = await makeTurns()
        await open()
        const role = `role_${randomHex()}`
        await sql(
          `create role ${role}; grant ${role} to ${a} with admin option; grant ${role} to ${u} with ${users}`,
        )
        await asAdmin(`grant ${role} to ${c} with ${clones}`)
        expect(await differences()).toEqual([`revoke "${role}" from ${c}`])
        await open()
        expect(await differences()).toEqual([])
        await sql(`grant ${role} to ${u} with inherit true, set true`)
        await asAdmin(`grant ${role} to ${c} with ${clones}`)
        expect(await differences()).toEqual([])
      },
    )
})

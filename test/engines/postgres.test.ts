import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import pg, { escapeIdentifier as name, escapeLiteral as text } from 'pg'
import { describe, expect, inject, test } from 'vitest'
import { freePort } from '../../local/spawn.ts'
import type { Credential } from '../../rotation/credential.ts'
import { Postgres } from '../../rotation/engines/postgres.ts'
import { scramVerifier } from '../../rotation/engines/scram.ts'
import { AlternatingUsers } from '../../rotation/strategies/alternatingUsers.ts'
import { admits, asSuperuser, credentialFor, hex, makeApp } from '../database.ts'

const { pair } = new AlternatingUsers()
const printable = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join('')

test.each(inject('postgres'))(
  'the log of PostgreSQL $version shows statements, so it would show a password',
  async server => {
    const mark = hex()
    await asSuperuser(server, `select '${mark}'`)
    expect(readFileSync(server.logFile, 'utf8')).toContain(mark)
  },
)

describe.each(inject('postgres'))('PostgreSQL $version', server => {
  const engine = new Postgres({ caFile: server.caFile })
  const other = (credential: Credential, change: object) =>
    credentialFor(server, credential.username, credential.password, { dbname: credential.dbname, ...change })

  describe('login', () => {
    test('opens a session over TLS', async () => {
      const { current } = await makeApp(server)
      await using _ = await engine.login(current)
      const query = `select ssl from pg_stat_ssl join pg_stat_activity using (pid) where usename = ${text(current.username)}`
      expect(await asSuperuser(server, query)).toEqual([{ ssl: true }])
    })

    test('a wrong password, an unknown user and a user without a password are LoginRefused', async () => {
      const { current, admin } = await makeApp(server)
      await expect(engine.login(current.with({ password: 'wrong' }))).rejects.toMatchObject({
        name: 'LoginRefused',
      })
      await expect(engine.login(current.with({ username: 'nobody' }))).rejects.toMatchObject({
        name: 'LoginRefused',
      })
      {
        await using session = await engine.login(admin)
        await session.lockUser(current.username)
      }
      await expect(engine.login(current)).rejects.toMatchObject({ name: 'LoginRefused' })
      await asSuperuser(server, `alter role ${name(current.username)} nologin password 'x'`)
      await expect(engine.login(current.with({ password: 'x' }))).rejects.toMatchObject({
        name: 'LoginRefused',
      })
    })

    test('an unknown database is InvalidCredential and names the field', async () => {
      const { current } = await makeApp(server)
      await expect(engine.login(current.with({ dbname: 'nowhere' }))).rejects.toMatchObject({
        name: 'InvalidCredential',
        field: 'dbname',
      })
    })

    test('a closed port and an unknown host are Unreachable', async () => {
      const { current } = await makeApp(server)
      const closed = other(current, { port: await freePort() })
      await expect(engine.login(closed)).rejects.toMatchObject({ name: 'Unreachable' })
      const unknown = other(current, { host: 'no.such.host.invalid' })
      await expect(engine.login(unknown)).rejects.toMatchObject({ name: 'Unreachable' })
    })

    test('a server that accepts and never answers is Unreachable after the timeout', async () => {
      const silent = createServer(() => {}).listen(0, '127.0.0.1')
      await new Promise(resolve => silent.once('listening', resolve))
      const { port } = silent.address() as { port: number }
      const hasty = new Postgres({ caFile: server.caFile, connectTimeout: 200 })
      await expect(hasty.login(credentialFor(server, 'u', 'p', { port }))).rejects.toMatchObject({
        name: 'Unreachable',
      })
      silent.close()
    })

    test('too many connections are Unreachable', async () => {
      const { current } = await makeApp(server)
      await asSuperuser(server, `alter role ${name(current.username)} connection limit 1`)
      await using _ = await engine.login(current)
      await expect(engine.login(current)).rejects.toMatchObject({ name: 'Unreachable' })
    })

    test('a server whose certificate we do not trust is TlsFailed, and so is an unreadable CA file', async () => {
      const { current } = await makeApp(server)
      const [stranger] = inject('postgres').filter(({ version }) => version !== server.version)
      const suspicious = new Postgres({ caFile: stranger?.caFile ?? '' })
      await expect(suspicious.login(current)).rejects.toMatchObject({ name: 'TlsFailed' })
      const blind = new Postgres({ caFile: '/no/such/file.pem' })
      await expect(blind.login(current)).rejects.toMatchObject({ name: 'TlsFailed' })
    })

    test('a certificate for another host name is TlsFailed', async () => {
      const { current } = await makeApp(server)
      await using _ = await engine.login(other(current, { host: 'localhost' }))
      await expect(engine.login(other(current, { host: '127.0.0.2' }))).rejects.toMatchObject({
        name: expect.stringMatching(/TlsFailed|Unreachable/),
      })
      await expect(engine.login(other(current, { host: 'ip6-localhost' }))).rejects.toMatchObject({
        name: expect.stringMatching(/TlsFailed|Unreachable/),
      })
    })

    test('clear text only when the value says so, and never as a fallback', async () => {
      const { current } = await makeApp(server)
      await expect(engine.login(other(current, { ssl: false }))).rejects.toMatchObject({ name: 'TlsFailed' })
      const [role] = await asSuperuser(server, `select 1 from pg_roles where rolname = 'plain'`)
      if (!role) await asSuperuser(server, `create role plain login`)
      await asSuperuser(server, `alter role plain password 'p'`)
      await using _ = await engine.login(credentialFor(server, 'plain', 'p', { ssl: false }))
      const offersNoTls = createServer(socket => socket.once('data', () => socket.end('N'))).listen(
        0,
        '127.0.0.1',
      )
      await new Promise(resolve => offersNoTls.once('listening', resolve))
      const { port } = offersNoTls.address() as { port: number }
      await expect(engine.login(credentialFor(server, 'plain', 'p', { port }))).rejects.toMatchObject({
        name: 'TlsFailed',
      })
      offersNoTls.close()
    })

    test('the search_path of the role cannot slip other functions in', async () => {
      const { current, database } = await makeApp(server)
      await asSuperuser(
        server,
        `create schema evil; grant usage on schema evil to public;
         create function evil.current_setting(text) returns text language sql as $$ select 'md5' $$;
         create function evil.current_setting(text, boolean) returns text language sql as $$ select '1' $$;
         alter role ${name(current.username)} set search_path = evil, pg_catalog`,
        database,
      )
      await using session = await engine.login(current)
      await session.setPassword(current.username, 'next')
      const [stored] = await asSuperuser(
        server,
        `select rolpassword from pg_authid where rolname = ${text(current.username)}`,
      )
      expect(stored?.rolpassword).toMatch(/^SCRAM-SHA-256\$4096:/)
    })
  })

  describe('setPassword', () => {
    test.each([
      ['every printable character', printable],
      ['quotes and backslashes', `'; drop role x; --\\'"$$`],
      ['another script, composed and not', 'pässwörd ﬁ Ⅸ ａ\u00a0\u200b日本語 a\u0308'],
      ['one of 900 bytes', 'x'.repeat(900)],
    ])('%s: the new one logs in, the old one does not, the log shows neither', async (_, password) => {
      const { current } = await makeApp(server)
      {
        await using session = await engine.login(current)
        await session.setPassword(current.username, password)
        await session.setPassword(current.username, password)
      }
      const next = current.with({ password })
      await using _session = await engine.login(next)
      expect(await admits(server, next)).toBe(true)
      expect(await admits(server, current)).toBe(false)
      const log = readFileSync(server.logFile, 'utf8')
      expect(log).not.toContain(password)
      expect(log).not.toContain(text(password).slice(1, -1))
    })

    test('the verifier is what the server itself would have stored', async () => {
      const { current } = await makeApp(server)
      const password = 'ﬁ\u00a0Ⅸ ä'
      await asSuperuser(server, `alter role ${name(current.username)} password ${text(password)}`)
      const query = `select rolpassword from pg_authid where rolname = ${text(current.username)}`
      const [stored] = await asSuperuser(server, query)
      const [, iterations, salt] = /\$(\d+):([^$]+)\$/.exec(stored?.rolpassword) ?? []
      const ours = await scramVerifier(password, Number(iterations), Buffer.from(salt ?? '', 'base64'))
      expect(ours).toBe(stored?.rolpassword)
    })

    test('a server whose password_encryption is md5 gets an md5 verifier', async () => {
      const { current } = await makeApp(server)
      await asSuperuser(server, `alter role ${name(current.username)} set password_encryption = 'md5'`)
      await using session = await engine.login(current)
      await session.setPassword(current.username, 'next')
      const query = `select rolpassword from pg_authid where rolname = ${text(current.username)}`
      const [stored] = await asSuperuser(server, query)
      expect(stored?.rolpassword).toMatch(/^md5[0-9a-f]{32}$/)
    })

    test('of somebody else without the right to is NotPermitted, and nothing changes', async () => {
      const { current } = await makeApp(server)
      const { current: victim } = await makeApp(server)
      await using session = await engine.login(current)
      await expect(session.setPassword(victim.username, 'taken')).rejects.toMatchObject({
        name: 'NotPermitted',
      })
      expect(await admits(server, victim)).toBe(true)
    })

    test('two sessions at once: both end, or one is told of the Conflict', async () => {
      const { current } = await makeApp(server)
      const sessions = await Promise.all([1, 2, 3, 4].map(() => engine.login(current)))
      const results = await Promise.allSettled(
        sessions.map((session, i) => session.setPassword(current.username, `next-${i}`)),
      )
      await Promise.all(sessions.map(session => session[Symbol.asyncDispose]()))
      expect(results.some(({ status }) => status === 'fulfilled')).toBe(true)
      for (const result of results)
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ name: 'Conflict' })
    })

    test('a connection that is cut is Unreachable', async () => {
      const { current } = await makeApp(server)
      await using session = await engine.login(current)
      await asSuperuser(
        server,
        `select pg_terminate_backend(pid) from pg_stat_activity where usename = ${text(current.username)}`,
      )
      await expect(session.setPassword(current.username, 'x')).rejects.toMatchObject({ name: 'Unreachable' })
    })

    test('a read-only server is Unreachable', async () => {
      const { current } = await makeApp(server)
      await asSuperuser(server, `alter role ${name(current.username)} set default_transaction_read_only = on`)
      await using session = await engine.login(current)
      await expect(session.setPassword(current.username, 'x')).rejects.toMatchObject({ name: 'Unreachable' })
    })
  })

  describe('run', () => {
    test('a query that is refused is TestFailed with the SQLSTATE or the reason', async () => {
      const { current } = await makeApp(server)
      await using session = await engine.login(current)
      await session.run('select 1')
      await expect(session.run('select * from nowhere')).rejects.toMatchObject({
        name: 'TestFailed',
        message: expect.stringContaining('42P01'),
      })
      await expect(session.run('select * from pg_authid')).rejects.toMatchObject({ name: 'TestFailed' })
    })

    test('a query that takes too long is Unreachable', async () => {
      const { current } = await makeApp(server)
      const hasty = new Postgres({ caFile: server.caFile, statementTimeout: 200 })
      await using session = await hasty.login(current)
      await expect(session.run('select pg_sleep(5)')).rejects.toMatchObject({ name: 'Unreachable' })
    })
  })

  /** Made anew for each test, as a role can be made only once. */
  const names: [string, () => string][] = [
    ['plain', () => `user_${hex()}`],
    ['quotes', () => `o'brien "the" ${hex()}`],
    ['spaces', () => ` lead and trail ${hex()} `],
    ['capitals', () => `MixedCase${hex()}`],
    ['umlauts', () => `käsespätzle_${hex()}`],
    ['backslash and dollar', () => `back\\slash$$${hex()}`],
    ['57 bytes', () => `${'ü'.repeat(22)}_${hex()}`],
  ]
  test.each([...names, ['63 bytes', () => `${'ü'.repeat(25)}_${hex()}`]])(
    'setPassword, a name with %s',
    async (_, nameOf) => {
      const user = nameOf()
      const { current } = await makeApp(server, { user })
      await using session = await engine.login(current)
      await session.setPassword(user, 'next')
      expect(await admits(server, current.with({ password: 'next' }))).toBe(true)
      expect(await admits(server, current)).toBe(false)
    },
  )

  describe.each(names)('cloneUser, a name with %s', (_, nameOf) => {
    test('the clone logs in, acts as the user, and what it creates is the user’s', async () => {
      const user = nameOf()
      const { current, admin, database } = await makeApp(server, { user })
      const both = pair(user)
      const clone = current.with({ username: both.clone, password: `clone-${printable}` })
      {
        await using session = await engine.login(admin.with({ dbname: database }))
        const open = { user: both.clone, password: clone.password }
        await session.cloneUser(both, open)
        await session.cloneUser(both, open)
        expect(await session.differences(both)).toEqual([])
      }
      {
        await using session = await engine.login(clone)
        expect(await session.differences(both)).toEqual([])
        await session.run('create table public.made_by_clone (n int)')
      }
      await using session = await engine.login(current)
      await session.run('insert into public.made_by_clone values (1); drop table public.made_by_clone')
      await using again = await engine.login(clone)
      await again.setPassword(both.clone, 'changed by itself')
      expect(await admits(server, clone.with({ password: 'changed by itself' }))).toBe(true)
    })
  })

  describe('cloneUser', () => {
    const makeClone = async (app: Awaited<ReturnType<typeof makeApp>>) => {
      const both = pair(app.user)
      const clone = app.current.with({ username: both.clone, password: `clone-${hex(8)}` })
      const sync = async (admin = app.admin) => {
        await using session = await engine.login(admin.with({ dbname: app.database }))
        await session.cloneUser(both, { user: clone.username, password: clone.password })
      }
      const differences = async () => {
        await using session = await engine.login(clone)
        return await session.differences(both)
      }
      return { both, clone, sync, differences, u: name(both.user), c: name(both.clone) }
    }

    test('settings, limits and attributes follow, at every rotation, also when they are taken back', async () => {
      const app = await makeApp(server)
      const { clone, sync, differences, u } = await makeClone(app)
      await sync()
      await asSuperuser(
        server,
        `alter role ${u} connection limit 7 valid until '2999-01-01' createdb;
         alter role ${u} set search_path = "$user", "Odd ""Name""", public;
         alter role ${u} set statement_timeout = '17s';
         alter role ${u} in database ${app.database} set work_mem = '7MB'`,
      )
      expect(await differences()).not.toEqual([])
      await sync()
      expect(await differences()).toEqual([])
      const seen = await asSuperuser(
        server,
        `select current_user as who, current_setting('search_path') as path, current_setting('statement_timeout') as timeout,
                current_setting('work_mem') as mem`,
        app.database,
        { user: clone.username, password: clone.password },
      )
      expect(seen).toEqual([
        {
          who: app.user,
          path: '"$user", "Odd ""Name""", public',
          timeout: '17s',
          mem: '7MB',
        },
      ])
      const attributes = `select rolconnlimit, rolvaliduntil::text, rolcreatedb from pg_roles where rolname = `
      expect(await asSuperuser(server, attributes + text(clone.username))).toEqual(
        await asSuperuser(server, attributes + text(app.user)),
      )
      await asSuperuser(
        server,
        `alter role ${u} reset all; alter role ${u} in database ${app.database} reset all;
         alter role ${u} connection limit -1 valid until 'infinity' nocreatedb`,
      )
      await sync()
      expect(await differences()).toEqual([])
    })

    test('a setting that only a superuser may give takes a superuser as admin', async () => {
      const app = await makeApp(server)
      const { sync, u, clone } = await makeClone(app)
      await asSuperuser(
        server,
        `alter role ${u} set "app.tenant" = 'it''s; drop'; alter role ${u} set log_statement = 'ddl'`,
      )
      await expect(sync()).rejects.toMatchObject({ name: 'NotPermitted' })
      await sync(credentialFor(server, server.superuser.user, server.superuser.password))
      const seen = await asSuperuser(
        server,
        `select current_setting('app.tenant') as tenant, current_setting('log_statement') as log`,
        app.database,
        { user: clone.username, password: clone.password },
      )
      expect(seen).toEqual([{ tenant: "it's; drop", log: 'ddl' }])
    })

    test('a grant that the admin may not take back stays a difference', async () => {
      const app = await makeApp(server)
      const { sync, differences, c } = await makeClone(app)
      await sync()
      await asSuperuser(
        server,
        `create table public.granted (n int); grant select on public.granted to ${c}`,
        app.database,
      )
      await sync()
      expect(await differences()).toContainEqual(expect.stringContaining('drop owned'))
    })

    test('a setting whose value is written to break out of its list stays a value', async () => {
      const app = await makeApp(server)
      const { sync, u, clone } = await makeClone(app)
      await asSuperuser(
        server,
        `select set_config('search_path', 'a;create_role_evil;--', false); alter role ${u} set search_path from current`,
      )
      await sync()
      const [seen] = await asSuperuser(server, 'show search_path', app.database, {
        user: clone.username,
        password: clone.password,
      })
      expect(seen?.search_path.replaceAll('"', '')).toBe('a;create_role_evil;--')
    })

    test('memberships: the clone has the user’s through it, and no others', async () => {
      const app = await makeApp(server)
      const { sync, differences, u, c } = await makeClone(app)
      const [shared, stray] = [`shared_${hex()}`, `stray_${hex()}`]
      await asSuperuser(server, `create role ${shared}; create role ${stray}; grant ${shared} to ${u}`)
      await sync()
      const adminName = name(app.admin.username)
      await asSuperuser(server, `grant ${stray} to ${adminName} with admin option`)
      await asSuperuser(server, `grant ${stray} to ${c}`, 'postgres', {
        user: app.admin.username,
        password: app.admin.password,
      })
      expect(await differences()).toEqual([expect.stringContaining('revoke')])
      await sync()
      expect(await differences()).toEqual([])
    })

    test('what the clone owns or was granted is handed over, in every database', async () => {
      const app = await makeApp(server)
      const { sync, differences, u, c, clone } = await makeClone(app)
      const elsewhere = `db_${hex()}`
      await asSuperuser(server, `create database ${elsewhere} owner ${name(app.admin.username)}`)
      // As AWS's templates leave it: a member of the user, which owns what it made.
      await asSuperuser(
        server,
        `create role ${c} login password ${text(clone.password)}; grant ${u} to ${c}`,
        'postgres',
        { user: app.admin.username, password: app.admin.password },
      )
      for (const database of [app.database, elsewhere])
        await asSuperuser(
          server,
          `create table public.owned (n int); alter table public.owned owner to ${c};
           create table public.granted (n int); alter table public.granted owner to ${name(app.admin.username)};
           grant select on public.granted to ${c}`,
          database,
        )
      expect(await differences()).toContainEqual(expect.stringContaining(elsewhere))
      await sync()
      expect(await differences()).toEqual([])
      for (const database of [app.database, elsewhere])
        expect(
          await asSuperuser(server, `select tableowner from pg_tables where tablename = 'owned'`, database),
        ).toEqual([{ tableowner: app.user }])
    })

    test('the user and the clone open each other’s default privileges and tables', async () => {
      const app = await makeApp(server)
      const { sync, clone, u } = await makeClone(app)
      await sync()
      const reader = `reader_${hex()}`
      await asSuperuser(
        server,
        `create role ${reader}; alter default privileges for role ${u} grant select on tables to ${reader}`,
        app.database,
      )
      const asClone = { user: clone.username, password: clone.password }
      await asSuperuser(server, 'create table public.t (n int)', app.database, asClone)
      const [may] = await asSuperuser(
        server,
        `select has_table_privilege('${reader}', 'public.t', 'select') as read, tableowner from pg_tables where tablename = 't'`,
        app.database,
      )
      expect(may).toEqual({ read: true, tableowner: app.user })
    })

    test('a user that acts as another role by itself: the clone does too', async () => {
      const app = await makeApp(server)
      const { sync, differences, clone, u } = await makeClone(app)
      const owner = `owner_${hex()}`
      await asSuperuser(
        server,
        `create role ${owner}; grant ${owner} to ${u}; alter role ${u} set role = ${owner}`,
      )
      await sync()
      expect(await differences()).toEqual([])
      const asClone = { user: clone.username, password: clone.password }
      expect(await asSuperuser(server, 'select current_user as who', app.database, asClone)).toEqual([
        { who: owner },
      ])
    })

    test('a stranger with the clone’s name is NotPermitted, and nothing changes', async () => {
      const app = await makeApp(server)
      const { sync, both, c } = await makeClone(app)
      await asSuperuser(server, `create role ${c} login password 'its own'`)
      await expect(sync()).rejects.toMatchObject({
        name: 'NotPermitted',
        message: expect.stringContaining('no clone'),
      })
      expect(await admits(server, app.current.with({ username: both.clone, password: 'its own' }))).toBe(true)
    })

    test('a superuser with the clone’s name is NotPermitted', async () => {
      const app = await makeApp(server)
      const { sync, u, c } = await makeClone(app)
      await asSuperuser(server, `create role ${c} login superuser; grant ${u} to ${c}`)
      await expect(
        sync(credentialFor(server, server.superuser.user, server.superuser.password)),
      ).rejects.toMatchObject({
        name: 'NotPermitted',
        message: expect.stringContaining('superuser'),
      })
    })

    test('a clone without its user is NotPermitted', async () => {
      const app = await makeApp(server)
      await using session = await engine.login(app.admin)
      const orphan = pair(`orphan_${hex()}`)
      await expect(session.cloneUser(orphan, { user: orphan.user, password: 'x' })).rejects.toMatchObject({
        name: 'NotPermitted',
        message: expect.stringContaining('there is no user'),
      })
    })

    test('an admin that may not create roles is NotPermitted', async () => {
      const app = await makeApp(server)
      const weak = await makeApp(server)
      const { sync } = await makeClone(app)
      await asSuperuser(server, `grant connect on database ${app.database} to public`)
      await expect(sync(weak.current)).rejects.toMatchObject({ name: 'NotPermitted' })
    })

    test('after DISCARD ALL, as some connection pools send it, what the clone makes is still the user’s', async () => {
      const app = await makeApp(server)
      const { sync, clone } = await makeClone(app)
      await sync()
      const client = new pg.Client({
        host: server.host,
        port: server.port,
        database: app.database,
        user: clone.username,
        password: clone.password,
        ssl: { ca: readFileSync(server.caFile, 'utf8') },
      })
      await client.connect()
      await client.query('create table public.before (n int)')
      await client.query('discard all')
      await client.query('create table public.after (n int)')
      await client.end()
      const owners = `select tablename, tableowner from pg_tables where tablename in ('before', 'after') order by 1 desc`
      expect(await asSuperuser(server, owners, app.database)).toEqual([
        { tablename: 'before', tableowner: app.user },
        { tablename: 'after', tableowner: app.user },
      ])
    })
  })
})

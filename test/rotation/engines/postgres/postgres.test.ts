import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import type { PeerCertificate } from 'node:tls'
import pg, { escapeIdentifier as name, escapeLiteral as text } from 'pg'
import { describe, expect, inject, test } from 'vitest'
import { type PostgresServer, startPostgres } from '../../../../local/servers/postgres.ts'
import {
  admits,
  credentialFor,
  makeApp,
  randomHex,
  runStatements,
} from '../../../../local/servers/postgresDatabase.ts'
import type { Credential } from '../../../../rotation/credential.ts'
import type { Engine } from '../../../../rotation/engines/engine.ts'
import { Postgres } from '../../../../rotation/engines/postgres/postgres.ts'
import { md5PasswordHash, scramVerifier } from '../../../../rotation/engines/postgres/scram.ts'
import { AlternatingUsers } from '../../../../rotation/strategies/alternatingUsers.ts'
import { engineContract, withChange } from '../../../support/contracts/engine.ts'
import { subjectOf } from '../../../support/engines/postgresSubject.ts'
import { watchedClient } from '../../../support/engines/watchedClient.ts'

const { pairOf } = new AlternatingUsers()
/** PostgreSQL lets every user look at every role. */
const unused = () => Promise.reject(new Error('another login was asked for'))

/** An app whose user has an md5 verifier, as it was made before PostgreSQL 14. */
async function makeMd5App(server: PostgresServer) {
  const app = await makeApp(server)
  const password = `old-${randomHex(8)}`
  await runStatements(
    server,
    `alter role ${name(app.user)} password '${md5PasswordHash(app.user, password)}'`,
  )
  return { ...app, password }
}

describe.each(inject('postgres'))('PostgreSQL $version', server => {
  const engine: Engine = new Postgres({ caFile: server.caFile })
  engineContract(subjectOf(server))

  describe('login', () => {
    test('a user who may not log in throws LoginRefused', async () => {
      const { current } = await makeApp(server)
      await runStatements(server, `alter role ${name(current.username)} nologin password 'x'`)
      await expect(engine.login(current.with({ password: 'x' }))).rejects.toMatchObject({
        name: 'LoginRefused',
      })
    })

    test('a certificate for another address throws TlsFailed, even if it is for localhost too', async () => {
      const { current } = await makeApp(server)
      await using _ = await engine.login(withChange(current, { host: '127.0.0.1' }))
      const relay = createServer(socket => {
        const onward = connect(server.port, '127.0.0.1')
        for (const end of [socket, onward]) end.on('error', () => {})
        socket.pipe(onward).pipe(socket)
      }).listen(0, '127.0.0.2')
      await once(relay, 'listening')
      const { address: host, port } = relay.address() as AddressInfo
      const shown: PeerCertificate[] = []
      const onCertificate = (certificate: PeerCertificate) => shown.push(certificate)
      const looking = new Postgres({ caFile: server.caFile, onCertificate })
      for (const each of [engine, looking])
        await expect(each.login(withChange(current, { host, port }))).rejects.toMatchObject({
          name: 'TlsFailed',
          message: expect.stringContaining('ERR_TLS_CERT_ALTNAME_INVALID'),
        })
      relay.close()
      const { raw } = new X509Certificate(readFileSync(server.caFile))
      expect(shown.map(({ raw }) => raw)).toEqual([raw])
    })

    test('onCertificate gets a certificate of a trusted issuer, even if the login is refused', async () => {
      const { current } = await makeApp(server)
      const shown: string[] = []
      const onCertificate = ({ subjectaltname, valid_to }: PeerCertificate) =>
        shown.push(`${subjectaltname} until ${new Date(valid_to).getFullYear()}`)
      const looking = new Postgres({ caFile: server.caFile, onCertificate })
      await using _ = await looking.login(withChange(current, { host: 'localhost' }))
      await expect(looking.login(current.with({ password: 'wrong' }))).rejects.toMatchObject({
        name: 'LoginRefused',
      })
      const { strangeCaFile: caFile } = subjectOf(server)
      await expect(new Postgres({ caFile, onCertificate }).login(current)).rejects.toMatchObject({
        name: 'TlsFailed',
      })
      const names = expect.stringMatching(/^DNS:localhost, IP Address:127\.0\.0\.1 until 20\d\d$/)
      expect(shown).toEqual([names, names])
    })

    test('a server that requires TLS throws TlsFailed without TLS', async () => {
      const { current } = await makeApp(server)
      await expect(engine.login(withChange(current, { ssl: false }))).rejects.toMatchObject({
        name: 'TlsFailed',
      })
    })

    test('functions in the user’s search_path do not replace those of PostgreSQL', async () => {
      const { current, database } = await makeApp(server)
      await runStatements(
        server,
        `create schema evil; grant usage on schema evil to public;
         create function evil.current_setting(text) returns text language sql as $$ select 'md5' $$;
         create function evil.current_setting(text, boolean) returns text language sql as $$ select '1' $$;
         alter role ${name(current.username)} set search_path = evil, pg_catalog`,
        database,
      )
      await using session = await engine.login(current)
      await session.setPassword(current.username, 'next')
      const [stored] = await runStatements(
        server,
        `select rolpassword from pg_authid where rolname = ${text(current.username)}`,
      )
      expect(stored?.rolpassword).toMatch(/^SCRAM-SHA-256\$4096:/)
    })
  })

  test('a session switches the user’s own timeouts off, which could strike before a message sets its own', async () => {
    const { current } = await makeApp(server)
    const timeouts = [
      'statement_timeout',
      ...(server.version >= 14 ? ['idle_session_timeout'] : []),
      ...(server.version >= 17 ? ['transaction_timeout'] : []),
    ]
    for (const timeout of timeouts)
      await runStatements(server, `alter role ${name(current.username)} set ${timeout} = '17s'`)
    const { Client, shows } = watchedClient()
    await using _ = await new Postgres({ caFile: server.caFile, Client }).login(current)
    expect(await shows(timeouts)).toEqual(timeouts.map(() => '0'))
  })

  test('each statement has a time limit on the server, which no later statement of the session has', async () => {
    const { current } = await makeApp(server)
    const clients: pg.Client[] = []
    const sent: string[] = []
    class Client extends pg.Client {
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
    const hasty = new Postgres({ caFile: server.caFile, Client, statementTimeout: 200 })
    await using session = await hasty.login(current)
    await session.setPassword(current.username, 'next')
    expect(sent.filter(statement => /set (?!local)\w+ (=|to) /.test(statement))).toEqual([])
    expect(sent.join('; ')).toContain('set local statement_timeout = 200')
    const shown = await clients[0]?.query('show statement_timeout')
    expect(shown?.rows).toEqual([{ statement_timeout: '0' }])
  })

  describe('setPassword', () => {
    test('scramVerifier makes the verifier that the server itself would store', async () => {
      const { current } = await makeApp(server)
      const password = 'ﬁ\u00a0Ⅸ ä'
      await runStatements(server, `alter role ${name(current.username)} password ${text(password)}`)
      const query = `select rolpassword from pg_authid where rolname = ${text(current.username)}`
      const [stored] = await runStatements(server, query)
      const [, iterations, salt] = /\$(\d+):([^$]+)\$/.exec(stored?.rolpassword) ?? []
      const ours = await scramVerifier(password, Number(iterations), Buffer.from(salt ?? '', 'base64'))
      expect(ours).toBe(stored?.rolpassword)
    })

    test('a user whose verifier is md5 gets an md5 verifier', async () => {
      const { current, password } = await makeMd5App(server)
      await using session = await engine.login(current.with({ password }))
      await session.setPassword(current.username, 'next')
      const query = `select rolpassword from pg_authid where rolname = ${text(current.username)}`
      const [stored] = await runStatements(server, query)
      expect(stored?.rolpassword).toMatch(/^md5[0-9a-f]{32}$/)
      expect(await admits(server, current.with({ password: 'next' }))).toBe(true)
    })

    test.each(['user', 'database', 'user in the database'])(
      'a setting of the %s that makes it read-only stops no new password, and applies to test queries',
      async whose => {
        const { user, current, database } = await makeApp(server)
        const readOnly = {
          user: `alter role ${name(user)} set`,
          database: `alter database ${database} set`,
          'user in the database': `alter role ${name(user)} in database ${database} set`,
        }[whose]
        await runStatements(server, `${readOnly} default_transaction_read_only = on`)
        await using session = await engine.login(current)
        await expect(session.runTestQuery('create table public.t (n int)')).rejects.toMatchObject({
          message: expect.stringContaining('read-only'),
        })
        await session.setPassword(user, 'next')
        expect(await admits(server, current.with({ password: 'next' }))).toBe(true)
      },
    )
  })

  describe('openUser', () => {
    test('an admin sees no differences after openUser, and what the clone creates belongs to the user', async () => {
      const { user, current, admin, database } = await makeApp(server, {
        user: ` lead and trail ${randomHex()} `,
      })
      const both = pairOf(user)
      const clone = current.with({ username: both.clone, password: `clone-${randomHex(8)}` })
      {
        await using session = await engine.login(admin.with({ dbname: database }))
        await session.openUser(both, { user: both.clone, password: clone.password })
        expect(await session.differences(both, unused)).toEqual([])
      }
      const as = (statements: string, { username: user, password }: Credential) =>
        runStatements(server, statements, database, { user, password })
      await as('create table public.made_by_clone (n int)', clone)
      await as('insert into public.made_by_clone values (1); drop table public.made_by_clone', current)
    })

    const makeClone = async (app: Awaited<ReturnType<typeof makeApp>>) => {
      const both = pairOf(app.user)
      const clone = app.current.with({ username: both.clone, password: `clone-${randomHex(8)}` })
      const sync = async (admin = app.admin) => {
        await using session = await engine.login(admin.with({ dbname: app.database }))
        await session.openUser(both, { user: clone.username, password: clone.password })
      }
      const differences = async () => {
        await using session = await engine.login(clone)
        return await session.differences(both, unused)
      }
      return { both, clone, sync, differences, u: name(both.user), c: name(both.clone) }
    }

    test('a table that the clone makes during the handover is kept, and belongs to the user', async () => {
      const app = await makeApp(server)
      const { both, clone, sync } = await makeClone(app)
      await sync()
      const login = { user: clone.username, password: clone.password }
      const { host, port } = server
      const open = async () => {
        const ssl = { ca: readFileSync(server.caFile, 'utf8') }
        const client = new pg.Client({ host, port, ssl, database: app.database, ...login })
        await client.connect()
        await client.query('set role none')
        return client
      }
      const [reader, worker] = await Promise.all([open(), open()])
      await reader.query('create table orders ()')
      await reader.query('begin; table orders')
      const synced = sync().catch((error: Error) => error)
      const waiting = `select from pg_locks where mode = 'AccessExclusiveLock' and not granted and relation = 'orders'::regclass`
      await expect.poll(() => runStatements(server, waiting, app.database)).toHaveLength(1)
      await worker.query('create table orders_2027 ()')
      await reader.query('commit')
      expect(await synced).toBeUndefined()
      const owners = `select tablename, tableowner from pg_tables where tablename like 'orders%' order by 1`
      expect(await runStatements(server, owners, app.database)).toEqual([
        { tablename: 'orders', tableowner: both.user },
        { tablename: 'orders_2027', tableowner: both.user },
      ])
      await Promise.all([reader.end(), worker.end()])
    })

    test('the clone acts as the role that a setting of the database or of the user names', async () => {
      const app = await makeApp(server)
      const { clone, sync, differences, u } = await makeClone(app)
      const owner = `owner_${randomHex()}`
      const acting = async ({ username, password }: { username: string; password: string }) =>
        runStatements(server, 'select current_user as who', app.database, { user: username, password })
      await sync()
      await runStatements(
        server,
        `create role ${owner}; grant ${owner} to ${u}; alter database ${app.database} set role = ${owner}`,
      )
      expect(await differences()).not.toEqual([])
      await sync()
      expect(await differences()).toEqual([])
      expect(await acting(clone)).toEqual([{ who: owner }])
      expect(await acting(app.current)).toEqual([{ who: owner }])
      await runStatements(
        server,
        `alter database ${app.database} reset role; alter role ${u} set role = none`,
      )
      await sync()
      expect(await differences()).toEqual([])
      expect(await acting(clone)).toEqual([{ who: app.user }])
    })

    test('an admin ignores a role that the database’s setting names, and acts as the one of its own setting', async () => {
      const app = await makeApp(server)
      const { sync, differences } = await makeClone(app)
      const [acting, admin] = [`acting_${randomHex()}`, app.admin.username]
      await runStatements(
        server,
        `create role ${acting}; grant ${acting} to ${admin}; alter database ${app.database} set role = ${acting}`,
      )
      await sync()
      expect(await differences()).toEqual([])
      await runStatements(server, `alter role ${admin} set role = ${acting}; alter role ${app.user} createdb`)
      await expect(sync()).rejects.toMatchObject({ name: 'NotPermitted' })
      await runStatements(
        server,
        `alter role ${acting} createrole createdb; grant ${app.user}, ${app.user}_clone to ${acting} with admin option`,
      )
      await sync()
      expect(await differences()).toEqual([])
    })

    test('the clone gets and loses the user’s settings, limits and attributes at every rotation', async () => {
      const app = await makeApp(server)
      const { clone, sync, differences, u } = await makeClone(app)
      await sync()
      await runStatements(
        server,
        `alter role ${u} connection limit 7 valid until '2999-01-01' createdb;
         alter role ${u} set search_path = "$user", "Odd ""Name""", public;
         alter role ${u} set statement_timeout = '17s';
         alter role ${u} in database ${app.database} set work_mem = '7MB'`,
      )
      expect(await differences()).not.toEqual([])
      await sync()
      expect(await differences()).toEqual([])
      const seen = await runStatements(
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
      expect(await runStatements(server, attributes + text(clone.username))).toEqual(
        await runStatements(server, attributes + text(app.user)),
      )
      await runStatements(
        server,
        `alter role ${u} reset all; alter role ${u} in database ${app.database} reset all;
         alter role ${u} connection limit -1 valid until 'infinity' nocreatedb`,
      )
      await sync()
      expect(await differences()).toEqual([])
    })

    test('an admin and a user with a read-only setting rotate, and the clone is read-only too', async () => {
      const app = await makeApp(server)
      const { both, clone, sync, differences, u } = await makeClone(app)
      for (const role of [u, name(app.admin.username)])
        await runStatements(server, `alter role ${role} set default_transaction_read_only = on`)
      await sync()
      expect(await differences()).toEqual([])
      const asClone = { user: clone.username, password: clone.password }
      const [seen] = await runStatements(server, 'show transaction_read_only', app.database, asClone)
      expect(seen).toEqual({ transaction_read_only: 'on' })
      await using session = await engine.login(app.admin.with({ dbname: app.database }))
      await session.closeUser(clone.username, both)
      expect(await admits(server, clone)).toBe(false)
      await session.dropClone(both)
      expect(await runStatements(server, `select from pg_roles where rolname = ${text(both.clone)}`)).toEqual(
        [],
      )
    })

    test('a user’s setting that only a superuser may set needs a superuser as admin', async () => {
      const app = await makeApp(server)
      const { sync, u, clone } = await makeClone(app)
      await runStatements(
        server,
        `alter role ${u} set "app.tenant" = 'it''s; drop'; alter role ${u} set log_statement = 'ddl'`,
      )
      await expect(sync()).rejects.toMatchObject({ name: 'NotPermitted' })
      await sync(credentialFor(server, server.superuser.user, server.superuser.password))
      const seen = await runStatements(
        server,
        `select current_setting('app.tenant') as tenant, current_setting('log_statement') as log`,
        app.database,
        { user: clone.username, password: clone.password },
      )
      expect(seen).toEqual([{ tenant: "it's; drop", log: 'ddl' }])
    })

    test('a clone keeps a setting that only a superuser may take, which is reported and no difference', async () => {
      const app = await makeApp(server)
      const { sync, differences, both, clone, u, c } = await makeClone(app)
      await sync()
      const logsStatements = `set log_statement = 'ddl'`
      await runStatements(
        server,
        `alter role ${c} ${logsStatements}; alter role ${c} in database ${app.database} set app.tenant = 'x'`,
      )
      const told = async () => {
        await using session = await engine.login(app.admin.with({ dbname: app.database }))
        return await session.openUser(both, { user: clone.username, password: clone.password })
      }
      const [log, tenant] = ['log_statement', `app.tenant in the database ${app.database}`].map(
        what => `${both.clone} keeps its setting of ${what}: only a superuser may take it away`,
      )
      expect(await told()).toEqual([log, tenant])
      expect(await differences()).toEqual([])
      // The user has one of them as well, and something else changes.
      await runStatements(server, `alter role ${u} ${logsStatements}; alter role ${u} set work_mem = '7MB'`)
      expect(await differences()).not.toEqual([])
      expect(await told()).toEqual([tenant])
      expect(await differences()).toEqual([])
      await runStatements(server, `alter role ${u} reset all`)
      if (server.version >= 15)
        await runStatements(server, `grant set on parameter log_statement to ${name(app.admin.username)}`)
      expect(await told()).toEqual(server.version >= 15 ? [tenant] : [log, tenant])
      expect(await differences()).toEqual([])
      if (server.version >= 15)
        await runStatements(server, `revoke set on parameter log_statement from ${name(app.admin.username)}`)
    })

    test('a grant that the admin may not take back is still reported as a difference', async () => {
      const app = await makeApp(server)
      const { sync, differences, c } = await makeClone(app)
      await sync()
      await runStatements(
        server,
        `create table public.granted (n int); grant select on public.granted to ${c}`,
        app.database,
      )
      await sync()
      expect(await differences()).toContainEqual(expect.stringContaining('drop owned'))
    })

    test('a setting whose value tries to break out of its list stays a value', async () => {
      const app = await makeApp(server)
      const { sync, u, clone } = await makeClone(app)
      await runStatements(
        server,
        `select set_config('search_path', 'a;create_role_evil;--', false); alter role ${u} set search_path from current`,
      )
      await sync()
      const [seen] = await runStatements(server, 'show search_path', app.database, {
        user: clone.username,
        password: clone.password,
      })
      expect(seen?.search_path.replaceAll('"', '')).toBe('a;create_role_evil;--')
    })

    test('the clone gets lists that are empty, or stored in a form that SET does not make', async () => {
      const app = await makeApp(server)
      const { sync, differences, u, clone } = await makeClone(app)
      const reset = `alter role ${u} reset all; alter role ${u} in database ${app.database} reset all`
      const seen = async () => {
        const asClone = { user: clone.username, password: clone.password }
        const [row] = await runStatements(server, 'show search_path', app.database, asClone)
        return row?.search_path
      }
      for (const [value = '', is] of [
        ['', ''],
        [' ', ''],
        ['"a b",C', '"a b", c'],
      ])
        for (const where of ['', `in database ${app.database}`]) {
          await runStatements(
            server,
            `select set_config('search_path', ${text(value)}, false), set_config('temp_tablespaces', '', false);
             ${reset};
             alter role ${u} ${where} set search_path from current;
             alter role ${u} ${where} set temp_tablespaces from current;
             alter role ${u} ${where} set work_mem = '7MB'`,
          )
          await sync()
          expect(await differences()).toEqual([])
          expect(await seen()).toBe(is)
        }
      await runStatements(server, `${reset}; alter role ${u} set search_path to ''`)
      await sync()
      expect(await differences()).toEqual([])
      expect(await seen()).toBe('""')
      await runStatements(server, `alter role ${u} set session_preload_libraries from current`)
      await sync(credentialFor(server, server.superuser.user, server.superuser.password))
      expect(await differences()).toEqual([])
      expect(await seen()).toBe('""')
    })

    test('the clone has the user’s memberships through the user, and loses others', async () => {
      const app = await makeApp(server)
      const { sync, differences, u, c } = await makeClone(app)
      const [shared, stray] = [`shared_${randomHex()}`, `stray_${randomHex()}`]
      await runStatements(server, `create role ${shared}; create role ${stray}; grant ${shared} to ${u}`)
      await sync()
      const adminName = name(app.admin.username)
      await runStatements(server, `grant ${stray} to ${adminName} with admin option`)
      await runStatements(server, `grant ${stray} to ${c}`, 'postgres', {
        user: app.admin.username,
        password: app.admin.password,
      })
      expect(await differences()).toEqual([expect.stringContaining('revoke')])
      await sync()
      expect(await differences()).toEqual([])
    })

    test('a role that the user has, and that the clone alone may pass on, is taken from the clone', async () => {
      const app = await makeApp(server)
      const { sync, differences, u, c } = await makeClone(app)
      await sync()
      const shared = `shared_${randomHex()}`
      await runStatements(
        server,
        `create role ${shared}; grant ${shared} to ${u};
         grant ${shared} to ${name(app.admin.username)} with admin option`,
      )
      const asAdmin = { user: app.admin.username, password: app.admin.password }
      await runStatements(server, `grant ${shared} to ${c} with admin option`, 'postgres', asAdmin)
      expect(await differences()).toEqual([`revoke ${name(shared)} from ${c}`])
      await sync()
      expect(await differences()).toEqual([])
    })

    test('a clone that was set to NOLOGIN can log in after openUser', async () => {
      const app = await makeApp(server)
      const { sync, clone, c } = await makeClone(app)
      await sync()
      await runStatements(server, `alter role ${c} nologin`)
      await sync()
      await using _ = await engine.login(clone)
    })

    test('openUser throws Conflict if the clone is dropped meanwhile', async () => {
      const app = await makeApp(server)
      const { both, clone, sync, c } = await makeClone(app)
      await sync()
      class Client extends pg.Client {
        override query = (async (statement: string) => {
          if (statement.includes(' login password ')) await runStatements(server, `drop role ${c}`)
          return super.query(statement)
        }) as unknown as pg.Client['query']
      }
      const late = new Postgres({ caFile: server.caFile, Client })
      await using session = await late.login(app.admin.with({ dbname: app.database }))
      await expect(
        session.openUser(both, { user: clone.username, password: clone.password }),
      ).rejects.toMatchObject({ name: 'Conflict' })
    })

    test.each([
      ['cloned anew', false],
      ['dropped', true],
    ])('a clone that is %s hands over what it owned and was granted, in every database', async (_, drops) => {
      const app = await makeApp(server)
      const { both, sync, differences, u, c, clone } = await makeClone(app)
      const elsewhere = `db_${randomHex()}`
      await runStatements(server, `create database ${elsewhere} owner ${name(app.admin.username)}`)
      // As AWS's templates leave it: a member of the user, which owns what it made.
      await runStatements(
        server,
        `create role ${c} login password ${text(clone.password)}; grant ${u} to ${c}`,
        'postgres',
        { user: app.admin.username, password: app.admin.password },
      )
      for (const database of [app.database, elsewhere])
        await runStatements(
          server,
          `create table public.owned (n int); alter table public.owned owner to ${c};
           create table public.granted (n int); alter table public.granted owner to ${name(app.admin.username)};
           grant select on public.granted to ${c}`,
          database,
        )
      expect(await differences()).toContainEqual(expect.stringContaining(elsewhere))
      if (drops) {
        await using session = await engine.login(app.admin.with({ dbname: app.database }))
        await session.dropClone(both)
        expect(await admits(server, clone)).toBe(false)
      } else {
        await sync()
        expect(await differences()).toEqual([])
      }
      const keeps = `select pg_has_role(${text(app.admin.username)}, ${text(app.user)}, 'usage') as rights`
      expect(await runStatements(server, keeps)).toEqual([{ rights: false }])
      for (const database of [app.database, elsewhere])
        expect(
          await runStatements(server, `select tableowner from pg_tables where tablename = 'owned'`, database),
        ).toEqual([{ tableowner: app.user }])
    })

    test('the user’s default privileges apply to tables that the clone makes', async () => {
      const app = await makeApp(server)
      const { sync, clone, u } = await makeClone(app)
      await sync()
      const reader = `reader_${randomHex()}`
      await runStatements(
        server,
        `create role ${reader}; alter default privileges for role ${u} grant select on tables to ${reader}`,
        app.database,
      )
      const asClone = { user: clone.username, password: clone.password }
      await runStatements(server, 'create table public.t (n int)', app.database, asClone)
      const [may] = await runStatements(
        server,
        `select has_table_privilege('${reader}', 'public.t', 'select') as read, tableowner from pg_tables where tablename = 't'`,
        app.database,
      )
      expect(may).toEqual({ read: true, tableowner: app.user })
    })

    test('if the user acts as another role by its own setting, so does the clone', async () => {
      const app = await makeApp(server)
      const { sync, differences, clone, u } = await makeClone(app)
      const owner = `owner_${randomHex()}`
      await runStatements(
        server,
        `create role ${owner}; grant ${owner} to ${u}; alter role ${u} set role = ${owner}`,
      )
      await sync()
      expect(await differences()).toEqual([])
      const asClone = { user: clone.username, password: clone.password }
      expect(await runStatements(server, 'select current_user as who', app.database, asClone)).toEqual([
        { who: owner },
      ])
    })

    test('a superuser with the clone’s name throws NotPermitted', async () => {
      const app = await makeApp(server)
      const { sync, u, c } = await makeClone(app)
      await runStatements(server, `create role ${c} login superuser; grant ${u} to ${c}`)
      await expect(
        sync(credentialFor(server, server.superuser.user, server.superuser.password)),
      ).rejects.toMatchObject({
        name: 'NotPermitted',
        message: expect.stringContaining('superuser'),
      })
    })

    test('what the clone makes after DISCARD ALL, as some connection pools send it, belongs to the user', async () => {
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
      expect(await runStatements(server, owners, app.database)).toEqual([
        { tablename: 'before', tableowner: app.user },
        { tablename: 'after', tableowner: app.user },
      ])
    })
  })
})

describe('changes on a read-only server throw Unreachable', () => {
  test.each([
    ['a replica', { standby: true }],
    ['a server that is read-only by its settings', { standby: false }],
  ])('%s', async (_, options) => {
    const server = await startPostgres(18, options)
    try {
      if (!options.standby) {
        await runStatements(server, 'alter system set default_transaction_read_only = on')
        await runStatements(server, 'select pg_reload_conf()')
        await expect
          .poll(() => runStatements(server, 'show transaction_read_only'))
          .toEqual([{ transaction_read_only: 'on' }])
      }
      const { user, password } = server.superuser
      const superuser = credentialFor(server, user, password)
      await using session = await new Postgres({ caFile: server.caFile }).login(superuser)
      const both = pairOf(user)
      for (const change of [
        () => session.setPassword(user, 'x'),
        () => session.wouldSetPassword(user, 'x'),
        () => session.closeUser(user, both),
        () => session.openUser(both, { user: both.clone, password: 'x' }),
        () => session.wouldOpenUser(both, both.clone),
      ])
        await expect(change()).rejects.toMatchObject({
          name: 'Unreachable',
          message: expect.stringContaining('read-only'),
        })
      expect(await admits(server, superuser)).toBe(true)
    } finally {
      await server.stop()
    }
  })
})

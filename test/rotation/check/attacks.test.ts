import { readFileSync } from 'node:fs'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { runStatements as asMysqlSuperuser } from '../../../local/servers/mysqlDatabase.ts'
import { admits, makeApp, randomHex, runStatements } from '../../../local/servers/postgresDatabase.ts'
import { checkCredential } from '../../../rotation/check/check.ts'
import type { CheckResult } from '../../../rotation/check/line.ts'
import { Credential } from '../../../rotation/credential.ts'
import type { Engine, EngineOptions } from '../../../rotation/engines/engine.ts'
import { engineLoaders } from '../../../rotation/engines/engineLoaders.ts'
import { accountName } from '../../../rotation/engines/mysql/mysqlAccount.ts'
import { Postgres } from '../../../rotation/engines/postgres/postgres.ts'
import type { EngineName } from '../../../rotation/engines/traits.ts'
import { setAdmin } from '../../../rotation/setAdmin.ts'
import { LockedEdits } from '../../../rotation/stores/edits.ts'
import { garbage, listenLocally, startProxy } from '../../support/garblingProxy.ts'
import {
  admin,
  app,
  engine,
  firstToken,
  id,
  pipeline,
  server,
  setUpSecret,
  store,
} from '../../support/oneSecret.ts'
import {
  type MatrixServer,
  mongodbTestServers,
  mysqlTestServers,
  postgresTestServers,
  redisTestServers,
  redshiftTestServers,
} from '../../support/testServers.ts'

const managed = { 'keyturn:managed': 'true' }
const alternating = { ...managed, 'keyturn:strategy': 'alternating-users' }
const single = { ...managed, 'keyturn:strategy': 'single-user' }

const lookWith = (by: Engine): Promise<CheckResult> =>
  checkCredential(
    pipeline,
    { store: 'secrets-manager', id },
    { testMayWrite: false, loadCheckEngine: async () => by },
  )
const lineOf = ({ lines }: CheckResult, name: string) => lines.find(({ line }) => line === name)

/** The same engine, which notes its logins. */
function noting(by: Engine): Engine & { logins: string[] } {
  const logins: string[] = []
  return {
    logins,
    login(credential, host) {
      logins.push(credential.username)
      return by.login(credential, host)
    },
  }
}

const uncaught: unknown[] = []
const note = (error: unknown) => uncaught.push(error)
beforeAll(() => {
  process.on('uncaughtExceptionMonitor', note)
})
afterAll(() => {
  process.off('uncaughtExceptionMonitor', note)
  expect(uncaught).toEqual([])
})

describe('somebody who may tag and start a check learns only one bit by a test query', () => {
  const sql = ['select * from nothing', 'select 1; select 2', 'drop table nothing', "'"]
  const ofPostgres = [...sql, 'select 1 / 0', 'select current_user::int', 'copy pg_authid to stdout']
  const ofMysql = [
    'select * from nothing',
    'select 1; select 2',
    'drop table nothing',
    "'",
    'kill connection_id()',
  ]
  const places: [string, MatrixServer, string[]][] = [
    ...postgresTestServers().map(place => [
      place,
      [...ofPostgres, 'select pg_terminate_backend(pg_backend_pid())'],
    ]),
    ...redshiftTestServers().map(place => [place, sql]),
    ...[...mysqlTestServers('mysql').slice(0, 1), ...mysqlTestServers('mariadb').slice(0, 1)].map(place => [
      place,
      ofMysql,
    ]),
    ...mongodbTestServers().map(place => [place, ['$cmd', '.', 'a\0b', 'x'.repeat(300)]]),
    ...redisTestServers().map(place => [place, ['SET a b', 'GET', 'QUIT', 'NOTHING', 'AUTH x y', '"']]),
  ].map(([place, queries]) => [(place as MatrixServer).name, place as MatrixServer, queries as string[]])

  test.each(places)('%s: all refusals have the same text', async (_, place, queries) => {
    const { current } = await place.makeApp('single-user')
    const by = place.engine((_, effect) => effect())
    const told = new Set<string>()
    for (const query of queries) {
      await setUpSecret({ ...single, ...place.tags, 'keyturn:test-query': query }, current)
      const { lines } = await lookWith(by)
      // Other tests make and drop users on this server.
      told.add(JSON.stringify(lines.filter(({ line }) => line !== 'connections')))
    }
    expect([...told]).toEqual([expect.stringContaining('"says":"refused"')])
    expect(await place.admits(current)).toBe(true)
  })
})

describe('somebody who may write the value', () => {
  test('and names a proxy of the real server does not get the admin to log in', async () => {
    const middle = await startProxy(server.port, () => chunk => chunk)
    try {
      const current = app.current.with({ port: middle.port })
      await setUpSecret(alternating, current)
      const by = noting(engine)
      const found = await lookWith(by)
      expect(lineOf(found, 'login')).toMatchObject({ state: 'ok' })
      expect(lineOf(found, 'admin')).toMatchObject({ state: 'failed', error: 'HostMismatch' })
      expect(by.logins).toEqual([app.user])

      const { masterarn, ...unnamed } = JSON.parse(current.serialize())
      await setUpSecret(alternating, Credential.parse(JSON.stringify(unnamed)))
      const adminFound = { tags: { 'keyturn:admin': 'true' }, arn: masterarn }
      const naming = setAdmin(
        {
          ...pipeline,
          loadEngine: async () => by,
          edits: new LockedEdits(store),
          describeAdmin: async () => ({
            current: 'a',
            pending: undefined,
            previous: undefined,
            ...adminFound,
          }),
          listedAdmins: [],
          rotationFunction: 'arn:own',
        },
        { id, admin: masterarn, started: Date.now() },
      )
      await expect(naming).rejects.toMatchObject({ name: 'HostMismatch' })
      expect(by.logins).toEqual([app.user, app.user])
      expect(await store.listTokens(id)).toEqual([firstToken])
    } finally {
      middle.stop()
    }
  })

  test.each(['postgres', 'redshift', 'mysql', 'mariadb', 'mongo', 'redis'] as const)(
    'and names a server that is no %s gets a failed line within the time limit, without the answer',
    async name => {
      const by = await engineLoaders[name as EngineName]({
        caFile: server.caFile,
        connectTimeout: 300,
        statementTimeout: 300,
      } as EngineOptions)
      const secret = 'what-only-the-inner-network-may-read'
      const answers = [
        ...garbage,
        ...[`HTTP/1.1 200 OK\r\n\r\n${secret}`, `-${secret}\r\n`, `-ERR ${secret}\r\n`, `+${secret}\r\n`].map(
          text => [text, Buffer.from(text)] as const,
        ),
        ['without an end', Buffer.alloc(4_000_000, secret)] as const,
      ]
      await Promise.all(
        answers.map(async ([what, answer]) => {
          const rogue = await listenLocally(socket => {
            socket.write(answer)
            socket.on('data', () => socket.write(answer))
          })
          try {
            const value = { host: '127.0.0.1', port: rogue.port, username: 'app', password: 'p', ssl: false }
            const current = Credential.parse(JSON.stringify({ engine: name, ...value }))
            // Each has a pipeline of its own.
            const found = await lookAlone(current, by)
            const failed = found.lines.filter(({ state }) => state === 'failed')
            expect(
              failed.map(({ line }) => line),
              what,
            ).toEqual([expect.stringMatching(/^(tls|login|connections)$/)])
            expect(failed[0]?.error, what).not.toBe('Unexpected')
            expect(JSON.stringify(found), what).not.toContain(secret)
          } finally {
            rogue.stop()
          }
        }),
      )
      expect(admin).not.toHaveBeenCalled()
    },
    30_000,
  )
})

async function lookAlone(current: Credential, by: Engine): Promise<CheckResult> {
  const own = {
    ...pipeline,
    store: Object.assign(Object.create(store), {
      describe: async () => ({ current: firstToken, pending: undefined, previous: undefined, tags: single }),
      read: async () => ({ token: firstToken, credential: current }),
    }),
  }
  return await checkCredential(
    own,
    { store: 'secrets-manager', id },
    { testMayWrite: false, loadCheckEngine: async () => by },
  )
}

describe('a value that is refused', () => {
  test('is tried once, so that MySQL does not lock an account with a limit of two tries', async () => {
    const [found] = inject('mysql').filter(({ engine }) => engine === 'mysql')
    const [place] = mysqlTestServers('mysql')
    if (!found || !place) throw new Error('no MySQL')
    const { current, user } = await place.makeApp('single-user')
    const account = accountName(user, '%')
    await asMysqlSuperuser(found, `alter user ${account} failed_login_attempts 2 password_lock_time 1`)
    await setUpSecret(single, current.with({ password: 'wrong' }))
    const by = place.engine((_, effect) => effect())
    expect(lineOf(await lookWith(by), 'login')).toMatchObject({ state: 'failed', error: 'LoginRefused' })
    expect(await place.admits(current)).toBe(true)
  })

  test('is tried once, according to PostgreSQL’s log', async () => {
    await setUpSecret(single, app.current.with({ password: 'wrong' }))
    await lookWith(engine)
    const refusals = readFileSync(server.logFile, 'utf8').match(
      new RegExp(`password authentication failed for user "${app.user}"`, 'g'),
    )
    expect(refusals).toHaveLength(1)
  })
})

describe('an admin that is refused', () => {
  test('is not tried again in another database that the value names', async () => {
    const by = noting(engine)
    for (const dbname of [app.database, 'postgres', 'template1']) {
      await setUpSecret(alternating, app.current.with({ dbname }))
      admin.mockResolvedValue(app.admin.with({ password: 'wrong-in-all' }))
      expect(lineOf(await lookWith(by), 'admin-login')).toMatchObject({ error: 'AdminRefused' })
    }
    expect(by.logins.filter(user => user === app.admin.username)).toHaveLength(1)
  })
})

test('a check that is killed at any statement leaves no role, grant, session or lock', async () => {
  const { user } = app
  const state = () =>
    runStatements(
      server,
      `select array(select to_jsonb(r) from pg_authid r where rolname in ('${user}', '${user}_clone', '${app.admin.username}')
         order by oid) as roles, array(select to_jsonb(m) from pg_auth_members m, pg_roles r
         where r.oid in (m.member, m.roleid) and r.rolname like '${user}%' order by m.*::text) as grants`,
    )
  const sessions = () =>
    runStatements(
      server,
      `select pid from pg_stat_activity where usename in ('${user}', '${app.admin.username}')`,
    )
  const before = await state()
  let killed = true
  let statements = 0
  for (let at = 1; killed; at++) {
    let sent = 0
    killed = false
    class Dying extends pg.Client {
      constructor(config: pg.ClientConfig) {
        super(config)
        const query = this.query.bind(this)
        this.query = ((statement: string) => {
          const answer = query(statement)
          if (++sent !== at) return answer
          killed = true
          const { stream } = (this as unknown as { connection: { stream: { destroy(): void } } }).connection
          setImmediate(() => stream.destroy())
          return answer
        }) as unknown as pg.Client['query']
      }
    }
    await setUpSecret({ ...alternating, 'keyturn:test-query': 'select pg_sleep(0.05)' })
    await lookWith(new Postgres({ caFile: server.caFile, Client: Dying }))
    await expect.poll(sessions, { interval: 10 }).toEqual([])
    expect(await state(), `killed at statement ${at}`).toEqual(before)
    if (killed) statements = at
  }
  expect(statements).toBeGreaterThan(6)
  expect(await admits(server, app.current)).toBe(true)
})

test('a hostile name stays a name, in the server and in the report', async () => {
  const odd = await makeApp(server, { user: `a"; drop role x; --\u001b[2J\u202e${randomHex()}` })
  const by = noting(engine)
  await setUpSecret(alternating, odd.current)
  admin.mockResolvedValue(odd.admin)
  const found = await lookWith(by)
  expect(found.lines.filter(({ state }) => state !== 'ok')).toEqual([])
  expect(JSON.stringify(found)).not.toContain('\u001b')
  expect(by.logins).toEqual([odd.user, odd.admin.username])
  await odd.drop()
})

import { escapeIdentifier as name } from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import {
  MYSQL_FLAVOURS,
  type MysqlServer,
  type RunningMysql,
  startMysql,
} from '../../../local/servers/mysql.ts'
import * as mysql from '../../../local/servers/mysqlDatabase.ts'
import type { PostgresServer } from '../../../local/servers/postgres.ts'
import { type App, randomHex, runStatements } from '../../../local/servers/postgresDatabase.ts'
import { REDIS_PACKAGES, type RunningRedis, startRedis } from '../../../local/servers/redis.ts'
import * as redis from '../../../local/servers/redisDatabase.ts'
import { checkCredential } from '../../../rotation/check/check.ts'
import type { CheckLineName } from '../../../rotation/check/line.ts'
import type { Credential } from '../../../rotation/credential.ts'
import { Unreachable } from '../../../rotation/errors.ts'
import { parseOptions } from '../../../rotation/options.ts'
import type { Pipeline } from '../../../rotation/pipeline.ts'
import { MemoryStore } from '../../../rotation/stores/memory.ts'
import { AlternatingUsers } from '../../../rotation/strategies/alternatingUsers.ts'
import type { StrategyName } from '../../../rotation/strategies/strategyNames.ts'
import { type EngineSubject, withChange } from '../../support/contracts/engine.ts'
import * as mongodbSubject from '../../support/engines/mongodbSubject.ts'
import * as mysqlSubject from '../../support/engines/mysqlSubject.ts'
import * as postgresSubject from '../../support/engines/postgresSubject.ts'
import * as redisSubject from '../../support/engines/redisSubject.ts'
import { standInServers } from '../../support/engines/redshiftStandIn.ts'
import * as redshiftSubject from '../../support/engines/redshiftSubject.ts'

const { pairOf } = new AlternatingUsers()

/** A state of a real server or of the stored value, and the text of one line. */
type Row = {
  line: CheckLineName
  /** The line's state, its error and its text. */
  says: RegExp
  /** The strategy, alternating users by default. */
  strategy?: StrategyName
  tags?: Record<string, string>
  /** The user's name, if the state needs a certain one. */
  password?: string
  /** Whether there is a clone already. */
  cloned?: true
  /** Makes the state. @returns a function that ends it, if it is not only the app's */
  make?(app: App): Promise<unknown>
  current?(app: App): Credential | Promise<Credential>
  admin?(app: App): Credential
  /** The path of the CA file. */
  caFile?: string
}

/** @returns the text of one line */
async function lineOf(subject: EngineSubject, row: Row): Promise<string> {
  const app = await subject.makeApp(row.password ? { password: row.password } : {})
  const engine = subject.engine()
  if (row.cloned) {
    await using proof = await engine.login(app.current)
    await using session = await engine.login(app.admin.with({ dbname: app.database }), proof.accountQualifier)
    const { clone } = pairOf(app.user)
    await session.openUser(pairOf(app.user), { user: clone, password: `clone-${randomHex(12)}` })
  }
  const end = await row.make?.(app)
  try {
    const store = new MemoryStore()
    const strategy = { 'keyturn:strategy': row.strategy ?? 'alternating-users' }
    const current = (await row.current?.(app)) ?? app.current
    store.create('app', 'first'.padEnd(32, '0'), current, {
      'keyturn:managed': 'true',
      ...strategy,
      ...row.tags,
    })
    const never = () => Promise.reject(new Error('there is none'))
    const pipeline: Pipeline = {
      store,
      loadEngine: async () => engine,
      readAdmin: async () => row.admin?.(app) ?? app.admin,
      readConnection: never,
      rds: () => Promise.reject(new Unreachable('RDS: no route')),
      isRotating: async () => false,
      isExecutionRunning: async () => false,
      hasChangedNothing: async () => false,
      defaults: parseOptions({}),
    }
    const { lines } = await checkCredential(
      pipeline,
      { store: 'secrets-manager', id: 'app' },
      {
        testMayWrite: false,
        loadCheckEngine: async (_, onCertificate) =>
          subject.engine({ onCertificate, ...(row.caFile && { caFile: row.caFile }) }),
      },
    )
    for (const { password } of [app.current, app.admin]) expect(JSON.stringify(lines)).not.toContain(password)
    const found = lines.find(({ line }) => line === row.line)
    return [found?.state, found?.error, found?.says].filter(Boolean).join(' ')
  } finally {
    if (typeof end === 'function') await end()
  }
}

/** The states that are the same on every server. */
const common = (subject: EngineSubject): Row[] => [
  { line: 'tls', says: /^failed TlsFailed /, caFile: subject.strangeCaFile },
  {
    line: 'tls',
    says: /^warning .*clear text/,
    strategy: 'single-user',
    current: () => subject.plainTextUser(),
  },
  {
    line: 'login',
    says: /^failed LoginRefused /,
    current: ({ current }) => current.with({ password: 'another' }),
  },
  {
    line: 'test-query',
    says: /^failed TestFailed refused$/,
    strategy: 'single-user',
    tags: { 'keyturn:test-query': subject.queries.forbidden },
  },
  {
    line: 'admin',
    says: /^failed HostMismatch .*the admin was not used/,
    admin: ({ admin }) => withChange(admin, { host: 'other.example.com' }),
  },
  {
    line: 'admin-login',
    says: /^failed AdminRefused /,
    admin: ({ admin }) => admin.with({ password: 'another' }),
  },
  {
    line: 'privileges',
    says: /^failed NotPermitted .*no clone of/,
    make: app => subject.makeStranger(app, pairOf(app.user).clone, `strange-${randomHex(12)}`),
  },
  {
    line: 'password-rules',
    says: /^failed InvalidOption PASSWORD_LENGTH: .* bits/,
    tags: { 'keyturn:PASSWORD_LENGTH': '8' },
  },
]

const titled = (rows: Row[]) => rows.map(row => [`${row.line}: ${row.says.source}`, row] as const)

/** The states that are the same on PostgreSQL and Redshift. */
function postgresRows(server: PostgresServer): Row[] {
  const limit = (to: number) => (app: App) =>
    runStatements(server, `alter user ${name(app.user)} connection limit ${to}`)
  return [
    { line: 'connections', says: /^failed Unreachable .*no room for another/, make: limit(0) },
    { line: 'connections', says: /^warning this look had the last connection/, make: limit(1) },
  ]
}

describe.each(inject('postgres').slice(0, 1))('PostgreSQL $version', server => {
  const subject = postgresSubject.subjectOf(server)
  const clones = 'alter default privileges for role'
  test.concurrent.each(
    titled([
      ...common(subject),
      ...postgresRows(server),
      {
        line: 'privileges',
        says: /^failed NotPermitted .*permission denied to create role/,
        make: ({ admin }) => runStatements(server, `alter role ${name(admin.username)} nocreaterole`),
      },
      {
        line: 'privileges',
        says: /^warning .*_clone could not be dropped: .*keeps default privileges/,
        strategy: 'temporary-clone',
        cloned: true,
        make: ({ user, admin, database }) =>
          runStatements(
            server,
            `${clones} ${name(pairOf(user).clone)} grant select on tables to ${name(admin.username)}`,
            database,
          ),
      },
    ]),
  )('%s', async (_, row) => {
    expect(await lineOf(subject, row)).toMatch(row.says)
  })
})

describe.each(standInServers())('Redshift, its stand-in', server => {
  const subject = redshiftSubject.subjectOf(server)
  test.concurrent.each(
    titled([
      ...common(subject),
      ...postgresRows(server),
      {
        line: 'privileges',
        says: /^failed NotPermitted .*(permission denied|must be)/,
        make: ({ admin }) => runStatements(server, `alter user ${name(admin.username)} nosuperuser`),
      },
      {
        line: 'privileges',
        says: /^warning .*_clone could not be dropped: .*in the database db_/,
        strategy: 'temporary-clone',
        cloned: true,
        async make({ user, admin }) {
          const elsewhere = await subject.makeApp()
          await runStatements(server, `alter database ${elsewhere.database} owner to ${name(admin.username)}`)
          await runStatements(
            server,
            `create schema theirs; grant usage on schema theirs to ${name(pairOf(user).clone)}`,
            elsewhere.database,
          )
          return () => elsewhere.drop()
        },
      },
    ]),
  )('%s', async (_, row) => {
    expect(await lineOf(subject, row)).toMatch(row.says)
  })
})

/** The states of a server of its own, as its password rules apply to all users. */
function mysqlRows(server: MysqlServer): Row[] {
  const subject = mysqlSubject.subjectOf(server)
  const sql = (...statements: string[]) => mysql.runStatements(server, statements)
  const limit = (to: number) => (app: App) => subject.limitConnections?.(app.user, to) ?? Promise.resolve()
  const itself = server.engine === 'mysql'
  return [
    ...common(subject),
    {
      line: 'connections',
      says: /^failed Unreachable .*no room for another/,
      async make(app) {
        await limit(1)(app)
        const session = await subject.engine().login(app.current)
        return () => session[Symbol.asyncDispose]()
      },
    },
    { line: 'connections', says: /^warning this look had the last connection/, make: limit(1) },
    {
      line: 'privileges',
      says: /^failed NotPermitted .*lacks CREATE USER/,
      make: ({ admin }) =>
        sql(
          `revoke create user on *.* from ${admin.username}`,
          `revoke update on mysql.* from ${admin.username}`,
        ),
    },
    {
      line: 'privileges',
      says: /^warning .*_clone could not be dropped: .*is the DEFINER of routines/,
      strategy: 'temporary-clone',
      cloned: true,
      make: ({ user, admin, database }) =>
        sql(
          `create definer = ${pairOf(user).clone} procedure ${database}.of_clone() select 1`,
          `grant execute on ${database}.* to ${admin.username}`,
        ),
    },
    {
      line: 'password-rules',
      says: /^failed NotPermitted .*(rules for passwords refuse it|strict_password_validation)/,
      strategy: 'single-user',
      // New passwords are shorter.
      password: 'a-Long-1-'.padEnd(40, 'x'),
      async make() {
        if (itself)
          await sql(
            "install component 'file://component_validate_password'",
            'set global validate_password.length = 40',
          )
        else await sql("install soname 'simple_password_check'")
        return () =>
          itself
            ? sql("uninstall component 'file://component_validate_password'")
            : sql("uninstall soname 'simple_password_check'")
      },
    },
  ]
}

const possible = (['mysql', 'mariadb'] as const).filter(engine =>
  inject('mysql').some(server => server.engine === engine),
)
describe.each(possible)('%s', engine => {
  let server: RunningMysql
  beforeAll(async () => {
    const flavour = MYSQL_FLAVOURS.findLast(flavour => flavour.engine === engine)
    if (!flavour) throw new Error(`there is no ${engine}`)
    server = await startMysql(flavour)
  })
  afterAll(() => server?.stop())

  test('each line of a check says what is wrong', async () => {
    for (const row of mysqlRows(server))
      expect.soft(await lineOf(mysqlSubject.subjectOf(server), row)).toMatch(row.says)
  })
})

describe.skipIf(!inject('redis').length)('Redis or Valkey', () => {
  let server: RunningRedis
  beforeAll(async () => {
    const [packages] = REDIS_PACKAGES.slice(-1)
    if (!packages) throw new Error('there is no Redis')
    server = await startRedis(packages)
  })
  afterAll(() => server?.stop())

  test('each line of a check says what is wrong', async () => {
    const subject = redisSubject.subjectOf(server)
    const run = (...commands: string[][]) => redis.runCommands(server, commands)
    const alter = (user: string, ...rules: string[]) => run(['ACL', 'SETUSER', user, ...rules])
    // One is the test's own, which reads all commands.
    const most = (to: string) => async (app: App) => {
      await alter(app.user, '+info')
      const held = await subject.engine().login(app.current)
      await run(['CONFIG', 'SET', 'maxclients', to])
      return async () => {
        await held[Symbol.asyncDispose]()
        await expect
          .poll(() =>
            run(['CONFIG', 'SET', 'maxclients', '1000']).then(
              () => true,
              () => false,
            ),
          )
          .toBe(true)
      }
    }
    const rows: Row[] = [
      ...common(subject),
      {
        line: 'connections',
        says: /^failed Unreachable .*no room for another/,
        make: most('2'),
        current: ({ current }) => withChange(current, { port: server.plainPort, ssl: false }),
      },
      // The server cannot refuse before TLS.
      { line: 'login', says: /^failed Unreachable .*ECONNRESET/, make: most('2') },
      {
        line: 'connections',
        says: /^warning 1 more connections? may be opened/,
        make: most('4'),
      },
      {
        line: 'privileges',
        says: /^failed NotPermitted .*NOPERM.*acl\|setuser/,
        make: ({ admin }) => alter(admin.username, '-acl|setuser'),
      },
      {
        line: 'privileges',
        says: /^warning .*_clone could not be dropped: .*NOPERM.*acl\|deluser/,
        strategy: 'temporary-clone',
        make: ({ admin }) => alter(admin.username, '-acl|deluser'),
      },
    ]
    for (const row of rows) expect.soft(await lineOf(subject, row)).toMatch(row.says)
  })
})

/** The states of DocumentDB's engine, whose gateway reports neither connections nor privileges. */
describe.each(inject('mongodb'))('$name', server => {
  const subject = mongodbSubject.subjectOf(server)
  test.each(
    titled([
      ...common(subject),
      { line: 'connections', says: /^not-looked-at the server does not tell/ },
      {
        line: 'privileges',
        says: /^warning could not be looked at: whether admin_\w+ may run dropUser/,
        strategy: 'temporary-clone',
      },
    ]),
  )('%s', async (_, row) => {
    expect(await lineOf(subject, row)).toMatch(row.says)
  })
})

import { describe, expect, inject, test } from 'vitest'
import * as mysql from '../../../local/servers/mysqlDatabase.ts'
import * as postgres from '../../../local/servers/postgresDatabase.ts'
import type { Engine } from '../../../rotation/engines/engine.ts'
import { subjectOf as mysqlSubject } from '../../support/engines/mysqlSubject.ts'
import { subjectOf as postgresSubject } from '../../support/engines/postgresSubject.ts'
import { subjectOf as redisSubject } from '../../support/engines/redisSubject.ts'
import { standInServers } from '../../support/engines/redshiftStandIn.ts'
import { subjectOf as redshiftSubject } from '../../support/engines/redshiftSubject.ts'

/** A million rows of 300 letters. */
const million = {
  postgres: `select repeat('x', 300) from generate_series(1, 1000000)`,
  mysql: `with recursive t as (select 1 as n union all select n + 1 from t where n < 1000)
    select repeat('x', 300) from t a, t b`,
}

/** @returns by how many bytes at most this process's memory grows while something runs */
async function most(run: () => Promise<unknown>): Promise<number> {
  const used = () => {
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const before = used()
  let top = 0
  const watch = setInterval(() => {
    top = Math.max(top, used() - before)
  }, 5)
  try {
    await run()
  } finally {
    clearInterval(watch)
  }
  return top
}

const newest = inject('postgres').slice(0, 1)
const servers = [
  ...newest.map(server => ({
    name: 'PostgreSQL',
    subject: postgresSubject(server),
    rows: million.postgres,
    sql: (statement: string, database: string) => postgres.runStatements(server, statement, database),
  })),
  ...standInServers().map(server => ({
    name: 'Redshift',
    subject: redshiftSubject(server),
    rows: million.postgres,
    sql: (statement: string, database: string) => postgres.runStatements(server, statement, database),
  })),
  ...inject('mysql').map(server => ({
    name: server.name,
    subject: mysqlSubject(server),
    rows: million.mysql,
    sql: (statement: string) => mysql.runStatements(server, [statement]),
  })),
]

describe.each(servers)('a test query on $name', ({ subject, rows, sql }) => {
  /** Makes an app with a table that the app owns. */
  async function made() {
    const app = await subject.makeApp({})
    const isMysql = app.current.engine === 'mysql' || app.current.engine === 'mariadb'
    const table = isMysql ? `${app.database}.of_the_app` : 'public.of_the_app'
    await sql(`create table ${table} as select 1 as n`, app.database)
    if (!isMysql) await sql(`alter table ${table} owner to "${app.user}"`, app.database)
    const left = async () => (await sql(`select n from ${table}`, app.database)) as unknown[]
    return { ...app, table, left }
  }
  const running = async (engine: Engine, app: { current: Parameters<Engine['login']>[0] }, query: string) => {
    await using session = await engine.login(app.current)
    await session.runTestQuery(query)
  }

  test('may return a million rows, which are not kept in memory', async () => {
    const app = await made()
    const bytes = await most(() => running(subject.engine(), app, rows))
    expect(bytes).toBeLessThan(128 * 2 ** 20)
  })

  test('may only read', async () => {
    const app = await made()
    const { table } = app
    for (const query of [
      `insert into ${table} values (2)`,
      `delete from ${table}`,
      `drop table ${table}`,
      `truncate table ${table}`,
      `alter table ${table} add m int`,
      `create table ${table}_2 (n int)`,
      // No transaction stops it in MySQL and MariaDB.
      ...(subject.engine().constructor.name.startsWith('M') ? [`set password = 'x'`] : []),
    ])
      await expect(running(subject.engine(), app, query), query).rejects.toMatchObject({
        name: 'TestFailed',
        message: expect.stringContaining('testQueryMayWrite'),
      })
    expect(await app.left()).toHaveLength(1)
    await running(subject.engine(), app, `select n from ${table}`)
  })

  test('may be only one statement', async () => {
    const app = await made()
    const { table } = app
    for (const query of [
      `commit; delete from ${table}`,
      `rollback; drop table ${table}`,
      `select 1; select 2`,
    ])
      await expect(running(subject.engine(), app, query), query).rejects.toMatchObject({ name: 'TestFailed' })
    expect(await app.left()).toHaveLength(1)
  })

  test('may write where the deployment allows it, and is undone', async () => {
    const app = await made()
    const engine = subject.engine({ testMayWrite: true })
    await running(engine, app, `delete from ${app.table}`)
    expect(await app.left()).toHaveLength(1)
  })

  test('leaves the session as it was, even if it is refused', async () => {
    const app = await made()
    await using session = await subject.engine().login(app.current)
    await expect(session.runTestQuery('select nothing from nowhere')).rejects.toMatchObject({
      name: 'TestFailed',
    })
    await session.runTestQuery('select 1')
    await session.setPassword(app.user, 'next')
    expect(await subject.admits(app.current.with({ password: 'next' }))).toBe(true)
  })
})

describe.each(inject('redis'))('a test query on $name', server => {
  const subject = redisSubject(server)

  test.each([
    'SET shared:k 1',
    'set shared:k 1',
    'DEL shared:k',
    'PING',
    'CONFIG GET *',
    'FLUSHALL',
    'EVAL "return 1" 0',
  ])('%s is refused, as the server does not call it read-only', async query => {
    const { current } = await subject.makeApp({})
    await using session = await subject.engine().login(current)
    await expect(session.runTestQuery(query)).rejects.toMatchObject({
      name: 'TestFailed',
      message: expect.stringContaining('testQueryMayWrite'),
    })
  })

  test('GET and XINFO STREAM are run, as the server calls them read-only', async () => {
    const { current } = await subject.makeApp({})
    await using session = await subject.engine().login(current)
    await session.runTestQuery('GET shared:nothing')
    await expect(session.runTestQuery('XINFO STREAM shared:nothing')).rejects.toMatchObject({
      message: expect.stringContaining('ERR'),
    })
  })

  test('SET is run where the deployment allows writing', async () => {
    const { current } = await subject.makeApp({})
    await using session = await subject.engine({ testMayWrite: true }).login(current)
    await session.runTestQuery('SET shared:k 1')
  })
})

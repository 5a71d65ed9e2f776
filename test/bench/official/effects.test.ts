import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, inject, test } from 'vitest'
import { watchPasswordChanges } from '../../../bench/official/cold/passwordChanges.ts'
import { startMysql } from '../../../local/servers/mysql.ts'
import * as mysql from '../../../local/servers/mysqlDatabase.ts'
import { startPostgres } from '../../../local/servers/postgres.ts'
import * as postgres from '../../../local/servers/postgresDatabase.ts'

const onPostgres = async () => {
  const server = await startPostgres()
  return {
    server,
    makeApp: () => postgres.makeApp(server),
    admits: ({ current }: postgres.App) => postgres.admits(server, current),
    change: ({ user, current }: postgres.App) =>
      postgres.runStatements(server, `alter role ${user} password 'second'`, current.dbname, {
        user,
        password: current.password,
      }),
  }
}

const onMysql = (flavour: Parameters<typeof startMysql>[0]) => async () => {
  const server = await startMysql(flavour)
  const statement =
    server.engine === 'mysql' ? "set password = 'second'" : "set password = password('second')"
  return {
    server,
    makeApp: () => mysql.makeApp(server),
    admits: ({ current }: postgres.App) => mysql.admits(server, current),
    change: ({ user, current }: postgres.App) =>
      mysql.runStatements(server, statement, { user, password: current.password }),
  }
}

const subjects = [
  { name: 'PostgreSQL', start: onPostgres },
  ...(['mysql', 'mariadb'] as const).flatMap(engine =>
    inject('mysql')
      .filter(server => server.engine === engine)
      .slice(-1)
      .map(server => ({ name: server.name, start: onMysql(server) })),
  ),
]

/** How many milliseconds too late a server may log an effect. */
const LATE = 2

describe.concurrent.each(subjects)('$name', ({ start }) => {
  test('the log has the time of a change that a client finds by trying the old password all the time', async () => {
    const { server, makeApp, admits, change } = await start()
    try {
      const effectOf = await watchPasswordChanges(server)
      for (let round = 0; round < 3; round++) {
        const app = await makeApp()
        const logins: { began: number; ended: number; letIn: boolean }[] = []
        const login = async () => {
          const began = performance.now()
          const letIn = await admits(app)
          logins.push({ began, ended: performance.now(), letIn })
        }
        let running = true
        const client = (async () => {
          while (running) await Promise.all([login(), login()])
        })()
        const more = async () => {
          for (const most = logins.length + 6; logins.length < most; ) await sleep(5)
        }
        await more()
        await change(app)
        await more()
        running = false
        await client
        const effect = await effectOf(app.user)
        const [before, after] = [
          logins.filter(({ ended }) => ended < effect - LATE),
          logins.filter(({ began }) => began > effect),
        ]
        expect(before.length).toBeGreaterThan(0)
        expect(before.filter(({ letIn }) => !letIn)).toEqual([])
        expect(after.length).toBeGreaterThan(0)
        expect(after.filter(({ letIn }) => letIn)).toEqual([])
      }
    } finally {
      await server.stop()
    }
  })
})

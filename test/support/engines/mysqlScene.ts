import mysql from 'mysql2/promise'
import type { MysqlServer } from '../../../local/servers/mysql.ts'
import { runStatements } from '../../../local/servers/mysqlDatabase.ts'
import { type App, randomHex } from '../../../local/servers/postgresDatabase.ts'
import type { Engine } from '../../../rotation/engines/engine.ts'
import { Mariadb } from '../../../rotation/engines/mysql/mariadb.ts'
import { Mysql } from '../../../rotation/engines/mysql/mysql.ts'
import { AlternatingUsers } from '../../../rotation/strategies/alternatingUsers.ts'

const { pairOf } = new AlternatingUsers()

/** Helpers for tests on one MySQL or MariaDB server. */
export function sceneOf(server: MysqlServer) {
  const isMysql = server.engine === 'mysql'
  const engine = engineOf(server)
  const sql = (...statements: string[]) => runStatements(server, statements)
  const grantsOf = async (account: string) =>
    (await sql(`show grants for ${account}`)).map(row => String(Object.values(row)[0]))

  /** @returns the clone of an app's user, a function that makes or updates it, and one that compares it with the user */
  async function makeClone(app: App) {
    const both = pairOf(app.user)
    const clone = app.current.with({ username: both.clone, password: `clone-${randomHex(8)}` })
    const sync = async (by = engine) => {
      await using proof = await by.login(app.current)
      await using session = await by.login(app.admin.with({ dbname: app.database }), proof.accountQualifier)
      await session.openUser(both, { user: clone.username, password: clone.password })
    }
    const differences = async () => {
      await using session = await engine.login(clone)
      return await session.differences(both, async () => app.current)
    }
    return { both, clone, sync, differences }
  }
  return { isMysql, engine, sql, grantsOf, makeClone }
}

/** Makes an engine that calls `before` with each statement before it sends it. */
export function engineOf(server: MysqlServer, before: (statement: string) => void = () => {}): Engine {
  const Engine = server.engine === 'mysql' ? Mysql : Mariadb
  return new Engine({
    caFile: server.caFile,
    async connect(config) {
      const connection = await mysql.createConnection(config)
      const query: (options: unknown) => Promise<never> = connection.query.bind(connection) as never
      const wrapped = async (options: { sql: string }) => {
        before(options.sql)
        return query(options)
      }
      return Object.assign(connection, { query: wrapped as never })
    },
  })
}

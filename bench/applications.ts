import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import mysql from 'mysql2/promise'
import pg from 'pg'
import type { Embedded } from '../local/embedded.ts'
import type { Admin } from '../local/users.ts'
import type { StrategyName } from '../rotation/strategies/strategy.ts'
import type { MysqlServer } from '../test/servers/mysql.ts'
import type { Target } from './availability.ts'

/** A user of the embedded PostgreSQL, and an application of it. */
export async function onPostgres(
  { users, postgres }: Embedded,
  admin: Admin,
  strategy: StrategyName,
): Promise<Target> {
  const secureContext = createSecureContext({ ca: readFileSync(postgres.caFile, 'utf8') })
  const tags = { 'keyturn:strategy': strategy }
  const user = `app_${randomUUID().slice(0, 8)}`
  return {
    strategy,
    server: `PostgreSQL ${postgres.version}`,
    secret: await users.enrol(user, { tags, ...(strategy !== 'single-user' && { admin }) }),
    async query({ host, port, username, password, dbname }) {
      const client = new pg.Client({
        host,
        port,
        user: username,
        password,
        database: dbname ?? 'postgres',
        ssl: { secureContext },
      })
      client.on('error', () => {})
      try {
        await client.connect()
        await client.query('select now()')
        return true
      } catch (error) {
        if ((error as { code?: string }).code === '28P01') return false
        throw error
      } finally {
        await client.end().catch(() => {})
      }
    },
  }
}

/** A user of MySQL who may set its own two passwords, and an application of it. */
export async function onMysql({ users }: Embedded, server: MysqlServer): Promise<Target> {
  const { host, port, caFile, superuser, name } = server
  const ssl = { ca: readFileSync(caFile, 'utf8'), verifyIdentity: true }
  const value = {
    engine: 'mysql',
    host,
    port,
    username: `app_${randomUUID().slice(0, 8)}`,
    password: randomUUID(),
  }
  const connection = await mysql.createConnection({ host, port, ssl, ...superuser })
  await connection.query(`create user ${value.username} identified by ?`, [value.password])
  await connection.query(`grant application_password_admin on *.* to ${value.username}`)
  await connection.end()
  const tags = { 'keyturn:managed': 'true', 'keyturn:strategy': 'dual-password' }
  return {
    strategy: 'dual-password',
    server: name,
    secret: await users.shelf.put(`bench/${value.username}`, JSON.stringify(value), tags),
    async query({ host, port, username, password }) {
      try {
        const client = await mysql.createConnection({ host, port, ssl, user: username, password })
        await client.query('select now()')
        await client.end()
        return true
      } catch (error) {
        if ((error as { errno?: number }).errno === 1045) return false
        throw error
      }
    },
  }
}

import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import mysql from 'mysql2/promise'
import pg from 'pg'
import type { StoredValue } from '../../local/client/application.ts'

/** Logs in, asks the server something, and goes. False if user or password is refused; throws whatever else fails. */
export type Query = (value: StoredValue) => Promise<boolean>

/** `caFile` is the certificate of the server to trust. */
export function makePostgresQuery(caFile: string): Query {
  const secureContext = createSecureContext({ ca: readFileSync(caFile, 'utf8') })
  return async ({ host, port, username, password, dbname }) => {
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
  }
}

/** The same for MySQL and MariaDB. */
export function makeMysqlQuery(caFile: string): Query {
  const ssl = { ca: readFileSync(caFile, 'utf8'), verifyIdentity: true }
  return async ({ host, port, username, password }) => {
    try {
      const client = await mysql.createConnection({ host, port, ssl, user: username, password })
      await client.query('select now()')
      await client.end()
      return true
    } catch (error) {
      if ((error as { errno?: number }).errno === 1045) return false
      throw error
    }
  }
}

import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import mysql from 'mysql2/promise'
import pg from 'pg'
import type { StoredValue } from '../../local/client/application.ts'

/** Logs in, runs one query and logs out. @returns false if the login is refused @throws any other error */
export type Query = (value: StoredValue) => Promise<boolean>

/** Makes a Query for PostgreSQL. @param caFile the certificate that the server is trusted by */
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

/** Makes a Query for MySQL and MariaDB. @param caFile the certificate that the server is trusted by */
export function makeMysqlQuery(caFile: string): Query {
  const ssl = { ca: readFileSync(caFile, 'utf8'), verifyIdentity: true }
  return async ({ host, port, username, password }) => {
    let client: mysql.Connection | undefined
    try {
      client = await mysql.createConnection({ host, port, ssl, user: username, password })
      await client.query('select now()')
      return true
    } catch (error) {
      if ((error as { errno?: number }).errno === 1045) return false
      throw error
    } finally {
      await client?.end().catch(() => {})
    }
  }
}

import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext, type SecureContext } from 'node:tls'
import pg, { escapeIdentifier as name, escapeLiteral as text } from 'pg'
import { Credential } from '../../rotation/credential.ts'
import type { PostgresServer } from './postgres.ts'

export const randomHex = (bytes = 6) => randomBytes(bytes).toString('hex')

/** The ARN of an admin's secret that tests make up. */
export const ADMIN_ARN = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:admin-AbCdEf'

/** For what is no database of RDS. */
export const rejectRds = () => Promise.reject(new Error('there is no RDS'))

/** Runs statements as the server's superuser, or as `user`. */
export async function runStatements<T extends pg.QueryResultRow>(
  server: PostgresServer,
  statements: string,
  database = 'postgres',
  login: { user: string; password: string } = server.superuser,
): Promise<T[]> {
  const client = new pg.Client({
    host: server.host,
    port: server.port,
    database,
    ssl: { secureContext: secureContextOf(server) },
    ...login,
  })
  client.on('error', () => {})
  await client.connect()
  try {
    const result = await client.query<T>(statements)
    return Array.isArray(result) ? result.at(-1).rows : result.rows
  } finally {
    await client.end()
  }
}

const contexts = new Map<string, SecureContext>()

function secureContextOf({ caFile }: PostgresServer): SecureContext {
  const known = contexts.get(caFile) ?? createSecureContext({ ca: readFileSync(caFile, 'utf8') })
  contexts.set(caFile, known)
  return known
}

/** A value for `username` on this server. */
export function credentialFor(
  server: PostgresServer,
  username: string,
  password: string,
  more: Record<string, unknown> = {},
): Credential {
  const { host, port } = server
  return Credential.parse(
    JSON.stringify({ engine: 'postgres', host, port, dbname: 'postgres', username, password, ...more }),
  )
}

/** What a value says but for the password: AWS's JSON for a connection. */
export function connectionJsonOf(credential: Credential, change: Record<string, unknown> = {}): string {
  return JSON.stringify({ ...JSON.parse(credential.serialize()), ...change, password: undefined })
}

export type App = {
  database: string
  user: string
  current: Credential
  admin: Credential
  drop(): Promise<void>
}

/**
 * A database of its own with an application's user in it, and an admin who may create roles but is no superuser, as
 * on RDS.
 */
export async function makeApp(
  server: PostgresServer,
  {
    user = `app_${randomHex()}`,
    password = `first-${randomHex(12)}`,
    more = {} as Record<string, unknown>,
  } = {},
): Promise<App> {
  const database = `db_${randomHex()}`
  const admin = { user: `admin_${randomHex()}`, password: `admin-${randomHex(12)}` }
  await runStatements(
    server,
    `create role ${admin.user} login createrole createdb password ${text(admin.password)}`,
  )
  await runStatements(server, `create role ${name(user)} login password ${text(password)}`, 'postgres', admin)
  await runStatements(server, `create database ${database} owner ${admin.user}`)
  await runStatements(server, `grant create on schema public to ${name(user)}`, database)
  const value = { dbname: database, masterarn: ADMIN_ARN, ...more }
  return {
    database,
    user,
    current: credentialFor(server, user, password, value),
    admin: credentialFor(server, admin.user, admin.password),
    drop: () => runStatements(server, `drop database ${database} with (force)`).then(() => {}),
  }
}

/** True if user and password log in now, seen from outside Keyturn. */
export async function admits(server: PostgresServer, credential: Credential): Promise<boolean> {
  try {
    await runStatements(server, 'select 1', credential.dbname, {
      user: credential.username,
      password: credential.password,
    })
    return true
  } catch (error) {
    if ((error as { code?: string }).code === '28P01') return false
    throw error
  }
}

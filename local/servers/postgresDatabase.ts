import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext, type SecureContext } from 'node:tls'
import pg, { escapeIdentifier as name, escapeLiteral as text } from 'pg'
import { Credential } from '../../rotation/credential.ts'
import type { PostgresServer } from './postgres.ts'

/** Random bytes in hexadecimal. */
export const randomHex = (bytes = 6) => randomBytes(bytes).toString('hex')

/** A made-up ARN of an admin's secret. */
export const ADMIN_ARN = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:admin-AbCdEf'

/** Stands for a function that asks RDS, where no database is one of RDS. */
export const rejectRds = () => Promise.reject(new Error('there is no RDS'))

/** Runs statements in a database, as the server's superuser or as `login`. @returns the rows of the last statement */
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

/** TLS settings that trust a server's certificate, by its file. */
const contexts = new Map<string, SecureContext>()

function secureContextOf({ caFile }: PostgresServer): SecureContext {
  const known = contexts.get(caFile) ?? createSecureContext({ ca: readFileSync(caFile, 'utf8') })
  contexts.set(caFile, known)
  return known
}

/** A credential for a user of this server, in the database `postgres` unless `more` says otherwise. */
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

/** The value of a credential without its password, as the parameter of a connection has it, with changed fields. */
export function connectionJsonOf(credential: Credential, change: Record<string, unknown> = {}): string {
  return JSON.stringify({ ...JSON.parse(credential.serialize()), ...change, password: undefined })
}

/** An application's database user, as tests make it on a server of any engine. */
export type App = {
  database: string
  user: string
  /** The user's current credential, and that of an admin who may change the user. */
  current: Credential
  admin: Credential
  /** Deletes the database. With DocumentDB it deletes the user instead, and with Redis nothing. */
  drop(): Promise<void>
}

/** Makes a database with an application's user, and an admin that may create roles but is no superuser, as on RDS. */
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

/** Whether a login with this user and password succeeds, without Keyturn's engines. @throws any other error than a refused login */
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

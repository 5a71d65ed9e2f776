import { readFileSync } from 'node:fs'
import { createConnection, type RowDataPacket } from 'mysql2/promise'
import { Credential } from '../../rotation/credential.ts'
import { authPlugins } from '../../rotation/engines/mysql/mariadbPlugins.ts'
import { accountName, quoteText } from '../../rotation/engines/mysql/mysqlAccount.ts'
import {
  cachingSha2PasswordHash,
  nativePasswordHash,
} from '../../rotation/engines/mysql/mysqlPasswordHashes.ts'
import type { MysqlServer } from './mysql.ts'
import { ADMIN_ARN, type App, randomHex } from './postgresDatabase.ts'

/**
 * Runs statements one after the other, as the server's superuser or as `login`. The connection has all of Keyturn's authentication
 * plugins: to a user that does not exist, MariaDB answers with the plugin of some account.
 * @returns the rows of the last statement
 */
export async function runStatements<T = RowDataPacket>(
  server: MysqlServer,
  statements: string | string[],
  login: { user: string; password: string; database?: string } = server.superuser,
): Promise<T[]> {
  const { host, port, caFile } = server
  const ssl = { ca: caCertificateOf(caFile), verifyIdentity: true }
  const connection = await createConnection({ host, port, ssl, charset: 'utf8mb4', authPlugins, ...login })
  try {
    let rows: T[] = []
    for (const statement of [statements].flat())
      [rows] = (await connection.query(statement)) as unknown as [T[]]
    return rows
  } finally {
    await connection.end()
  }
}

/** The certificates of servers, by file. */
const caCertificates = new Map<string, string>()

function caCertificateOf(caFile: string): string {
  const known = caCertificates.get(caFile) ?? readFileSync(caFile, 'utf8')
  caCertificates.set(caFile, known)
  return known
}

/** The IDENTIFIED clause for a password. It has the password hash, so that the server's log never shows the password. */
export function identifiedClause({ engine }: MysqlServer, password: string): string {
  return engine === 'mysql'
    ? `identified with caching_sha2_password as ${quoteText(cachedPasswordHash(password))}`
    : `identified via mysql_native_password using ${quoteText(nativePasswordHash(password))}`
}

/** The password hash for caching_sha2_password. Making one takes tens of milliseconds, and tests set the same passwords often. */
function cachedPasswordHash(password: string): string {
  const hash = passwordHashes.get(password) ?? cachingSha2PasswordHash(password)
  passwordHashes.set(password, hash)
  return hash
}
const passwordHashes = new Map<string, string>()

/** A credential for a user of this server. */
export function credentialFor(
  server: MysqlServer,
  username: string,
  password: string,
  more: Record<string, unknown> = {},
): Credential {
  const { engine, host, port } = server
  return Credential.parse(JSON.stringify({ engine, host, port, username, password, ...more }))
}

/** Makes a database with an application's user, and an admin that has the rights of an RDS master user. */
export async function makeApp(
  server: MysqlServer,
  {
    user = `app_${randomHex()}`,
    password = `first-${randomHex(12)}`,
    host = '%',
    more = {} as Record<string, unknown>,
  } = {},
): Promise<App> {
  const database = `db_${randomHex()}`
  const admin = { user: `admin_${randomHex()}`, password: `admin-${randomHex(12)}` }
  const account = accountName(user, host)
  await runStatements(server, [
    `create database ${database}`,
    `create user ${admin.user} ${identifiedClause(server, admin.password)}`,
    `grant create user, process, reload on *.* to ${admin.user} with grant option`,
    // MariaDB needs UPDATE on the database `mysql` for SET DEFAULT ROLE ... FOR:
    // https://mariadb.com/docs/server/reference/sql-statements/account-management-sql-statements/set-default-role
    `grant select, update on mysql.* to ${admin.user}`,
    `grant all on ${database}.* to ${admin.user} with grant option`,
    `create user ${account} ${identifiedClause(server, password)}`,
    `grant select, insert, update, delete, create, drop on ${database}.* to ${account}`,
  ])
  const value = { dbname: database, masterarn: ADMIN_ARN, ...more }
  return {
    database,
    user,
    current: credentialFor(server, user, password, value),
    admin: credentialFor(server, admin.user, admin.password),
    drop: () => runStatements(server, `drop database ${database}`).then(() => {}),
  }
}

/** Whether a login with this user and password succeeds, without Keyturn's engines. @throws any other error than a refused login */
export async function admits(
  server: MysqlServer,
  { username, password, dbname }: Credential,
): Promise<boolean> {
  try {
    await runStatements(server, 'select 1', { user: username, password, ...(dbname && { database: dbname }) })
    return true
  } catch (error) {
    if ((error as { errno?: number }).errno === 1045) return false
    throw error
  }
}

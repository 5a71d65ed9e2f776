import type pg from 'pg'
import { escapeIdentifier as name, escapeLiteral as text } from 'pg'
import type { MysqlServer } from '../../../local/servers/mysql.ts'
import * as family from '../../../local/servers/mysqlDatabase.ts'
import type { PostgresServer } from '../../../local/servers/postgres.ts'
import * as postgres from '../../../local/servers/postgresDatabase.ts'
import { type App, randomHex } from '../../../local/servers/postgresDatabase.ts'
import type { Credential } from '../../../rotation/credential.ts'
import { accountName } from '../../../rotation/engines/mysql/mysqlAccount.ts'
import { scramVerifier } from '../../../rotation/engines/postgres/scram.ts'

/** A server on which AWS's functions and Keyturn rotate. These methods use neither of them. */
export type Database = {
  engine: 'postgres' | 'mysql' | 'mariadb'
  /** Name and version, such as `MySQL 9.7.4`. */
  name: string
  caFile: string
  /** Makes a user, and an admin that may make a clone of the user. */
  makeApp(): Promise<App>
  /** Whether a login with this credential succeeds. */
  admits(credential: Credential): Promise<boolean>
  /** Sets the password of a user that exists. */
  setPassword(credential: Credential): Promise<unknown>
  /** A user's grants in the server's words, without the user's name. Undefined if there is no such user. */
  grantsOf(user: string): Promise<string[] | undefined>
  /** Makes the clone with these grants and without a password. The admin makes it. */
  makeClone(app: App, grants: string[]): Promise<unknown>
  /** What `grantsOf` returns for a clone that is complete. */
  grantsOfCompleteClone(app: App): Promise<string[]>
  /** Drops the clone, if there is one. */
  dropClone(app: App): Promise<unknown>
}

/** The user name of a user's clone. */
export const cloneNameOf = ({ user }: App) => `${user}_clone`

/** A PostgreSQL. The clone that AWS's function makes there is a member of its user's role, and has no other grants. */
export function postgresDatabase(server: PostgresServer): Database {
  const run = <T extends pg.QueryResultRow>(statements: string, login?: { user: string; password: string }) =>
    postgres.runStatements<T>(server, statements, 'postgres', login)
  return {
    engine: 'postgres',
    name: `PostgreSQL ${server.version}`,
    caFile: server.caFile,
    makeApp: () => postgres.makeApp(server),
    admits: credential => postgres.admits(server, credential),
    setPassword: async ({ username, password }) =>
      run(`alter role ${name(username)} password ${text(await scramVerifier(password))}`),
    async grantsOf(user) {
      const rows = await run<{ role: string | null }>(
        `select pg_get_userbyid(roleid) as role from pg_roles left join pg_auth_members on member = pg_roles.oid
         where rolname = ${text(user)}`,
      )
      return rows.length ? rows.flatMap(({ role }) => role ?? []) : undefined
    },
    makeClone(app, grants) {
      const clone = name(cloneNameOf(app))
      const { username: user, password } = app.admin
      const granted = grants.map(role => `grant ${name(role)} to ${clone};`).join(' ')
      return run(`create role ${clone} login; ${granted}`, { user, password })
    },
    grantsOfCompleteClone: async ({ user }) => [user],
    dropClone: app => run(`drop role if exists ${name(cloneNameOf(app))}`),
  }
}

/** A MySQL or MariaDB. A clone has its user's grants: here some on all databases, and some on one. */
export function mysqlDatabase(server: MysqlServer): Database {
  const account = (user: string) => accountName(user, '%')
  const grantsOf = async (user: string) => {
    const users = await family.runStatements(server, `select 1 from mysql.user where user = '${user}'`)
    if (!users.length) return undefined
    const rows = await family.runStatements<object>(server, `show grants for ${account(user)}`)
    const grants = rows.map(row => `${Object.values(row)[0]}`.split(' TO ')[0] ?? '')
    return grants.filter(grant => !grant.startsWith('GRANT USAGE ')).map(grant => grant.replace('GRANT ', ''))
  }
  return {
    engine: server.engine,
    name: server.name,
    caFile: server.caFile,
    async makeApp() {
      // AWS's function refuses a user whose clone's name would have more than 16 characters.
      const app = await family.makeApp(server, { user: `app_${randomHex(3)}` })
      await family.runStatements(server, `grant process on *.* to ${account(app.user)}`)
      return app
    },
    admits: credential => family.admits(server, credential),
    setPassword: ({ username, password }) =>
      family.runStatements(
        server,
        `alter user ${account(username)} ${family.identifiedClause(server, password)}`,
      ),
    grantsOf,
    makeClone: (app, grants) =>
      family.runStatements(server, [
        `create user ${account(cloneNameOf(app))}`,
        ...grants.map(grant => `grant ${grant} to ${account(cloneNameOf(app))}`),
      ]),
    grantsOfCompleteClone: async ({ user }) => (await grantsOf(user)) ?? [],
    dropClone: app => family.runStatements(server, `drop user if exists ${account(cloneNameOf(app))}`),
  }
}

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

/** A server on which AWS's functions and Keyturn rotate, as it is seen from outside of both. */
export type Database = {
  engine: 'postgres' | 'mysql' | 'mariadb'
  /** Such as `MySQL 9.7.4`. */
  name: string
  caFile: string
  /** A user, and an admin who may make its clone. */
  makeApp(): Promise<App>
  admits(credential: Credential): Promise<boolean>
  /** Of a user that there is. */
  setPassword(credential: Credential): Promise<unknown>
  /** What the user may, by the server's own words, without whose it is; undefined if there is no such user. */
  grantsOf(user: string): Promise<string[] | undefined>
  /** Makes the clone with these grants, as the admin; it has no password yet. */
  makeClone(app: App, grants: string[]): Promise<unknown>
  /** What of `grantsOf` the clone has when it is all done. */
  grantsOfCompleteClone(app: App): Promise<string[]>
  /** Drops the clone, if it is there. */
  dropClone(app: App): Promise<unknown>
}

export const cloneNameOf = ({ user }: App) => `${user}_clone`

/** A clone of PostgreSQL is a member of its user's role, and may nothing else. */
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

/** A clone of MySQL and MariaDB is granted what its user is granted: here a part on all databases, and a part on one. */
export function mysqlDatabase(server: MysqlServer): Database {
  const account = (user: string) => accountName(user, '%')
  const grantsOf = async (user: string) => {
    const there = await family.runStatements(server, `select 1 from mysql.user where user = '${user}'`)
    if (!there.length) return undefined
    const rows = await family.runStatements<object>(server, `show grants for ${account(user)}`)
    const grants = rows.map(row => `${Object.values(row)[0]}`.split(' TO ')[0] ?? '')
    return grants.filter(grant => !grant.startsWith('GRANT USAGE ')).map(grant => grant.replace('GRANT ', ''))
  }
  return {
    engine: server.engine,
    name: server.name,
    caFile: server.caFile,
    async makeApp() {
      // AWS's function takes no user whose clone's name has more than 16 characters.
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

import { afterAll, expect, test } from 'vitest'
import { startMysql } from '../../local/servers/mysql.ts'
import { runStatements } from '../../local/servers/mysqlDatabase.ts'
import { mysqlTestServer } from '../support/testServers.ts'
import { generalEntries } from './generalEntries.ts'
import { mysqlEntries } from './mysqlEntries.ts'
import { worldMatrix } from './world.ts'

/** Columns of mysql.user, or keys of a document in one, that no entry changes, each with the reason. */
const excused: Record<string, string> = {
  User_attributes: 'each of its keys is tested',
  Password: 'authentication_string under an old name',
  version_id: 'the version of the MariaDB that wrote the account',
}

/**
 * Runs the world's matrix on a server of its own, as some states are of the whole server. A test asks the server for all
 * parts of an account, and expects an entry or an excuse for each.
 */
export async function mysqlWorld(flavour: Parameters<typeof startMysql>[0]): Promise<void> {
  const server = await startMysql(
    flavour,
    flavour.engine === 'mysql' ? { plugin_load_add: 'auth_socket.so' } : {},
  )
  afterAll(() => server.stop())
  const entries = mysqlEntries(server)
  const testServer = mysqlTestServer(server)

  /** Statements that make an account with every part set, as the server leaves unused keys out. */
  const fullAccount =
    server.engine === 'mysql'
      ? [
          'set global partial_revokes = on',
          "create user whole identified by 'one' failed_login_attempts 3 password_lock_time 1 comment 'it'",
          "alter user whole identified by 'two' retain current password",
          'alter user whole add 2 factor identified with auth_socket',
          'grant select on *.* to whole',
          'revoke select on mysql.* from whole',
        ]
      : [
          'create role part',
          `create user whole identified via mysql_native_password using password('one') or ed25519 using password('two')
           require subject '/CN=app' and issuer '/CN=ca' and cipher 'AES128-SHA' with max_queries_per_hour 1
           max_updates_per_hour 1 max_connections_per_hour 1 max_user_connections 1 max_statement_time 1
           password expire interval 1 day account lock`,
          'grant part to whole',
          'set default role part for whole',
        ]

  test(`${testServer.name}: each column of mysql.user, and each key in one, is an entry or excused`, async () => {
    await runStatements(server, fullAccount)
    const columns = await runStatements<{ Field: string }>(server, 'show columns from mysql.user')
    const documents =
      server.engine === 'mysql'
        ? 'select json_keys(user_attributes) as found from mysql.user'
        : 'select json_keys(priv) as found from mysql.global_priv'
    const keys = (await runStatements<{ found: string | string[] | null }>(server, documents)).flatMap(
      ({ found }) => (typeof found === 'string' ? (JSON.parse(found) as string[]) : (found ?? [])),
    )
    // The columns of global privileges are covered by one entry.
    const parts = [...columns.map(({ Field }) => Field), ...keys].filter(part => !part.endsWith('_priv'))
    const covered = new Set([...entries.flatMap(({ covers = [] }) => covers), ...Object.keys(excused)])
    expect(parts.filter(part => !covered.has(part))).toEqual([])
    expect(parts.length).toBeGreaterThan(20)
    await runStatements(server, 'drop user whole')
  })

  // MySQL and MariaDB share the entries that both have.
  const [other, half] = server.engine === 'mysql' ? (['mariadb', 0] as const) : (['mysql', 1] as const)
  const shared = [...generalEntries(), ...mysqlEntries({ ...server, engine: other })]
  const names = new Set(shared.map(({ name }) => name))
  worldMatrix(testServer, [...generalEntries(), ...entries], { names, half })
}

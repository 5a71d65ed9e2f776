import { addListedUsers, appThroughPooler, type Pgbouncer } from '../../local/servers/pgbouncer.ts'
import { type App, makeApp } from '../../local/servers/postgresDatabase.ts'
import { Postgres } from '../../rotation/engines/postgres/postgres.ts'
import { scramVerifier } from '../../rotation/engines/postgres/scram.ts'
import { type MatrixServer, postgresTestServer, wrapClientClass } from '../support/testServers.ts'

/**
 * A PgBouncer and the server behind it, for the fault matrix. Keyturn comes through the pooler; what the tests themselves
 * ask and do goes to the server. With `asks`, a secret says that the pooler asks the database. Who is made is in a static
 * list by password, or as `byVerifier` by what the server keeps.
 */
export function pooledPlace(
  pgbouncer: Pgbouncer,
  {
    asks = false,
    byVerifier = false,
    testQuery,
  }: { asks?: boolean; byVerifier?: boolean; testQuery?: string | undefined } = {},
): MatrixServer {
  const { server, pooled, userLookup } = pgbouncer
  return {
    ...postgresTestServer(server),
    name: pgbouncer.name,
    tags: {
      ...(asks && { 'keyturn:pooler': 'auth-query' }),
      ...(testQuery && { 'keyturn:test-query': testQuery }),
    },
    engine: call => new Postgres({ caFile: pooled.caFile, Client: wrapClientClass(call) }),
    async makeApp() {
      const app = appThroughPooler(pgbouncer, await makeApp(server))
      const { current, admin } = app
      const known = async ({ password }: App['current']) =>
        byVerifier ? await scramVerifier(password) : password
      if (userLookup === 'static list')
        await addListedUsers(pgbouncer, {
          [current.username]: await known(current),
          [admin.username]: admin.password,
        })
      return app
    },
  }
}

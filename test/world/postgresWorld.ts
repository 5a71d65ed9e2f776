import { afterAll, describe, expect, inject, test } from 'vitest'
import { startPostgres } from '../../local/servers/postgres.ts'
import { runStatements } from '../../local/servers/postgresDatabase.ts'
import { postgresTestServer } from '../support/testServers.ts'
import { generalEntries } from './generalEntries.ts'
import { excusedColumns, postgresEntries } from './postgresEntries.ts'
import { worldMatrix } from './world.ts'

type Version = NonNullable<Parameters<typeof startPostgres>[0]>

/**
 * Runs the world's matrix on a server of its own, as some states are of the whole server. Each entry that the version `beside`
 * has too runs half there and half here. A test expects an entry or an excuse for each column of the catalogs. Makes no tests if
 * this system does not have the version.
 */
export async function postgresWorld(
  version: Version,
  { beside, half }: { beside: Version; half: 0 | 1 },
): Promise<void> {
  if (!inject('postgres').some(server => server.version === version)) return
  const server = await startPostgres(version)
  afterAll(() => server.stop())
  const entries = postgresEntries(server)
  const others = postgresEntries({ ...server, version: beside })
  const names = new Set([...generalEntries(), ...others].map(({ name }) => name))
  worldMatrix(postgresTestServer(server), [...generalEntries(), ...entries], { names, half })

  describe(`the entries of PostgreSQL ${version}`, () => {
    test('cover every column of pg_roles, pg_database and pg_db_role_setting', async () => {
      const columns = await runStatements<{ is: string }>(
        server,
        `select attrelid::regclass || '.' || attname as is from pg_attribute
         where attrelid in ('pg_roles'::regclass, 'pg_database'::regclass, 'pg_db_role_setting'::regclass)
           and attnum > 0 and not attisdropped`,
      )
      const known = new Set([...entries.flatMap(({ about = [] }) => about), ...Object.keys(excusedColumns)])
      expect(columns.map(({ is }) => is).filter(is => !known.has(is))).toEqual([])
    })
  })
}

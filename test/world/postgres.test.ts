import { afterAll, describe, expect, test } from 'vitest'
import { startPostgres } from '../../local/servers/postgres.ts'
import { asSuperuser } from '../../local/servers/postgresDatabase.ts'
import { postgresPlace } from '../support/places.ts'
import { generalEntries } from './generalEntries.ts'
import { excused, postgresEntries } from './postgresEntries.ts'
import { worldMatrix } from './world.ts'

/** Servers of its own, as some states are a server's. The newest and the oldest. */
for (const version of [18, 14] as const) {
  const server = await startPostgres(version)
  afterAll(() => server.stop())
  const entries = postgresEntries(server)
  worldMatrix(postgresPlace(server), [...generalEntries(), ...entries])

  describe(`the states of PostgreSQL ${version}`, () => {
    test('are complete, by the server’s own word', async () => {
      const columns = await asSuperuser<{ is: string }>(
        server,
        `select attrelid::regclass || '.' || attname as is from pg_attribute
         where attrelid in ('pg_roles'::regclass, 'pg_database'::regclass, 'pg_db_role_setting'::regclass)
           and attnum > 0 and not attisdropped`,
      )
      const known = new Set([...entries.flatMap(({ about = [] }) => about), ...Object.keys(excused)])
      expect(columns.map(({ is }) => is).filter(is => !known.has(is))).toEqual([])
    })
  })
}

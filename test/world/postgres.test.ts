import { afterAll } from 'vitest'
import { startPostgres } from '../../local/postgres.ts'
import { postgresPlace } from '../faults/places.ts'
import { generalEntries } from './generalEntries.ts'
import { worldMatrix } from './world.ts'

/** Servers of its own, as some states are a server's. The newest and the oldest. */
for (const version of [18, 14] as const) {
  const server = await startPostgres(version)
  afterAll(() => server.stop())
  worldMatrix(postgresPlace(server), generalEntries())
}

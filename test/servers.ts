import type { TestProject } from 'vitest/node'
import { type PostgresServer, startPostgres } from '../local/postgres.ts'

declare module 'vitest' {
  interface ProvidedContext {
    postgres: PostgresServer[]
  }
}

/** Every PostgreSQL that comes with `npm ci`, started once for all test files: `inject('postgres')`. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const servers = await Promise.all([startPostgres(18), startPostgres(15)])
  project.provide(
    'postgres',
    servers.map(({ stop: _, ...server }) => server),
  )
  return async () => {
    await Promise.all(servers.map(server => server.stop()))
  }
}

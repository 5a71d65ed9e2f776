import type { TestProject } from 'vitest/node'
import { type Chromium, startChromium } from '../../local/servers/chromium.ts'
import { type MongodbServer, startMongodb } from '../../local/servers/mongodb.ts'
import { MYSQL_FLAVOURS, type MysqlServer, startMysql } from '../../local/servers/mysql.ts'
import { type Pgbouncer, POOLER_OPTIONS, startPgbouncer } from '../../local/servers/pgbouncer.ts'
import { POSTGRES_VERSIONS, type PostgresServer, startPostgres } from '../../local/servers/postgres.ts'
import { REDIS_PACKAGES, type RedisServer, startRedis } from '../../local/servers/redis.ts'

declare module 'vitest' {
  interface ProvidedContext {
    postgres: PostgresServer[]
    /** MySQL and MariaDB; none of those that this system cannot have. */
    mysql: MysqlServer[]
    /** DocumentDB's engine; none if this system cannot have it. */
    mongodb: MongodbServer[]
    /** Redis and Valkey, likewise. */
    redis: RedisServer[]
    /** PgBouncers in front of the newest PostgreSQL, likewise. */
    pgbouncer: Pgbouncer[]
    /** A browser, likewise. */
    chromium: Chromium[]
  }
}

type Stoppable = { restart?(): Promise<void>; kill?(): Promise<void>; stop(): Promise<void> }

/**
 * Every server, started once for all test files: `inject('postgres')`, which comes with `npm ci`, the newest first, and
 * `inject('mysql')`, `inject('mongodb')`, `inject('redis')` and `inject('chromium')`, fetched from the system's own Debian mirror.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const [postgres, mysql, mongodb, redis, chromium] = await Promise.all([
    startable(POSTGRES_VERSIONS.map(version => startPostgres(version))),
    startable(MYSQL_FLAVOURS.map(flavour => startMysql(flavour))),
    startable([startMongodb()]),
    startable(REDIS_PACKAGES.map(packages => startRedis(packages))),
    startable([startChromium()]),
  ])
  const [newest] = postgres
  if (!newest) throw new Error('there is no PostgreSQL for a pooler')
  // One after the other: they come from one package, and start at once.
  const pgbouncer: Awaited<ReturnType<typeof startPgbouncer>>[] = []
  for (const options of POOLER_OPTIONS)
    pgbouncer.push(...(await startable([startPgbouncer(plain(newest), options)])))
  project.provide('pgbouncer', pgbouncer.map(plain))
  project.provide('postgres', postgres.map(plain))
  project.provide(
    'mysql',
    mysql.map(({ socket: _, ...server }) => plain(server)),
  )
  project.provide('mongodb', mongodb.map(plain))
  project.provide('redis', redis.map(plain))
  project.provide('chromium', chromium.map(plain))
  return async () => {
    await Promise.all(
      [...postgres, ...mysql, ...mongodb, ...redis, ...pgbouncer, ...chromium].map(server => server.stop()),
    )
  }
}

/** A server's facts alone: what it does cannot be handed to another process. */
const plain = <T extends Stoppable>({
  stop: _,
  restart: __,
  kill: ___,
  ...server
}: T): Omit<T, 'stop' | 'restart' | 'kill'> => server

/** Those that this system can have. @throws in CI instead, so that no test is left out there unseen */
async function startable<T>(starting: Promise<T>[]): Promise<T[]> {
  const found: T[] = []
  for (const result of await Promise.allSettled(starting)) {
    if (result.status === 'fulfilled') found.push(result.value)
    else if (process.env.CI === 'true') throw result.reason
    else console.warn(`SKIPPED: the tests of one server, which this system cannot have. ${result.reason}`)
  }
  return found
}

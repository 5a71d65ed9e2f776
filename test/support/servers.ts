import type { TestProject } from 'vitest/node'
import { checkPython } from '../../local/prerequisites.ts'
import { type Chromium, startChromium } from '../../local/servers/chromium.ts'
import { type MongodbServer, startMongodb } from '../../local/servers/mongodb.ts'
import { MYSQL_FLAVOURS, type MysqlServer, startMysql } from '../../local/servers/mysql.ts'
import { type Pgbouncer, POOLER_OPTIONS, startPgbouncer } from '../../local/servers/pgbouncer.ts'
import { POSTGRES_VERSIONS, type PostgresServer, startPostgres } from '../../local/servers/postgres.ts'
import { REDIS_PACKAGES, type RedisServer, startRedis } from '../../local/servers/redis.ts'
import { leaveOut, type Missing, type RequiredServer } from '../../local/servers/required.ts'
import { checkMaven } from './maven.ts'

declare module 'vitest' {
  interface ProvidedContext {
    postgres: PostgresServer[]
    /** MySQL and MariaDB. Each list lacks what this system does not have. */
    mysql: MysqlServer[]
    /** Amazon DocumentDB's open-source engine. */
    mongodb: MongodbServer[]
    /** Redis and Valkey. */
    redis: RedisServer[]
    /** PgBouncers in front of the newest PostgreSQL. */
    pgbouncer: Pgbouncer[]
    /** A browser. */
    chromium: Chromium[]
  }
}

type Stoppable = { restart?(): Promise<void>; kill?(): Promise<void>; stop(): Promise<void> }

/**
 * Starts every server once for all test files, which find them by `inject('postgres')` and so on. PostgreSQL comes with
 * `npm ci`, and its list has the newest first. The others are downloaded from the Debian mirror of the system.
 * @returns a function that stops them, and says again which of them this system does not have
 * @throws Error, in CI, if one is missing that this system must have: see local/servers/required.ts
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const missing: Missing[] = []
  const [postgres, mysql, mongodb, redis, chromium] = await Promise.all([
    available(
      missing,
      POSTGRES_VERSIONS.map(version => [`PostgreSQL ${version}`, startPostgres(version)]),
    ),
    available(
      missing,
      MYSQL_FLAVOURS.map(flavour => [flavour.engine === 'mysql' ? 'MySQL' : 'MariaDB', startMysql(flavour)]),
    ),
    available(missing, [['DocumentDB', startMongodb()]]),
    available(
      missing,
      REDIS_PACKAGES.map(packages => [
        packages.packageName === 'valkey-server' ? 'Valkey' : 'Redis',
        startRedis(packages),
      ]),
    ),
    available(missing, [['Chromium', startChromium()]]),
    available(missing, [
      ['Python', checkPython()],
      ['Java and Maven', checkMaven()],
    ]),
  ])
  // One after the other, as they use the same downloaded package.
  const pgbouncer: Awaited<ReturnType<typeof startPgbouncer>>[] = []
  const [newest] = postgres
  if (newest)
    for (const options of POOLER_OPTIONS)
      pgbouncer.push(...(await available(missing, [['PgBouncer', startPgbouncer(plain(newest), options)]])))
  const leftOut = leaveOut(missing)
  if (!newest) throw new Error(`there is no PostgreSQL, which most tests need:\n${leftOut.join('\n')}`)
  tell(leftOut)
  // A file may have only tests of a server that is left out. Vitest would fail a file without tests.
  if (leftOut.length) project.config.passWithNoTests = true
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
    tell(leftOut)
  }
}

/** Says which servers the tests do without: as they start, and again after the summary of the run. */
function tell(leftOut: string[]): void {
  if (leftOut.length)
    console.warn(`SKIPPED: the tests of what this system does not have:\n${leftOut.join('\n')}\n`)
}

/** @returns the server without its methods, which cannot be passed to another process */
const plain = <T extends Stoppable>({
  stop: _,
  restart: __,
  kill: ___,
  ...server
}: T): Omit<T, 'stop' | 'restart' | 'kill'> => server

/** Waits for each of these. @returns what started; what did not is added to `missing` */
async function available<T>(missing: Missing[], starting: [RequiredServer, Promise<T>][]): Promise<T[]> {
  const results = await Promise.allSettled(starting.map(([, started]) => started))
  return results.flatMap((result, index) => {
    if (result.status === 'fulfilled') return [result.value]
    const [server] = starting[index] as [RequiredServer, Promise<T>]
    missing.push({ server, reason: result.reason })
    return []
  })
}

import type { TestProject } from 'vitest/node'
import { type PostgresServer, startPostgres } from '../local/postgres.ts'
import { flavours, type MysqlServer, startMysql } from './servers/mysql.ts'
import { type RedisServer, redisPackages, startRedis } from './servers/redis.ts'

declare module 'vitest' {
  interface ProvidedContext {
    postgres: PostgresServer[]
    /** MySQL and MariaDB; none of those that this system cannot have. */
    mysql: MysqlServer[]
    /** Redis and Valkey, likewise. */
    redis: RedisServer[]
  }
}

type Stoppable = { stop(): Promise<void> }

/**
 * Every server, started once for all test files: `inject('postgres')`, which comes with `npm ci`, and
 * `inject('mysql')` and `inject('redis')`, fetched from the system's own Debian mirror.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const [postgres, mysql, redis] = await Promise.all([
    Promise.all([startPostgres(18), startPostgres(15)]),
    Promise.all(flavours.map(flavour => orWarn(startMysql(flavour)))),
    Promise.all(redisPackages.map(packages => orWarn(startRedis(packages)))),
  ])
  const found = mysql.filter(server => server !== undefined)
  const foundRedis = redis.filter(server => server !== undefined)
  project.provide('postgres', postgres.map(plain))
  project.provide('mysql', found.map(plain))
  project.provide(
    'redis',
    foundRedis.map(({ restart: _, ...server }) => plain(server)),
  )
  return async () => {
    await Promise.all([...postgres, ...found, ...foundRedis].map(server => server.stop()))
  }
}

const plain = <T extends Stoppable>({ stop: _, ...server }: T): Omit<T, 'stop'> => server

/** @throws in CI instead, so that no test is left out there unseen */
async function orWarn<T>(starting: Promise<T>): Promise<T | undefined> {
  try {
    return await starting
  } catch (error) {
    if (process.env.CI === 'true') throw error
    console.warn(`SKIPPED: the tests of one server, which is to be had on Debian only. ${error}`)
    return undefined
  }
}

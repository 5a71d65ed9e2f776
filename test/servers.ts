import type { TestProject } from 'vitest/node'
import { type PostgresServer, startPostgres } from '../local/postgres.ts'
import { flavours, type MysqlServer, startMysql } from './servers/mysql.ts'

declare module 'vitest' {
  interface ProvidedContext {
    postgres: PostgresServer[]
    /** MySQL and MariaDB; none of those that this system cannot have. */
    mysql: MysqlServer[]
  }
}

type Stoppable = { stop(): Promise<void> }

/**
 * Every server, started once for all test files: `inject('postgres')`, which comes with `npm ci`, and
 * `inject('mysql')`, fetched from the system's own Debian mirror.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const [postgres, mysql] = await Promise.all([
    Promise.all([startPostgres(18), startPostgres(15)]),
    Promise.all(flavours.map(flavour => orWarn(startMysql(flavour)))),
  ])
  const found = mysql.filter(server => server !== undefined)
  project.provide('postgres', postgres.map(plain))
  project.provide('mysql', found.map(plain))
  return async () => {
    await Promise.all([...postgres, ...found].map(server => server.stop()))
  }
}

const plain = <T extends Stoppable>({ stop: _, ...server }: T): Omit<T, 'stop'> => server

/** @throws in CI instead, so that no test is left out there unseen */
async function orWarn<T>(starting: Promise<T>): Promise<T | undefined> {
  try {
    return await starting
  } catch (error) {
    if (process.env.CI === 'true') throw error
    console.warn(
      `SKIPPED: the tests of one version of MySQL or MariaDB, which is to be had on Debian only. ${error}`,
    )
    return undefined
  }
}

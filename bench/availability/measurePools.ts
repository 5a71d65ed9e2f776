import { setTimeout as sleep } from 'node:timers/promises'
import { escapeIdentifier as name } from 'pg'
import type { StoredValue } from '../../local/client/application.ts'
import type { Embedded } from '../../local/embedded/embedded.ts'
import type { MysqlServer } from '../../local/servers/mysql.ts'
import * as family from '../../local/servers/mysqlDatabase.ts'
import type { Pgbouncer } from '../../local/servers/pgbouncer.ts'
import { appThroughPooler } from '../../local/servers/pgbouncer.ts'
import * as postgres from '../../local/servers/postgresDatabase.ts'
import type { StrategyName } from '../../rotation/strategies/strategyNames.ts'
import { type InstalledPool, openPool, type PoolObservation } from './pools.ts'
import { rotateToEnd } from './rotate.ts'
import { enrolApp } from './targets.ts'

/** A secret, and the server to which pools log in with it. */
export type PoolTarget = {
  strategy: StrategyName
  server: string
  secret: string
  family: 'postgres' | 'mysql'
  caFile: string
}

/** What a pool saw of two rotations, one after the other. */
export type PoolRow = PoolObservation & { strategy: string; server: string; pool: string }

/** Makes a user of PostgreSQL and its secret. Pools log in directly, or through a PgBouncer that looks users up in the database. */
export async function makePostgresPoolTarget(
  embedded: Embedded,
  strategy: StrategyName,
  pgbouncer?: Pgbouncer,
): Promise<PoolTarget> {
  const { postgres: server } = embedded
  const direct = await postgres.makeApp(server)
  const table = `create table of_the_app as select 1 as n; grant select on of_the_app to ${name(direct.user)}`
  await postgres.runStatements(server, table, direct.database)
  const app = pgbouncer ? appThroughPooler(pgbouncer, direct) : direct
  const tags = { 'keyturn:strategy': strategy, ...(pgbouncer && { 'keyturn:pooler': 'auth-query' }) }
  return {
    strategy,
    server: `PostgreSQL ${server.version}${pgbouncer ? `, PgBouncer (${pgbouncer.mode})` : ''}`,
    secret: await enrolApp(embedded, app, tags),
    family: 'postgres',
    caFile: (pgbouncer?.pooled ?? server).caFile,
  }
}

/** Makes a user of MySQL or MariaDB and its secret. */
export async function makeMysqlPoolTarget(
  embedded: Embedded,
  strategy: StrategyName,
  server: MysqlServer,
): Promise<PoolTarget> {
  const app = await family.makeApp(server)
  await family.runStatements(server, `create table ${app.database}.of_the_app as select 1 as n`)
  if (server.engine === 'mysql')
    await family.runStatements(server, `grant application_password_admin on *.* to ${app.user}`)
  return {
    strategy,
    server: server.name,
    secret: await enrolApp(embedded, app, { 'keyturn:strategy': strategy }),
    family: 'mysql',
    caFile: server.caFile,
  }
}

/**
 * Rotates a secret twice while a pool of each library queries with the value that the pool was opened with.
 * @param onClone with it the pools are opened in the middle of the first rotation, when the temporary clone is current
 */
export async function measurePools(
  embedded: Embedded,
  { strategy, server, secret, family, caFile }: PoolTarget,
  installed: InstalledPool[],
  { graceMs, onClone = false }: { graceMs: number; onClone?: boolean },
): Promise<PoolRow[]> {
  const open = async () => {
    const value = JSON.parse((await embedded.users.valueStore.read(secret, 'current')) ?? '') as StoredValue
    const ofFamily = installed.filter(({ families }) => families.includes(family))
    return Promise.all(ofFamily.map(pool => openPool(pool, family, value, caFile)))
  }
  let pools = onClone ? [] : await open()
  const options = { secret, graceMs, retryPauseMs: 500 }
  const openPools = async () => {
    pools = await open()
  }
  // The pools that are open query for a while before, between and after the rotations, however fast these are.
  await sleep(graceMs)
  await rotateToEnd(embedded, { ...options, ...(onClone && { whileOnClone: openPools }) })
  await sleep(graceMs)
  await rotateToEnd(embedded, options)
  await sleep(graceMs)
  return Promise.all(
    pools.map(async ({ name: pool, stop }) => ({
      strategy: onClone ? `${strategy}, on the clone` : strategy,
      server,
      pool,
      ...(await stop()),
    })),
  )
}

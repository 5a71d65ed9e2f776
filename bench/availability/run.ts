import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startEmbedded } from '../../local/embedded/embedded.ts'
import { MYSQL_FLAVOURS, startMysql } from '../../local/servers/mysql.ts'
import { type Pgbouncer, startPgbouncer } from '../../local/servers/pgbouncer.ts'
import { REDIS_PACKAGES, startRedis } from '../../local/servers/redis.ts'
import { RETIRE_WAIT_MS } from '../../rotation/retire.ts'
import { type Availability, measureAvailability } from './measureAvailability.ts'
import {
  makeMysqlPoolTarget,
  makePostgresPoolTarget,
  measurePools,
  type PoolRow,
  type PoolTarget,
} from './measurePools.ts'
import { installPools } from './pools.ts'
import { loginsSection, type Pages, poolsSection } from './report.ts'
import { makeMysqlTarget, makePostgresTarget, makeRedisTarget } from './targets.ts'

const SETTINGS = { rotationCount: 20, queriesPerSecond: 200, cacheMs: 5_000, graceMs: 6_000 }
const POOL_GRACE_MS = 2_000

/** The part to measure; without one both are. A part that is not measured stays in the pages as it was. */
const [part] = process.argv.slice(2)
if (part !== undefined && part !== 'logins' && part !== 'pools')
  throw new Error(`there is no part ${part}: name logins or pools, or neither for both`)

// RetireSecret waits so many milliseconds for the sessions of a clone to end. Here they never do, so a short wait saves time.
RETIRE_WAIT_MS.sessions = 2_000

await using servers = new AsyncDisposableStack()

/** Starts the last of several kinds of a server, which is the newest. */
async function startNewest<Kind, Server extends { stop(): Promise<void> }>(
  kinds: Kind[],
  start: (newest: Kind) => Promise<Server>,
): Promise<Server> {
  const [newest] = kinds.slice(-1)
  if (newest === undefined) throw new Error('there is no such server')
  return servers.adopt(await start(newest), server => server.stop())
}
const mysql = await startNewest(
  MYSQL_FLAVOURS.filter(({ engine }) => engine === 'mysql'),
  startMysql,
)
const mariadb = await startNewest(
  MYSQL_FLAVOURS.filter(({ engine }) => engine === 'mariadb'),
  startMysql,
)
const redis = await startNewest(REDIS_PACKAGES, packages => startRedis(packages))
const embedded = await startEmbedded({ trust: [mysql, mariadb, redis].map(({ caFile }) => caFile) })
try {
  const pgbouncer = servers.adopt(await startPgbouncer(embedded.postgres), pooler => pooler.stop())
  // The functions read this file at their first login, so PgBouncer's certificate can still be added.
  await appendFile(process.env.KEYTURN_CA_FILE ?? '', `\n${await readFile(pgbouncer.pooled.caFile, 'utf8')}`)
  const failed = [
    part !== 'pools' && (await measureLogins()),
    part !== 'logins' && (await measureInPools(pgbouncer)),
  ]
  process.exitCode = failed.includes(true) ? 1 : 0
} finally {
  await embedded.stop()
}

/**
 * Measures an application that logs in for each query.
 * @returns whether a login was refused under another strategy than `single-user`, or a query failed for another reason
 */
async function measureLogins(): Promise<boolean> {
  const admin = await embedded.users.makeAdmin('master')
  const targets = [
    await makePostgresTarget(embedded, admin, 'single-user'),
    await makePostgresTarget(embedded, admin, 'alternating-users'),
    await makePostgresTarget(embedded, admin, 'temporary-clone'),
    await makeMysqlTarget(embedded, mysql),
    await makeMysqlTarget(embedded, mariadb),
    await makeRedisTarget(embedded, redis),
  ]
  const found: Availability[] = []
  for (const target of targets) {
    found.push(await measureAvailability(embedded, target, SETTINGS))
    console.log(found.at(-1))
  }
  await writePart('logins', loginsSection(found, SETTINGS))
  return found.some(
    ({ strategy, refused, failed }) => failed > 0 || (strategy !== 'single-user' && refused > 0),
  )
}

/**
 * Measures pools with each strategy on each server. For the temporary clone it also measures pools that log in as the clone, whose
 * sessions a rotation could end.
 * @returns whether a pool had to reopen a connection, or a query failed
 */
async function measureInPools(pgbouncer: Pgbouncer): Promise<boolean> {
  const installed = await installPools(sentence => console.log(sentence))
  const rows: PoolRow[] = []
  const measure = async (target: PoolTarget) => {
    for (const onClone of target.strategy === 'temporary-clone' ? [false, true] : [false]) {
      const found = await measurePools(embedded, target, installed, { graceMs: POOL_GRACE_MS, onClone })
      console.table(found)
      rows.push(...found)
    }
  }
  for (const strategy of ['single-user', 'alternating-users', 'temporary-clone'] as const) {
    await measure(await makePostgresPoolTarget(embedded, strategy))
    await measure(await makePostgresPoolTarget(embedded, strategy, pgbouncer))
  }
  for (const server of [mysql, mariadb])
    for (const strategy of ['single-user', 'alternating-users', 'temporary-clone', 'dual-password'] as const)
      await measure(await makeMysqlPoolTarget(embedded, strategy, server))
  await writePart('pools', poolsSection(rows, installed))
  return rows.some(({ reopenedCount, failed }) => reopenedCount > 0 || failed > 0)
}

/** Writes one part of both pages. The other part stays as it was. */
async function writePart(name: 'logins' | 'pools', pages: Pages): Promise<void> {
  for (const [page, text] of [
    ['RESULTS.md', pages.results],
    ['TIMES.md', pages.times],
  ] as const) {
    const file = join(import.meta.dirname, page)
    const [logins = '', pools = ''] = (await readFile(file, 'utf8')).split(/^(?=## Pools$)/m)
    const parts = name === 'logins' ? [text, pools] : [logins, text]
    await writeFile(
      file,
      `${parts
        .map(part => part.trim())
        .filter(Boolean)
        .join('\n\n')}\n`,
    )
  }
}

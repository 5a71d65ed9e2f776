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
/** Each part is measured if it is named, or none is; the other stays in the files as it was. */
const [part] = process.argv.slice(2)
if (part !== undefined && part !== 'logins' && part !== 'pools')
  throw new Error(`there is no part ${part}: name logins or pools, or neither for both`)
/** Milliseconds for which sessions of a clone are waited for: they do not end here, so it is kept whatever the wait. */
RETIRE_WAIT_MS.sessions = 2_000

await using servers = new AsyncDisposableStack()
/** Starts the last of several, which is the newest. */
async function startNewest<From, S extends { stop(): Promise<void> }>(
  from: From[],
  start: (newest: From) => Promise<S>,
): Promise<S> {
  const [newest] = from.slice(-1)
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
  // The functions read it when they first log in.
  await appendFile(process.env.KEYTURN_CA_FILE ?? '', `\n${await readFile(pgbouncer.pooled.caFile, 'utf8')}`)
  const lost = [
    part !== 'pools' && (await measureLogins()),
    part !== 'logins' && (await measureInPools(pgbouncer)),
  ]
  process.exitCode = lost.includes(true) ? 1 : 0
} finally {
  await embedded.stop()
}

/** Measures an application that logs in for every query. @returns whether it lost more than its strategy says */
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
 * Measures pools: one strategy after the other, on each server; on the temporary clone too, as that is what may be taken
 * away. @returns whether a session was cut or a query failed
 */
async function measureInPools(pgbouncer: Pgbouncer): Promise<boolean> {
  const made = await installPools(sentence => console.log(sentence))
  const rows: PoolRow[] = []
  const measure = async (target: PoolTarget) => {
    for (const onClone of target.strategy === 'temporary-clone' ? [false, true] : [false]) {
      const found = await measurePools(embedded, target, made, { graceMs: POOL_GRACE_MS, onClone })
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
  await writePart('pools', poolsSection(rows, made))
  return rows.some(({ reopenedCount, failed }) => reopenedCount > 0 || failed > 0)
}

/** Writes a part of both pages; the other part stays as it was. */
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

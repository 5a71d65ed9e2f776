import { writeFile } from 'node:fs/promises'
import { arch, availableParallelism, loadavg, type } from 'node:os'
import { join } from 'node:path'
import { startEmbedded } from '../../local/embedded/embedded.ts'
import { flavours, startMysql } from '../../local/servers/mysql.ts'
import { redisPackages, startRedis } from '../../local/servers/redis.ts'
import { median } from '../rotation/start.ts'
import { onMysql, onPostgres, onRedis } from './applications.ts'
import { type Availability, measureAvailability } from './measure.ts'

const settings = { rotations: 20, rate: 200, cached: 5_000, grace: 6_000 }

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
  flavours.filter(({ engine }) => engine === 'mysql'),
  startMysql,
)
const mariadb = await startNewest(
  flavours.filter(({ engine }) => engine === 'mariadb'),
  startMysql,
)
const redis = await startNewest(redisPackages, packages => startRedis(packages))
const embedded = await startEmbedded({ trust: [mysql, mariadb, redis].map(({ caFile }) => caFile) })
try {
  const admin = await embedded.users.makeAdmin('master')
  const targets = [
    await onPostgres(embedded, admin, 'single-user'),
    await onPostgres(embedded, admin, 'alternating-users'),
    await onPostgres(embedded, admin, 'temporary-clone'),
    await onMysql(embedded, mysql),
    await onMysql(embedded, mariadb),
    await onRedis(embedded, redis),
  ]
  const found: Availability[] = []
  for (const target of targets) {
    found.push(await measureAvailability(embedded, target, settings))
    console.log(found.at(-1))
  }
  await writeFile(join(import.meta.dirname, 'RESULTS.md'), report(found))
  process.exitCode = found.some(
    ({ strategy, refused, failed }) => failed > 0 || (strategy !== 'single-user' && refused > 0),
  )
    ? 1
    : 0
} finally {
  await embedded.stop()
}

function report(found: Availability[]): string {
  const rows = found.map(({ strategy, server, rotations, queries, refused, failed, outages }) =>
    [
      `\`${strategy}\``,
      server,
      rotations,
      queries,
      refused,
      failed,
      outages.length ? `${median(outages).toFixed(0)} ms, ${Math.max(...outages).toFixed(0)} ms` : 'none',
    ].join(' | '),
  )
  const { rotations, rate, cached, grace } = settings
  const busy = (loadavg()[0] ?? 0) > availableParallelism()
  return `# What an application sees of rotations

Written by \`npm run availability\`; do not edit. Real servers, and the functions and the state machine that are deployed to
AWS, all on one machine (${type()} on ${arch()}, ${availableParallelism()} processors).${
    busy ? ' They had more to do than they could, so the outages are too long.' : ''
  }

The application makes ${rate} queries a second, each over a login of its own. It reads the secret again when what it has is
${cached / 1000} s old, and at once after a refused login; that query is lost. Meanwhile its credential rotates ${rotations} times, with a
grace time of ${grace / 1000} s.

| strategy | server | rotations | queries | refused logins | other failures | outage: median, longest |
| --- | --- | ---: | ---: | ---: | ---: | --- |
${rows.map(row => `| ${row} |`).join('\n')}

- An outage lasts from the first login that is refused to the first query that is answered again. Under \`single-user\` it is
  what SetSecret, TestSecret and FinishSecret take together; here nothing is far away, on AWS each of them is a Lambda
  invocation. The command fails if a login is refused under any other strategy.
- A rotation with a temporary clone has two executions, each with a grace time.
- A grace time that is shorter than what the application keeps a value for would cost it refused logins under every
  strategy.
`
}

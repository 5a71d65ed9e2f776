import { arch, availableParallelism, loadavg, type } from 'node:os'
import { median } from '../median.ts'
import type { Availability, Settings } from './measureAvailability.ts'
import type { PoolRow } from './measurePools.ts'
import { type InstalledPool, POOL_CONNECTION_COUNT, poolLibraries } from './pools.ts'

/** What RESULTS.md says of an application that logs in for every query. */
export function loginsSection(found: Availability[], settings: Settings): string {
  const rows = found.map(({ strategy, server, rotationCount, queries, refused, failed, outages }) =>
    [
      `\`${strategy}\``,
      server,
      rotationCount,
      queries,
      refused,
      failed,
      outages.length ? `${median(outages).toFixed(0)} ms, ${Math.max(...outages).toFixed(0)} ms` : 'none',
    ].join(' | '),
  )
  const { rotationCount, queriesPerSecond, cacheMs, graceMs } = settings
  const busy = (loadavg()[0] ?? 0) > availableParallelism()
  return `# What an application sees of rotations

Written by \`npm run availability\`; do not edit. Real servers, and the functions and the state machine that are deployed to
AWS, all on one machine (${type()} on ${arch()}, ${availableParallelism()} processors).${
    busy ? ' They had more to do than they could, so the outages are too long.' : ''
  }

The application makes ${queriesPerSecond} queries a second, each over a login of its own. It reads the secret again when what it has is
${cacheMs / 1000} s old, and at once after a refused login; that query is lost. Meanwhile its credential rotates ${rotationCount} times, with a
grace time of ${graceMs / 1000} s.

| strategy | server | rotations | queries | refused logins | other failures | outage: median, longest |
| --- | --- | ---: | ---: | ---: | ---: | --- |
${rows.map(row => `| ${row} |`).join('\n')}

- An outage lasts from the first login that is refused to the first query that is answered again. Under \`single-user\` it is
  what SetSecret, TestSecret and FinishSecret take together; here nothing is far away, on AWS each of them is a Lambda
  invocation, of which the rehearsal has started the last two before. The command fails if a login is refused under any other strategy.
- A rotation with a temporary clone has two executions, each with a grace time.
- A grace time that is shorter than what the application keeps a value for would cost it refused logins under every
  strategy.
`
}

/** What it says of pools. */
export function poolsSection(pools: PoolRow[], made: InstalledPool[]): string {
  const missing = poolLibraries.filter(({ name }) => !made.some(client => client.name === name))
  const names = made.map(({ name }) => name)
  const poolRows = [...Map.groupBy(pools, ({ strategy, server }) => [strategy, server].join(' | '))].map(
    ([scene, of]) => {
      const cells = names.map(name => {
        const found = of.find(({ pool }) => pool === name)
        return found ? `${found.reopenedCount}, ${found.failed} of ${found.queries}` : ''
      })
      return [scene.replace(/^[\w-]+/, '`$&`'), ...cells].join(' | ')
    },
  )
  return `## Pools

Each pool has ${POOL_CONNECTION_COUNT} connections and else its defaults, and holds the value that it was opened with: nobody tells it another.
It reads a table of the application over all of its connections while the credential rotates twice in a row. ("On the
clone": it was opened in the middle of a change.) Of each pool: how many of its sessions were cut, so that it had to open
others, and how many queries failed, of how many.${
    missing.length
      ? ` Not measured here, as this machine does not have it: ${missing.map(({ name, requiredPrograms }) => `${name} (${requiredPrograms})`).join(', ')}.`
      : ''
  }

| strategy | server | ${names.join(' | ')} |
| --- | --- |${names.map(() => ' ---: |').join('')}
${poolRows.map(row => `| ${row} |`).join('\n')}

- The versions are pinned in \`bench/availability/pools\`, and in \`package-lock.json\` for \`pg\` and \`mysql2\`. The command fails if a session
  is cut or a query fails, and says in a line which pool it leaves out, and what for.
- Through PgBouncer a pool's connections are the pooler's own, and it may have to open others to the server for them, as
  the replaced user: [poolers.md](../docs/poolers.md) says until when that goes well.
`
}

import { measuredHere } from '../machine.ts'
import { median } from '../median.ts'
import type { Availability, Settings } from './measureAvailability.ts'
import type { PoolRow } from './measurePools.ts'
import { type InstalledPool, POOL_CONNECTION_COUNT, poolLibraries } from './pools.ts'

/** A section of both pages: its text in RESULTS.md, and its text in TIMES.md. */
export type Pages = { results: string; times: string }

/** The section on an application that logs in for each query. */
export function loginsSection(found: Availability[], settings: Settings): Pages {
  const rows = found.map(({ strategy, server, executionCount, refused, failed }) =>
    [`\`${strategy}\``, server, executionCount, refused ? 'yes' : 'none', failed].join(' | '),
  )
  const timeRows = found.map(({ strategy, server, queries, refused, outages }) =>
    [
      `\`${strategy}\``,
      server,
      queries,
      refused,
      outages.length ? `${median(outages).toFixed(0)} ms, ${Math.max(...outages).toFixed(0)} ms` : 'none',
    ].join(' | '),
  )
  const { rotationCount, queriesPerSecond, cacheMs, graceMs } = settings
  const results = `# What an application sees of rotations

Written by \`npm run availability\`; do not edit. The servers are real, and the functions and the state machine are those that
are deployed to AWS, all on one machine. [TIMES.md](TIMES.md) has how long an outage lasts there, and the numbers of queries.

The application makes ${queriesPerSecond} queries a second, each over a login of its own. It reads the secret again when the value that it
has read is ${cacheMs / 1000} s old, and at once after a refused login, whose query is lost. Meanwhile its credential rotates ${rotationCount} times, with a
grace time of ${graceMs / 1000} s.

| strategy | server | executions | refused logins | other failures |
| --- | --- | ---: | --- | ---: |
${rows.map(row => `| ${row} |`).join('\n')}

- The command fails if a login is refused under any strategy but \`single-user\`, or if a query fails for another reason.
- A rotation by a temporary clone has two executions, each with a grace time.
- If the grace time were shorter than the time for which the application keeps a value, logins would be refused under the
  other strategies too.
`
  const times = `# How long an application is refused

Written by \`npm run availability\`, beside [RESULTS.md](RESULTS.md); do not edit.

${measuredHere()}

| strategy | server | queries | refused logins | outage: median, longest |
| --- | --- | ---: | ---: | --- |
${timeRows.map(row => `| ${row} |`).join('\n')}

An outage lasts from the first login that is refused to the first query that is answered again. Under \`single-user\` it is
what SetSecret, TestSecret and FinishSecret take together. Here nothing is far away; on AWS each of them is a Lambda
invocation, and the rehearsal has started the functions of the last two before.
`
  return { results, times }
}

/** The section on pools. */
export function poolsSection(pools: PoolRow[], installed: InstalledPool[]): Pages {
  const missing = poolLibraries.filter(({ name }) => !installed.some(pool => pool.name === name))
  const names = installed.map(({ name }) => name)
  const scenes = [...Map.groupBy(pools, ({ strategy, server }) => [strategy, server].join(' | '))]
  const tableOf = (cell: (row: PoolRow) => string) => {
    const rows = scenes.map(([scene, of]) => {
      const cells = names.map(name => {
        const found = of.find(({ pool }) => pool === name)
        return found ? cell(found) : ''
      })
      return `| ${[scene.replace(/^[\w-]+/, '`$&`'), ...cells].join(' | ')} |`
    })
    const head = [
      `| strategy | server | ${names.join(' | ')} |`,
      `| --- | --- |${names.map(() => ' ---: |').join('')}`,
    ]
    return [...head, ...rows].join('\n')
  }
  const results = `## Pools

Each pool has ${POOL_CONNECTION_COUNT} connections and else its defaults. It keeps the value that it was opened with, and never gets another. It
reads a table of the application over all of its connections while the credential rotates twice in a row. ("On the clone":
the pool was opened while the temporary clone was current.) The table has two numbers for each pool: how many of its sessions
were cut, so that it had to open others, and how many of its queries failed.${
    missing.length
      ? ` Not measured here, as this machine does not have it: ${missing.map(({ name, requiredPrograms }) => `${name} (${requiredPrograms})`).join(', ')}.`
      : ''
  }

${tableOf(({ reopenedCount, failed }) => `${reopenedCount}, ${failed}`)}

- The versions are pinned in \`bench/availability/pools\`, and in \`package-lock.json\` for \`pg\` and \`mysql2\`. The command fails if a session
  is cut or a query fails, and prints a line for each pool that it leaves out, with the program that is missing.
- Through PgBouncer a pool is connected to the pooler only. The pooler may have to open further connections to the server for
  it, as the replaced user: [poolers.md](../../docs/poolers.md) says until when that goes well.
`
  const times = `## Pools

How many queries each pool made meanwhile.

${tableOf(({ queries }) => `${queries}`)}
`
  return { results, times }
}

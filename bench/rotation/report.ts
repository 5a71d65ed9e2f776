import { measuredHere } from '../machine.ts'
import { formatCount, formatMs, formatTable } from '../markdown.ts'
import { median } from '../median.ts'
import type { Counts, LimitCheck, MeasuredRotation } from './counts.ts'
import { type DriverStart, loadMsWithDriver, type Package, type Start } from './start.ts'

/** All that was measured. Each time was measured `times` times; `measured` has the runs of each scenario. */
export type Results = {
  times: number
  measured: MeasuredRotation[][]
  packages: Package[]
  starts: Start[]
  drivers: DriverStart[]
  /** Milliseconds of each run of `node -e 0`. */
  node: number[]
  limits: LimitCheck[]
}

/** The text of RESULTS.md, which is the same on every machine. */
export function report({
  measured,
  packages,
  limits,
}: Pick<Results, 'measured' | 'packages' | 'limits'>): string {
  return `# What one rotation costs

Written by \`npm run bench\`; do not edit. It needs \`npm ci\` and nothing else: it starts a PostgreSQL of its own and a
local Secrets Manager, and runs the functions and the state machine that are deployed to AWS. It fails if a limit is
broken.

Counts and sizes depend only on the code and on package-lock.json, and are the same on every machine.
[TIMES.md](TIMES.md) has what was measured in milliseconds.

## Limits

${limitsTable(limits.filter(({ unit }) => unit !== 'ms'))}

## Counts

${countsTable(measured)}

- A retirement comes after the grace time, in the same execution: its two states are among the transitions of its rotation.
- With a single user or a master, the rehearsal takes six of the calls of Secrets Manager, the one of Step Functions, one login
  (with the current password) and five of the transitions. It comes before the database learns the new password.
- A master's password is set at once by a stand-in of RDS. RDS itself takes some seconds, in which Keyturn asks it again.
- A login is a connection on which a password was tried. A message is one round trip of SQL and may hold several statements;
  the first message on each connection sets up the session.
- A rotation that is rolled back fails by its test query, after the database has learned the password. Two rotations of the
  same secret went well before. Each older version that is still stored may cost one more Step Functions call.

The counts of AWS's own rotation functions beside these: [bench/official/RESULTS.md](../official/RESULTS.md).

## Packages

${packagesTable(packages)}

Bytes. The last four columns are parts of the unpacked ones; the drivers are those of all engines together. The others are
the clients of SSM and RDS, loaded when a credential needs them, and a source of credentials that nothing loads.
`
}

/** The text of TIMES.md, which depends on the machine. */
export function timesReport({
  times,
  measured,
  starts,
  drivers,
  node,
  limits,
}: Omit<Results, 'packages'>): string {
  return `# How long one rotation takes

Written by \`npm run bench\`, beside [RESULTS.md](RESULTS.md); do not edit.

${measuredHere()}
Each time is the median of ${times}; beside some of them is the fastest.

## Limits

${limitsTable(limits.filter(({ unit }) => unit === 'ms'))}

## Start of a function

${startsTable(starts)}

In a fresh process, from before the import of index.mjs until it is evaluated, which includes making the client for Secrets
Manager. The functions were started in turns. For comparison, a whole process of \`node -e 0\` takes ${formatMs(median(node))}.
Lambda has other processors, and a runtime that has loaded a part of Node before.

## Start with each engine

${driversTable(drivers)}

SetSecret's function, and then the engine with its driver, which is loaded at the first login. Bytes are what the engine
loads beyond the start; MySQL and MariaDB, and PostgreSQL and Redshift, share a driver.

## One rotation

${timesTable(measured)}

Everything runs in one process that is warm, and nothing is far away: what remains is the work itself. On AWS each step adds
the invocation of its function. \`Until announced\` is the whole rotation but for the grace time and the retirement. The next
column is from the start of SetSecret to the end of FinishSecret: with a single user or a master, the current value may be
refused for so long at most. A master's time includes a pause of a tenth of a second before RDS is asked whether it has set the
password.
`
}

function limitsTable(limits: LimitCheck[]): string {
  const rows = limits.map(({ what, found, limit, unit }) => [
    what,
    ...[found, limit].map(value => [formatCount(value), unit].join(' ').trimEnd()),
    found <= limit ? 'holds' : '**broken**',
  ])
  return formatTable(['', 'found', 'at most', ''], rows)
}

function countsTable(measured: MeasuredRotation[][]): string {
  const firsts = measured.flatMap(([first]) => first ?? [])
  const rows = firsts.flatMap(({ scenario, rotation, retirement, transitions }) => [
    { title: scenario.title, counted: rotation, transitions: `${transitions}` },
    ...(retirement ? [{ title: '— its retirement', counted: retirement, transitions: '' }] : []),
  ])
  const actions = [...new Set(rows.flatMap(({ counted }) => counted.calls))]
  const cells = ({ calls, stepFunctions, rds, logins, refused, messages }: Counts) => [
    calls.length,
    ...actions.map(action => calls.filter(call => call === action).length || ''),
    stepFunctions,
    rds || '',
    refused ? `${logins} (${refused} refused)` : logins,
    messages,
  ]
  return formatTable(
    [
      '',
      'Secrets Manager calls',
      ...actions,
      'Step Functions calls',
      'RDS calls',
      'logins',
      'SQL messages',
      'state transitions',
    ],
    rows.map(({ title, counted, transitions }) => [title, ...cells(counted), transitions]),
  )
}

function packagesTable(packages: Package[]): string {
  return formatTable(
    ['', 'zipped', 'unpacked', 'at start', 'when used: drivers', 'Step Functions client', 'others'],
    packages.map(({ name, zipped, unpacked, atStart, stepFunctions, other }) => {
      const drivers = unpacked - atStart - stepFunctions - other
      return [name, ...[zipped, unpacked, atStart, drivers, stepFunctions, other].map(formatCount)]
    }),
  )
}

function startsTable(starts: Start[]): string {
  const rows = starts.map(({ name, loadMs }) => [
    name,
    formatMs(median(loadMs)),
    formatMs(Math.min(...loadMs)),
  ])
  return formatTable(['', 'start', 'the fastest'], rows)
}

function driversTable(drivers: DriverStart[]): string {
  const rows = drivers.map(start => {
    const { engine, bytes, driverMs } = start
    const both = loadMsWithDriver(start)
    return [
      engine,
      formatCount(bytes),
      formatMs(median(driverMs)),
      formatMs(median(both)),
      formatMs(Math.min(...both)),
    ]
  })
  return formatTable(['', 'bytes', 'driver', 'start and driver', 'the fastest'], rows)
}

function timesTable(measured: MeasuredRotation[][]): string {
  const middle = (values: (number | undefined)[]) => {
    const known = values.filter(value => value !== undefined)
    return known.length ? formatMs(median(known)) : ''
  }
  const rows = measured.map(runs => [
    runs[0]?.scenario.title ?? '',
    middle(runs.map(({ tookMs }) => tookMs)),
    middle(runs.map(({ mismatchMs }) => mismatchMs)),
    middle(runs.map(({ retirementTookMs }) => retirementTookMs)),
  ])
  return formatTable(['', 'until announced', 'SetSecret to FinishSecret', 'retirement'], rows)
}

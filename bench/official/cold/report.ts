import { formatCount, formatMebibytes, formatMs, formatTable } from '../../markdown.ts'
import { median } from '../../median.ts'
import type { Package } from '../../rotation/start.ts'
import { type Conditions, conditionsSentence } from '../conditions.ts'
import { ratioOf } from '../ratio.ts'
import type { Pairs } from '../takeInTurns.ts'
import type { FailureCounts } from './failures.ts'
import type { Outage, Outages } from './outages.ts'
import type { Zip } from './zip.ts'

/**
 * What the section is made from. `tooFast` has the databases and rates at which the application used too much of the processors.
 */
export type ColdResults = {
  outages: Outages[]
  failures: FailureCounts[]
  tooFast: string[]
  zips: Zip[]
  packages: Package[]
  conditions: Conditions
}

/** The heading of the section on cold functions. */
export const COLD_HEADING = '## Locked out, in warm functions and in cold ones'

/** The section of TIMES.md on rotations in warm and in cold functions. */
export const coldReport = ({
  outages,
  failures,
  tooFast,
  zips,
  packages,
  conditions,
}: ColdResults) => `${COLD_HEADING}

${conditionsSentence(conditions)}

${outagesTable(outages)}

"Locked out" is the outage of a single user: the current value does not log in from when the change of the password takes effect
in the database, as the server itself notes it, until Secrets Manager has answered the call that makes the new value current.
A warm process has rotated before. Cold processes are fresh ones for each rotation, as a credential that rotates once in thirty
days finds them. They are started before it, as Lambda starts its runtime before; import, client, driver and first handshakes
count. AWS's side is one function; each of Keyturn's functions has a process of its own. What calls the functions takes next to
nothing here. A whole rotation is the sum of all loading and all steps, also of those that run at once.
Times are medians of ${pairsOf(outages)} pairs. [RESULTS.md](RESULTS.md) says which string was changed.

### Failed queries

${failuresTable(failures)}

An application queries steadily, each time over a login of its own, while its credential rotates ${failures[0]?.rotations} times. When a login is
refused, it reads the secret again and tries once more; a query that is refused then has failed. The last column says how
much of the machine's processors was in use meanwhile.${notMeasuredNote(tooFast)}

### Memory and packages

${sizesTable(outages, zips, packages)}

Memory is the most that one process had in a cold rotation: on AWS every function has a process of its own. AWS's zip has the code
for a single user with ${libraries(zips)}. Lambda's Python
brings boto3, and what libpq needs is left out. Keyturn's zip is the largest of its functions' packages: those that ask a database
have the drivers of all engines.
`

const pairsOf = (outages: Outages[]) => Math.min(...outages.map(({ cold }) => cold.official.length))

function outagesTable(outages: Outages[]): string {
  const row = (title: string, { official, keyturn }: Pairs<Outage>, of: (outage: Outage) => number) => {
    const both = { official: official.map(of), keyturn: keyturn.map(of) }
    return [title, formatMs(median(both.official)), formatMs(median(both.keyturn)), ratioOf(both)]
  }
  const rows = outages.flatMap(({ database, warm, cold }) => [
    row(`${database}: locked out, warm`, warm, ({ outageMs }) => outageMs),
    row(`${database}: locked out, cold`, cold, ({ outageMs }) => outageMs),
    row(`${database}: a whole rotation, cold`, cold, ({ wall }) => wall),
  ])
  return formatTable(['', "AWS's", 'Keyturn', 'ratio'], rows)
}

function failuresTable(failures: FailureCounts[]): string {
  const rows = failures.map(({ database, rate, isCold, official, keyturn, busy }) => [
    `${database}: ${rate} a second, ${isCold ? 'cold' : 'warm'}`,
    ...[official, keyturn, `${Math.round(busy * 100)} %`],
  ])
  return formatTable(['', "AWS's", 'Keyturn', 'processors'], rows)
}

const notMeasuredNote = (tooFast: string[]) =>
  tooFast.length
    ? `\nNot measured, as with the application alone too much of them was in use: ${tooFast.join(', ')}.`
    : ''

function sizesTable(outages: Outages[], zips: Zip[], packages: Package[]): string {
  const memory = (some: Outage[]) => formatMebibytes(Math.max(...some.map(({ memory }) => memory)))
  const zipped = Math.max(...packages.map(({ zipped }) => zipped))
  const rows = outages.map(({ database, engine, cold }) => {
    const zip = zips.find(zip => zip.engine === engine)
    return [
      `${database}: one function`,
      ...[memory(cold.official), memory(cold.keyturn)],
      ...[formatCount(zip?.bytes ?? Number.NaN), formatCount(zipped)],
    ]
  })
  return formatTable(
    ['', "AWS's, memory", 'Keyturn, memory', "AWS's, bytes of the zip", 'Keyturn, bytes of the zip'],
    rows,
  )
}

const libraries = (zips: Zip[]) => [...new Set(zips.map(({ libraries }) => libraries))].join(', or ')

import { formatMs, formatTable } from '../markdown.ts'
import { median } from '../median.ts'
import { ratioOf } from './ratio.ts'
import type { Start, Starts } from './start.ts'

/** The section of TIMES.md on how long functions take to start, as a whole and in parts. */
export const startSection = (starts: Starts[]) => `## The start of a function

${startsTable(starts)}

In a fresh process: the import, a client for Secrets Manager and the database's driver. Lambda starts its runtime before.

${partsTable(starts)}

The import of AWS's functions includes the driver, and that of Keyturn's the client. The first login is the first one of
the process, with the driver loaded.
`

function startsTable(starts: Starts[]): string {
  const whole = ({ importMs, clientMs, driverMs }: Start) => importMs + clientMs + driverMs
  const rows = starts.map(({ database, pairs }) => {
    const both = { official: pairs.official.map(whole), keyturn: pairs.keyturn.map(whole) }
    return [database, formatMs(median(both.official)), formatMs(median(both.keyturn)), ratioOf(both)]
  })
  return formatTable(['', "AWS's", 'Keyturn', 'ratio'], rows)
}

function partsTable(starts: Starts[]): string {
  const middle = (of: (start: Start) => number, some: Start[]) => formatMs(median(some.map(of)))
  const rows = starts.flatMap(({ database, pairs: { official, keyturn } }) => [
    [
      `${database}: AWS's`,
      middle(({ importMs }) => importMs, official),
      middle(({ clientMs }) => clientMs, official),
      '',
      middle(({ loginMs }) => loginMs, official),
    ],
    [
      `${database}: Keyturn`,
      middle(({ importMs }) => importMs, keyturn),
      '',
      middle(({ driverMs }) => driverMs, keyturn),
      middle(({ loginMs }) => loginMs, keyturn),
    ],
  ])
  return formatTable(['', 'import', 'client', 'driver', 'first login'], rows)
}

import { ms, table } from '../markdown.ts'
import { median } from '../median.ts'
import { ratioOf } from './ratio.ts'
import type { Start, Starts } from './start.ts'

/** How long functions take to start, and what the start consists of. */
export const startSection = (starts: Starts[]) => `## The start of a function

${startsTable(starts)}

In a fresh process: the import, a client for Secrets Manager and the database's driver. Lambda starts its runtime before.

${partsTable(starts)}

The driver of AWS's functions comes with their import, and Keyturn's client with its own. The first login is the first one of
the process, with the driver loaded.
`

function startsTable(starts: Starts[]): string {
  const whole = ({ imported, client, driver }: Start) => imported + client + driver
  const rows = starts.map(({ database, pairs }) => {
    const both = { official: pairs.official.map(whole), keyturn: pairs.keyturn.map(whole) }
    return [database, ms(median(both.official)), ms(median(both.keyturn)), ratioOf(both)]
  })
  return table(['', "AWS's", 'Keyturn', 'ratio'], rows)
}

function partsTable(starts: Starts[]): string {
  const middle = (of: (start: Start) => number, some: Start[]) => ms(median(some.map(of)))
  const rows = starts.flatMap(({ database, pairs: { official, keyturn } }) => [
    [
      `${database}: AWS's`,
      middle(({ imported }) => imported, official),
      middle(({ client }) => client, official),
      '',
      middle(({ login }) => login, official),
    ],
    [
      `${database}: Keyturn`,
      middle(({ imported }) => imported, keyturn),
      '',
      middle(({ driver }) => driver, keyturn),
      middle(({ login }) => login, keyturn),
    ],
  ])
  return table(['', 'import', 'client', 'driver', 'first login'], rows)
}

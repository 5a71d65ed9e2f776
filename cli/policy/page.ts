import { type Need, needs } from './needs.ts'
import { placeNamed } from './places.ts'

const HEAD = '| for | permissions | on |\n| --- | --- | --- |'

/** What the commands need, as two tables in Markdown: the second is of those that no operator has by default. */
export function tables(): { operators: string; promoters: string } {
  const isPromoting = ({ holder }: Need) => holder === 'promoter'
  return {
    operators: tableOf(needs.filter(need => !isPromoting(need))),
    promoters: tableOf(needs.filter(isPromoting)),
  }
}

const tableOf = (rows: Need[]): string =>
  [HEAD, ...rows.map((row, n) => lineOf(row, row.for === rows[n - 1]?.for))].join('\n')

/** What the row above says already is left blank. */
const lineOf = ({ for: what, actions, on }: Need, again: boolean) =>
  `| ${again ? '' : `${what} `}| ${actions.map(action => `\`${action}\``).join(', ')} | ${placeNamed(on).words} |`

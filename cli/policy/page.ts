import { type Need, needs } from './needs.ts'
import { placeNamed } from './places.ts'

const HEAD = '| for | permissions | on |\n| --- | --- | --- |'

/** What the commands need, as tables in Markdown: for an operator, what a caretaker has besides, and what neither has. */
export function tables(): { operators: string; caretakers: string; promoters: string } {
  const of = (...holders: Need['holder'][]) => tableOf(needs.filter(({ holder }) => holders.includes(holder)))
  return { operators: of('auditor', 'operator'), caretakers: of('caretaker'), promoters: of('promoter') }
}

const tableOf = (rows: Need[]): string =>
  [HEAD, ...rows.map((row, n) => lineOf(row, row.for === rows[n - 1]?.for))].join('\n')

/** What the row above says already is left blank. */
const lineOf = ({ for: what, actions, on }: Need, again: boolean) =>
  `| ${again ? '' : `${what} `}| ${actions.map(action => `\`${action}\``).join(', ')} | ${placeNamed(on).words} |`

import { readFileSync, writeFileSync } from 'node:fs'
import { type Actor, engineTraits } from '../rotation/engines/traits.ts'
import { STRATEGY_NAMES } from '../rotation/strategies/strategyNames.ts'
import { replaceBlock } from './replaceBlock.ts'

const page = new URL('../docs/strategies.md', import.meta.url)

/** What a cell says of who changes the database. */
const ACTOR_WORDS: Record<Actor, string> = { user: 'yes', admin: 'by an admin', rds: 'by RDS' }

/** A table in Markdown that says which strategies each engine allows. */
export function strategyTable(): string {
  const rows = Object.entries(engineTraits).map(([engine, { actorByStrategy }]) => [
    `\`${engine}\``,
    ...STRATEGY_NAMES.map(name => (actorByStrategy[name] ? ACTOR_WORDS[actorByStrategy[name]] : '')),
  ])
  const head = ['engine', ...STRATEGY_NAMES.map(name => `\`${name}\``)]
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`.replaceAll(/ +\|/g, ' |')
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

const TABLE_PATTERN = /\| engine \| `[\s\S]*?\n(?=\n)/

/** The text of docs/strategies.md, with the table as rotation/engines/traits.ts has it. */
export const strategiesPage = () =>
  replaceBlock(readFileSync(page, 'utf8'), TABLE_PATTERN, `${strategyTable()}\n`)

if (import.meta.main) writeFileSync(page, strategiesPage())

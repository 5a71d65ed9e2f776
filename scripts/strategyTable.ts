import { readFileSync, writeFileSync } from 'node:fs'
import { type Actor, traits } from '../rotation/engines/traits.ts'
import { strategyNames } from '../rotation/strategies/names.ts'
import { withBlock } from './block.ts'

const page = new URL('../docs/strategies.md', import.meta.url)

const words: Record<Actor, string> = { user: 'yes', admin: 'by an admin', rds: 'by RDS' }

/** Which engine allows which strategy, as a table of Markdown. */
export function strategyTable(): string {
  const rows = Object.entries(traits).map(([engine, { strategies }]) => [
    `\`${engine}\``,
    ...strategyNames.map(name => (strategies[name] ? words[strategies[name]] : '')),
  ])
  const head = ['engine', ...strategyNames.map(name => `\`${name}\``)]
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`.replaceAll(/ +\|/g, ' |')
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

const block = /\| engine \| `[\s\S]*?\n(?=\n)/

/** The page with its table as traits.ts is now. */
export const written = () => withBlock(readFileSync(page, 'utf8'), block, `${strategyTable()}\n`)

if (import.meta.main) writeFileSync(page, written())

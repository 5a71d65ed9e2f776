import { readFileSync, writeFileSync } from 'node:fs'
import { ruleTexts } from '../fleet/audit/rules/rules.ts'
import { withBlock } from './block.ts'

const page = new URL('../docs/audit.md', import.meta.url)

/** The rules of the audit, as a table of Markdown. */
function rulesTable(): string {
  const rows = ruleTexts.map(({ id, title, severity, why, references }) => [
    `\`${id}\``,
    severity,
    `${title}. ${why}`,
    references.join(', '),
  ])
  const head = ['rule', 'severity', 'what it finds, and why that matters', 'see']
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`.replaceAll(/ +\|/g, ' |')
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

const block = /\| rule \| severity \|[\s\S]*?\n(?=\n)/

/** The page with its table as the rules are now. */
export const written = () => withBlock(readFileSync(page, 'utf8'), block, `${rulesTable()}\n`)

if (import.meta.main) writeFileSync(page, written())

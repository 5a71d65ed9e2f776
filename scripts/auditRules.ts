import { readFileSync, writeFileSync } from 'node:fs'
import { ruleTexts } from '../fleet/audit/rules/rules.ts'
import { replaceBlock } from './replaceBlock.ts'

const page = new URL('../docs/audit.md', import.meta.url)

/** The rules of the audit as a table in Markdown. */
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

const TABLE_PATTERN = /\| rule \| severity \|[\s\S]*?\n(?=\n)/

/** The text of docs/audit.md, with a table of the rules as they are in the code. */
export const auditPage = () => replaceBlock(readFileSync(page, 'utf8'), TABLE_PATTERN, `${rulesTable()}\n`)

if (import.meta.main) writeFileSync(page, auditPage())

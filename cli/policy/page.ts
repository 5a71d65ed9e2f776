import { type PermissionNeed, permissionNeeds } from './needs.ts'
import { policyResource } from './policyResources.ts'

const TABLE_HEAD = '| for | permissions | on |\n| --- | --- | --- |'

/** What the commands need, as tables in Markdown: for an operator, what a caretaker has besides, and what neither has. */
export function permissionTables(): { operators: string; caretakers: string; promoters: string } {
  const of = (...holders: PermissionNeed['holder'][]) =>
    tableOf(permissionNeeds.filter(({ holder }) => holders.includes(holder)))
  return { operators: of('auditor', 'operator'), caretakers: of('caretaker'), promoters: of('promoter') }
}

const tableOf = (rows: PermissionNeed[]): string =>
  [TABLE_HEAD, ...rows.map((row, n) => lineOf(row, row.purpose === rows[n - 1]?.purpose))].join('\n')

/** What the row above says already is left blank. */
const lineOf = ({ purpose: what, actions, on }: PermissionNeed, again: boolean) =>
  `| ${again ? '' : `${what} `}| ${actions.map(action => `\`${action}\``).join(', ')} | ${policyResource(on).words} |`

import { type PermissionNeed, permissionNeeds } from './needs.ts'
import { policyResource } from './policyResources.ts'

const TABLE_HEAD = '| for | permissions | on |\n| --- | --- | --- |'

/**
 * The permissions that the commands need, as Markdown tables for docs/cli.md: those of an operator, those that a caretaker has in
 * addition, and those of a promoter.
 */
export function permissionTables(): { operators: string; caretakers: string; promoters: string } {
  const tableFor = (...holders: PermissionNeed['holder'][]) =>
    tableOf(permissionNeeds.filter(({ holder }) => holders.includes(holder)))
  return {
    operators: tableFor('auditor', 'operator'),
    caretakers: tableFor('caretaker'),
    promoters: tableFor('promoter'),
  }
}

const tableOf = (rows: PermissionNeed[]): string =>
  [TABLE_HEAD, ...rows.map((row, n) => lineOf(row, row.purpose === rows[n - 1]?.purpose))].join('\n')

/** A row of a table. Its first cell is empty if the row above has the same purpose. */
const lineOf = ({ purpose, actions, on }: PermissionNeed, isRepeated: boolean) =>
  `| ${isRepeated ? '' : `${purpose} `}| ${actions.map(action => `\`${action}\``).join(', ')} | ${policyResource(on).words} |`

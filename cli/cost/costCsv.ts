import { totalDollars } from '../../fleet/cost/bill.ts'
import type { Amount, CostLine, CostReport } from '../../fleet/cost/costReport.ts'
import { regionIn } from '../../rotation/arn.ts'
import { type CsvCell, toCsv } from '../csv.ts'
import type { CredentialNames } from './credentialNames.ts'

const COLUMNS = [
  'kind',
  'name',
  'team',
  'group',
  'region',
  'quantity',
  'unit',
  'usd_each',
  'price_confirmed',
  'usd_month',
  'usd_month_confirmed',
  'usd_month_estimated',
  'source',
  'prices_of',
  'as_of',
]

/**
 * A bill as CSV. The column `kind` says what a row is: a line, the total, a team, a credential, a line or the total after the
 * change (`changed line`, `changed total`), or a deduction.
 */
export function costCsv(report: CostReport, credentialNames: CredentialNames): string {
  const { lines, total, change, byTeam, byCredential, deductions = [], moment } = report
  const days = Object.entries(report.pricesOf).map(([region, day]) => `${region} ${day}`)
  type Owner = { team?: string | undefined; region?: string | undefined }
  const sumRowOf = (kind: string, name: string, amount: Amount, { team, region }: Owner = {}): CsvCell[] => [
    kind,
    name,
    team,
    undefined,
    region,
    undefined,
    undefined,
    undefined,
    undefined,
    totalDollars(amount),
    amount.confirmed,
    amount.estimated,
    undefined,
    days.join('; '),
    moment,
  ]
  const lineRowOf = (kind: string, line: CostLine): CsvCell[] => [
    kind,
    line.item,
    undefined,
    line.group,
    line.region,
    line.quantity,
    line.unit,
    line.price,
    line.confirmed,
    totalDollars(line.amount),
    line.amount.confirmed,
    line.amount.estimated,
    line.source,
    report.pricesOf[line.region],
    moment,
  ]
  // Which part of an amount is confirmed is known for lines and sums only: for a credential, these two cells are empty.
  const credentialRowOf = ([arn, amount]: [string, number]): CsvCell[] => {
    const { name = arn, team } = credentialNames.get(arn) ?? {}
    const owner = { team, region: regionIn(arn) }
    return sumRowOf('credential', name, { confirmed: amount, estimated: 0 }, owner).map((cell, column) =>
      COLUMNS[column]?.startsWith('usd_month_') ? undefined : cell,
    )
  }
  return toCsv(COLUMNS, [
    ...lines.map(line => lineRowOf('line', line)),
    sumRowOf('total', 'total', total),
    ...Object.entries(byTeam).map(([team, amount]) => sumRowOf('team', team, amount, { team })),
    ...Object.entries(byCredential).map(credentialRowOf),
    ...(change ? change.lines.map(line => lineRowOf('changed line', line)) : []),
    ...(change ? [sumRowOf('changed total', change.what.join(', '), change.total)] : []),
    ...deductions.map(({ what, amount }) => sumRowOf('deduction', what, amount)),
  ])
}

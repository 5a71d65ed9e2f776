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

/** A bill as a table: its lines, its teams, its credentials and what it would be after a change, by `kind`. */
export function costCsv(report: CostReport, named: CredentialNames): string {
  const { lines, total, change, byTeam, byCredential, deductions = [], moment } = report
  const days = Object.entries(report.pricesOf).map(([region, day]) => `${region} ${day}`)
  type Whose = { team?: string | undefined; region?: string | undefined }
  const sumOf = (kind: string, name: string, amount: Amount, { team, region }: Whose = {}): CsvCell[] => [
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
  const lineOf = (kind: string, line: CostLine): CsvCell[] => [
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
  /** Which part of it is confirmed only the lines tell. */
  const credentialOf = ([arn, amount]: [string, number]): CsvCell[] => {
    const { name = arn, team } = named.get(arn) ?? {}
    const whose = { team, region: regionIn(arn) }
    return sumOf('credential', name, { confirmed: amount, estimated: 0 }, whose).map((cell, column) =>
      COLUMNS[column]?.startsWith('usd_month_') ? undefined : cell,
    )
  }
  return toCsv(COLUMNS, [
    ...lines.map(line => lineOf('line', line)),
    sumOf('total', 'total', total),
    ...Object.entries(byTeam).map(([team, amount]) => sumOf('team', team, amount, { team })),
    ...Object.entries(byCredential).map(credentialOf),
    ...(change ? change.lines.map(line => lineOf('changed line', line)) : []),
    ...(change ? [sumOf('changed total', change.what.join(', '), change.total)] : []),
    ...deductions.map(({ what, amount }) => sumOf('deduction', what, amount)),
  ])
}

import { whole } from '../../fleet/cost/bill.ts'
import type { Amount, CostLine, CostReport } from '../../fleet/cost/costReport.ts'
import { regionIn } from '../../rotation/arn.ts'
import { type Cell, csv } from '../csv.ts'
import type { Named } from './named.ts'

const HEAD = [
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
export function asCsv(report: CostReport, named: Named): string {
  const { lines, total, change, byTeam, byCredential, deductions = [], moment } = report
  const days = Object.entries(report.pricesOf).map(([region, day]) => `${region} ${day}`)
  type Whose = { team?: string | undefined; region?: string | undefined }
  const sumOf = (kind: string, name: string, amount: Amount, { team, region }: Whose = {}): Cell[] => [
    kind,
    name,
    team,
    undefined,
    region,
    undefined,
    undefined,
    undefined,
    undefined,
    whole(amount),
    amount.confirmed,
    amount.estimated,
    undefined,
    days.join('; '),
    moment,
  ]
  const lineOf = (kind: string, line: CostLine): Cell[] => [
    kind,
    line.item,
    undefined,
    line.group,
    line.region,
    line.quantity,
    line.unit,
    line.price,
    line.confirmed,
    whole(line.amount),
    line.amount.confirmed,
    line.amount.estimated,
    line.source,
    report.pricesOf[line.region],
    moment,
  ]
  /** Which part of it is confirmed only the lines tell. */
  const credentialOf = ([arn, amount]: [string, number]): Cell[] => {
    const { name = arn, team } = named.get(arn) ?? {}
    const whose = { team, region: regionIn(arn) }
    return sumOf('credential', name, { confirmed: amount, estimated: 0 }, whose).map((cell, column) =>
      HEAD[column]?.startsWith('usd_month_') ? undefined : cell,
    )
  }
  return csv(HEAD, [
    ...lines.map(line => lineOf('line', line)),
    sumOf('total', 'total', total),
    ...Object.entries(byTeam).map(([team, amount]) => sumOf('team', team, amount, { team })),
    ...Object.entries(byCredential).map(credentialOf),
    ...(change ? change.lines.map(line => lineOf('changed line', line)) : []),
    ...(change ? [sumOf('changed total', change.what.join(', '), change.total)] : []),
    ...deductions.map(({ what, amount }) => sumOf('deduction', what, amount)),
  ])
}

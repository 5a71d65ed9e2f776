import { sum, whole } from '../../fleet/cost/bill.ts'
import type { Amount, Comparison, CostLine, CostReport } from '../../fleet/cost/costReport.ts'
import { quantityOf, storeTitles } from '../../fleet/cost/wording.ts'
import type { Output } from '../output.ts'
import { plain } from '../output.ts'
import type { Named } from './named.ts'

/** As many teams and credentials are listed; the rest is in --json and --csv. */
const MOST = 5

/** An amount in dollars: what claims cents, and with a ~ what does not. */
export function dollars({ confirmed, estimated }: Amount): string {
  const [exact, about] = [`$${grouped(confirmed)}`, `~$${grouped(estimated)}`]
  if (estimated === 0) return exact
  return confirmed === 0 ? about : `${exact} and ${about}`
}

/** To the cent, with its thousands apart. */
const grouped = (amount: number): string =>
  amount.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })

/** A bill for a person. */
export function tell(output: Output, report: CostReport, named: Named): void {
  const { total, moment } = report
  const days = Object.entries(report.pricesOf).map(([region, day]) => `${region} ${day}`)
  output.line(
    `${output.styled('bold', dollars(total))} a month, as of ${moment.slice(0, 10)}; prices of ${days.join(', ')}`,
  )
  output.line()
  for (const region of report.regions) tellRegion(output, report, region)
  tellTeams(output, report)
  tellCredentials(output, report, named)
  tellUnread(output, report)
  for (const comparison of report.comparisons) tellComparison(output, comparison)
  tellChange(output, report)
  tellDeductions(output, report)
  output.line('What it rests on:')
  for (const assumption of report.assumptions) output.line(`- ${plain(assumption)}`, 2)
}

/** The lines of a Region; those of less than a cent together. */
function tellRegion(output: Output, { lines }: CostReport, region: string): void {
  const here = lines.filter(line => line.region === region)
  if (!here.length) return
  output.line(`${region}: ${dollars(sum(here.map(({ amount }) => amount)))}`)
  const isSmall = ({ amount }: CostLine) => whole(amount) < 0.005
  const small = here.filter(isSmall)
  const rest = small.length
    ? [
        [
          `${small.length} more, each less than a cent`,
          '',
          '',
          '',
          cells(sum(small.map(({ amount }) => amount))),
        ],
      ]
    : []
  const rows = here
    .filter(line => !isSmall(line))
    .map(({ item, quantity, unit, price, confirmed, amount }) => [
      item,
      quantityOf(quantity),
      unit,
      `${confirmed ? '' : '~'}${price}`,
      cells(amount),
    ])
  output.table(['', 'QUANTITY', 'UNIT', 'USD EACH', 'USD A MONTH'], toTheRight([...rows, ...rest], [1, 4]))
  output.line()
}

/** The cells of these columns end where the longest does. */
function toTheRight(rows: string[][], columns: number[]): string[][] {
  const widths = columns.map(column => Math.max(0, ...rows.map(row => row[column]?.length ?? 0)))
  return rows.map(row => row.map((cell, column) => cell.padStart(widths[columns.indexOf(column)] ?? 0)))
}

const cells = ({ confirmed, estimated }: Amount): string =>
  [
    ...(confirmed || !estimated ? [grouped(confirmed)] : []),
    ...(estimated ? [`~${grouped(estimated)}`] : []),
  ].join(' ')

function tellTeams(output: Output, { byTeam }: CostReport): void {
  const teams = worstFirst(Object.entries(byTeam))
  if (teams.length < 2) return
  output.table(
    ['TEAM', 'USD A MONTH'],
    toTheRight(
      teams.slice(0, MOST).map(([team, amount]) => [plain(team), cells(amount)]),
      [1],
    ),
  )
  tellRest(output, teams.length, 'teams')
}

const worstFirst = (entries: [string, Amount][]) => entries.toSorted(([, a], [, b]) => whole(b) - whole(a))

function tellCredentials(output: Output, { byCredential }: CostReport, named: Named): void {
  const all = Object.entries(byCredential).toSorted(([, a], [, b]) => b - a)
  if (!all.length) return
  output.table(
    ['CREDENTIAL', 'USD A MONTH'],
    all.slice(0, MOST).map(([arn, amount]) => [plain(named.get(arn)?.name ?? arn), amount.toFixed(4)]),
  )
  tellRest(output, all.length, 'credentials')
}

function tellRest(output: Output, count: number, what: string): void {
  if (count > MOST) output.line(`and ${count - MOST} more ${what}: see --json or --csv`)
  output.line()
}

function tellUnread(output: Output, { unread: { credentials, amount } }: CostReport): void {
  if (!credentials) return
  output.line(`Nobody reads ${credentials} of them, by what is known: ${dollars(amount)} a month`)
  output.line()
}

function tellComparison(output: Output, { store, total, losses }: Comparison): void {
  output.line(`The credentials alone, all in ${storeTitles[store]}: ${dollars(total)} a month`)
  const used = losses.filter(({ credentials }) => credentials !== 0)
  if (used.length) output.line('  What is lost there, and how many use it today:')
  for (const { what, credentials } of used) output.line(`  - ${what}: ${credentials ?? 'not known'}`, 4)
  output.line()
}

function tellChange(output: Output, { change, total }: CostReport): void {
  if (!change) return
  const difference = differenceOf(total, change.total)
  output.line(`With ${change.what.join(', ')}: ${dollars(change.total)} a month, ${difference}`)
  output.line()
}

function tellDeductions(output: Output, { deductions }: CostReport): void {
  if (!deductions) return
  output.line('Apart from every sum, as the rest of the account uses the same:')
  for (const { what, amount } of deductions) output.line(`- ${what}: ${dollars(amount)}`, 2)
  output.line()
}

/** By how much something is more or less than what is now. */
function differenceOf(now: Amount, then: Amount): string {
  const more = whole(then) - whole(now)
  const amount = `$${grouped(Math.abs(more))}`
  const about = now.estimated || then.estimated ? 'about ' : ''
  if (Math.abs(more) < 0.005) return 'the same'
  return `${about}${amount} ${more < 0 ? 'less' : 'more'}`
}

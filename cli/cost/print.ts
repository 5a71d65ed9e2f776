import { sumAmounts, totalDollars } from '../../fleet/cost/bill.ts'
import type { Amount, Comparison, CostLine, CostReport } from '../../fleet/cost/costReport.ts'
import { formatQuantity, STORE_TITLES } from '../../fleet/cost/wording.ts'
import type { Output } from '../output.ts'
import { sanitize } from '../output.ts'
import type { CredentialNames } from './credentialNames.ts'

/** As many teams and credentials are listed; the rest is in --json and --csv. */
const MAX_LISTED_COUNT = 5

/** An amount in dollars: what claims cents, and with a ~ what does not. */
export function dollarsText({ confirmed, estimated }: Amount): string {
  const [exact, about] = [`$${centsText(confirmed)}`, `~$${centsText(estimated)}`]
  if (estimated === 0) return exact
  return confirmed === 0 ? about : `${exact} and ${about}`
}

/** To the cent, with its thousands apart. */
const centsText = (amount: number): string =>
  amount.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })

/** A bill for a person. */
export function printCost(output: Output, report: CostReport, named: CredentialNames): void {
  const { total, moment } = report
  const days = Object.entries(report.pricesOf).map(([region, day]) => `${region} ${day}`)
  output.line(
    `${output.styled('bold', dollarsText(total))} a month, as of ${moment.slice(0, 10)}; prices of ${days.join(', ')}`,
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
  for (const assumption of report.assumptions) output.line(`- ${sanitize(assumption)}`, 2)
}

/** The lines of a Region; those of less than a cent together. */
function tellRegion(output: Output, { lines }: CostReport, region: string): void {
  const here = lines.filter(line => line.region === region)
  if (!here.length) return
  output.line(`${region}: ${dollarsText(sumAmounts(here.map(({ amount }) => amount)))}`)
  const isSmall = ({ amount }: CostLine) => totalDollars(amount) < 0.005
  const small = here.filter(isSmall)
  const rest = small.length
    ? [
        [
          `${small.length} more, each less than a cent`,
          '',
          '',
          '',
          amountCell(sumAmounts(small.map(({ amount }) => amount))),
        ],
      ]
    : []
  const rows = here
    .filter(line => !isSmall(line))
    .map(({ item, quantity, unit, price, confirmed, amount }) => [
      item,
      formatQuantity(quantity),
      unit,
      `${confirmed ? '' : '~'}${price}`,
      amountCell(amount),
    ])
  output.table(['', 'QUANTITY', 'UNIT', 'USD EACH', 'USD A MONTH'], alignRight([...rows, ...rest], [1, 4]))
  output.line()
}

/** The cells of these columns end where the longest does. */
function alignRight(rows: string[][], columns: number[]): string[][] {
  const widths = columns.map(column => Math.max(0, ...rows.map(row => row[column]?.length ?? 0)))
  return rows.map(row => row.map((cell, column) => cell.padStart(widths[columns.indexOf(column)] ?? 0)))
}

const amountCell = ({ confirmed, estimated }: Amount): string =>
  [
    ...(confirmed || !estimated ? [centsText(confirmed)] : []),
    ...(estimated ? [`~${centsText(estimated)}`] : []),
  ].join(' ')

function tellTeams(output: Output, { byTeam }: CostReport): void {
  const teams = costliestFirst(Object.entries(byTeam))
  if (teams.length < 2) return
  output.table(
    ['TEAM', 'USD A MONTH'],
    alignRight(
      teams.slice(0, MAX_LISTED_COUNT).map(([team, amount]) => [sanitize(team), amountCell(amount)]),
      [1],
    ),
  )
  tellRest(output, teams.length, 'teams')
}

const costliestFirst = (entries: [string, Amount][]) =>
  entries.toSorted(([, a], [, b]) => totalDollars(b) - totalDollars(a))

function tellCredentials(output: Output, { byCredential }: CostReport, named: CredentialNames): void {
  const all = Object.entries(byCredential).toSorted(([, a], [, b]) => b - a)
  if (!all.length) return
  output.table(
    ['CREDENTIAL', 'USD A MONTH'],
    all
      .slice(0, MAX_LISTED_COUNT)
      .map(([arn, amount]) => [sanitize(named.get(arn)?.name ?? arn), amount.toFixed(4)]),
  )
  tellRest(output, all.length, 'credentials')
}

function tellRest(output: Output, count: number, what: string): void {
  if (count > MAX_LISTED_COUNT)
    output.line(`and ${count - MAX_LISTED_COUNT} more ${what}: see --json or --csv`)
  output.line()
}

function tellUnread(output: Output, { unread: { credentials, amount } }: CostReport): void {
  if (!credentials) return
  output.line(`Nobody reads ${credentials} of them, by what is known: ${dollarsText(amount)} a month`)
  output.line()
}

function tellComparison(output: Output, { store, total, losses }: Comparison): void {
  output.line(`The credentials alone, all in ${STORE_TITLES[store]}: ${dollarsText(total)} a month`)
  const used = losses.filter(({ credentials }) => credentials !== 0)
  if (used.length) output.line('  What is lost there, and how many use it today:')
  for (const { what, credentials } of used) output.line(`  - ${what}: ${credentials ?? 'not known'}`, 4)
  output.line()
}

function tellChange(output: Output, { change, total }: CostReport): void {
  if (!change) return
  const difference = differenceText(total, change.total)
  output.line(`With ${change.what.join(', ')}: ${dollarsText(change.total)} a month, ${difference}`)
  output.line()
}

function tellDeductions(output: Output, { deductions }: CostReport): void {
  if (!deductions) return
  output.line('Apart from every sum, as the rest of the account uses the same:')
  for (const { what, amount } of deductions) output.line(`- ${what}: ${dollarsText(amount)}`, 2)
  output.line()
}

/** By how much something is more or less than what is now. */
function differenceText(now: Amount, then: Amount): string {
  const more = totalDollars(then) - totalDollars(now)
  const amount = `$${centsText(Math.abs(more))}`
  const about = now.estimated || then.estimated ? 'about ' : ''
  if (Math.abs(more) < 0.005) return 'the same'
  return `${about}${amount} ${more < 0 ? 'less' : 'more'}`
}

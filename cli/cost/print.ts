import { sumAmounts, totalDollars } from '../../fleet/cost/bill.ts'
import type { Amount, Comparison, CostLine, CostReport } from '../../fleet/cost/costReport.ts'
import { formatQuantity, STORE_TITLES } from '../../fleet/cost/wording.ts'
import type { Output } from '../output.ts'
import { sanitize } from '../output.ts'
import type { CredentialNames } from './credentialNames.ts'

/** How many teams, and how many credentials, are listed at most. The others are in --json and --csv. */
const MAX_LISTED_COUNT = 5

/** An amount in dollars, to the cent: the confirmed part, and with a ~ the estimated part. A part of zero is left out. */
export function dollarsText({ confirmed, estimated }: Amount): string {
  const [confirmedText, estimatedText] = [`$${centsText(confirmed)}`, `~$${centsText(estimated)}`]
  if (estimated === 0) return confirmedText
  return confirmed === 0 ? estimatedText : `${confirmedText} and ${estimatedText}`
}

/** To the cent, with commas between thousands. */
const centsText = (amount: number): string =>
  amount.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })

/** Prints a bill on the terminal. */
export function printCost(output: Output, report: CostReport, credentialNames: CredentialNames): void {
  const { total, moment } = report
  const days = Object.entries(report.pricesOf).map(([region, day]) => `${region} ${day}`)
  output.line(
    `${output.styled('bold', dollarsText(total))} a month, as of ${moment.slice(0, 10)}; prices of ${days.join(', ')}`,
  )
  output.line()
  for (const region of report.regions) printRegion(output, report, region)
  printTeams(output, report)
  printCredentials(output, report, credentialNames)
  printUnread(output, report)
  for (const comparison of report.comparisons) printComparison(output, comparison)
  printChange(output, report)
  printDeductions(output, report)
  output.line('Assumptions:')
  for (const assumption of report.assumptions) output.line(`- ${sanitize(assumption)}`, 2)
}

/** Prints the lines of a Region. Those that would show as 0.00, because they are less than half a cent, are printed as one. */
function printRegion(output: Output, { lines }: CostReport, region: string): void {
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

/** Pads the cells of these columns on the left, so that they end in the same place. */
function alignRight(rows: string[][], columns: number[]): string[][] {
  const widths = columns.map(column => Math.max(0, ...rows.map(row => row[column]?.length ?? 0)))
  return rows.map(row => row.map((cell, column) => cell.padStart(widths[columns.indexOf(column)] ?? 0)))
}

const amountCell = ({ confirmed, estimated }: Amount): string =>
  [
    ...(confirmed || !estimated ? [centsText(confirmed)] : []),
    ...(estimated ? [`~${centsText(estimated)}`] : []),
  ].join(' ')

function printTeams(output: Output, { byTeam }: CostReport): void {
  const teams = costliestFirst(Object.entries(byTeam))
  if (teams.length < 2) return
  output.table(
    ['TEAM', 'USD A MONTH'],
    alignRight(
      teams.slice(0, MAX_LISTED_COUNT).map(([team, amount]) => [sanitize(team), amountCell(amount)]),
      [1],
    ),
  )
  printRest(output, teams.length, 'teams')
}

const costliestFirst = (entries: [string, Amount][]) =>
  entries.toSorted(([, a], [, b]) => totalDollars(b) - totalDollars(a))

function printCredentials(
  output: Output,
  { byCredential }: CostReport,
  credentialNames: CredentialNames,
): void {
  const all = Object.entries(byCredential).toSorted(([, a], [, b]) => b - a)
  if (!all.length) return
  output.table(
    ['CREDENTIAL', 'USD A MONTH'],
    all
      .slice(0, MAX_LISTED_COUNT)
      .map(([arn, amount]) => [sanitize(credentialNames.get(arn)?.name ?? arn), amount.toFixed(4)]),
  )
  printRest(output, all.length, 'credentials')
}

function printRest(output: Output, count: number, what: string): void {
  if (count > MAX_LISTED_COUNT)
    output.line(`and ${count - MAX_LISTED_COUNT} more ${what}: see --json or --csv`)
  output.line()
}

function printUnread(output: Output, { unread: { credentials, amount } }: CostReport): void {
  if (!credentials) return
  output.line(`${credentials} of the credentials have no known reader: ${dollarsText(amount)} a month`)
  output.line()
}

function printComparison(output: Output, { store, total, losses }: Comparison): void {
  output.line(`Only the credentials, if all were in ${STORE_TITLES[store]}: ${dollarsText(total)} a month`)
  const used = losses.filter(({ credentials }) => credentials !== 0)
  if (used.length) output.line('  What that store does not have, and how many credentials use it today:')
  for (const { what, credentials } of used) output.line(`  - ${what}: ${credentials ?? 'not known'}`, 4)
  output.line()
}

function printChange(output: Output, { change, total }: CostReport): void {
  if (!change) return
  const difference = differenceText(total, change.total)
  output.line(`With ${change.what.join(', ')}: ${dollarsText(change.total)} a month, ${difference}`)
  output.line()
}

function printDeductions(output: Output, { deductions }: CostReport): void {
  if (!deductions) return
  output.line('Not in any sum, as the rest of the account shares them:')
  for (const { what, amount } of deductions) output.line(`- ${what}: ${dollarsText(amount)}`, 2)
  output.line()
}

/** By how much an amount is more or less after a change. */
function differenceText(before: Amount, after: Amount): string {
  const difference = totalDollars(after) - totalDollars(before)
  const amount = `$${centsText(Math.abs(difference))}`
  const aboutText = before.estimated || after.estimated ? 'about ' : ''
  if (Math.abs(difference) < 0.005) return 'the same'
  return `${aboutText}${amount} ${difference < 0 ? 'less' : 'more'}`
}

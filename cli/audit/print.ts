import { isCounted } from '../../fleet/audit/judge.ts'
import { type AuditReport, type Finding, SEVERITIES, type Severity } from '../../fleet/audit/report.ts'
import { isCommand } from '../../fleet/audit/shellCommand.ts'
import { formatCount } from '../../fleet/formatCount.ts'
import { dollarsText } from '../cost/print.ts'
import { formatTime, type Output, sanitize } from '../output.ts'
import { idOf } from '../recordTexts.ts'

const SEVERITY_COLOURS = { critical: 'red', high: 'red', medium: 'yellow', low: 'cyan' } as const

/** Prints a report on the terminal, the worst findings first, and at most `most` findings of each rule. */
export function printAudit(output: Output, report: AuditReport, most: number): void {
  const { findings, rules } = report
  printHead(output, report)
  const titles = new Map(rules.map(({ id, title }) => [id, title]))
  const counted = findings.filter(isCounted)
  for (const [rule, group] of Map.groupBy(counted, ({ rule }) => rule))
    printGroup(output, group, `${titles.get(rule)} (${rule})`, most)
  const unread = findings.filter(({ status, excepted }) => status === 'unread' && !excepted)
  for (const [detail, group] of Map.groupBy(unread, ({ detail }) => detail))
    printUnreadGroup(output, detail, group)
  printExcepted(output, findings, most)
  if (!counted.length && !unread.length) output.line('There are no findings.')
}

function printHead(output: Output, report: AuditReport): void {
  const { stage, account, regions, counts } = report
  output.line(
    `Audit of ${sanitize(stage)} in the account ${sanitize(account)}, ${regions.join(', ')}, ${formatTime(new Date(report.moment))}`,
  )
  output.line(
    `${formatCount(counts.secrets, 'secret')}, ${formatCount(counts.replicas, 'replica')}, ${formatCount(counts.parameters, 'parameter')}${counts.otherParameters ? ` (and ${counts.otherParameters} without a credential)` : ''}: ${severityCountsText(counts.findings)}${counts.unread ? `; ${counts.unread} could not be checked` : ''}${counts.excepted ? `; ${counts.excepted} excepted` : ''}`,
  )
  if (report.scope !== undefined) output.line(report.scope)
  const isNew = report.findings.filter(finding => finding.isNew && isCounted(finding))
  if (report.gone) output.line(`${newText(isNew.length)} ${goneText(report.gone.length)}`)
  for (const line of [...readsLines(report), ...costLines(report)]) output.line(line)
}

function newText(count: number): string {
  if (count === 0) return 'None of the findings is new.'
  return count === 1
    ? '1 finding is new, and comes first in its list.'
    : `${count} findings are new, and come first in their lists.`
}

const goneText = (count: number) =>
  count === 0
    ? 'No finding of the baseline is gone.'
    : `${formatCount(count, 'finding')} of the baseline ${count === 1 ? 'is' : 'are'} gone.`

/** Since when it is known who reads. With several Regions, each has a line. */
function readsLines({ regions, readsKnownSince }: AuditReport): string[] {
  const known = Object.entries(readsKnownSince)
  const [first] = known
  if (!first)
    return [
      'Readers are not known: CloudTrail was not asked, refused the calls, or lists no read although rotations have read values.',
    ]
  const since = (time: string) => `since ${formatTime(new Date(time))}`
  if (regions.length === 1) return [`Readers are known ${since(first[1])}.`]
  const lines = regions.map(region => {
    const time = readsKnownSince[region]
    return `  ${region}: ${time ? `known ${since(time)}` : 'not known'}`
  })
  return ['Readers:', ...lines]
}

/** What the credentials and the stack cost a month; `keyturn cost` has the details. */
function costLines({ cost }: AuditReport): string[] {
  if (!cost) return []
  const { credentials, amount } = cost.unread
  const unreadText = credentials ? `, ${dollarsText(amount)} of that for credentials that nobody reads` : ''
  const dates = [...new Set(Object.values(cost.pricesOf))].sort().join(', ')
  return [
    `The cost is ${dollarsText(cost.total)} a month by the prices of ${dates}${unreadText}: keyturn cost has the details.`,
  ]
}

function severityCountsText(counts: Record<Severity, number>): string {
  const texts = SEVERITIES.flatMap(severity => (counts[severity] ? [`${counts[severity]} ${severity}`] : []))
  return texts.join(', ') || 'no finding'
}

function printGroup(output: Output, findings: Finding[], title: string, most: number): void {
  const [first] = findings
  if (!first) return
  output.line()
  const severity = output.styled(['bold', SEVERITY_COLOURS[first.severity]], first.severity)
  output.line(`${severity}  ${title}: ${findings.length}`, 2)
  const newFirst = findings.toSorted((a, b) => Number(b.isNew ?? false) - Number(a.isNew ?? false))
  // A remedy that all findings of the rule share is printed once, after them.
  const hasOneRemedy = findings.every(({ remedy }) => remedy === first.remedy)
  for (const finding of newFirst.slice(0, most)) printFinding(output, finding, !hasOneRemedy)
  if (findings.length > most)
    output.line(`  and ${findings.length - most} more; --most, --csv and --html show them`, 2)
  if (hasOneRemedy) printRemedy(output, first.remedy)
}

function printFinding(output: Output, finding: Finding, withRemedy: boolean): void {
  const { detail, remedy, isNew } = finding
  const newLabel = isNew ? `${output.styled('bold', 'new')}  ` : ''
  output.line(`  ${newLabel}${subjectOf(finding)}: ${sanitize(detail)}`, 4)
  if (withRemedy) printRemedy(output, remedy)
}

function printRemedy(output: Output, remedy: string): void {
  const text = `    ${sanitize(remedy)}`
  if (isCommand(remedy)) output.unwrappedLine(text)
  else output.line(text, 4)
}

/** The credential or Region that a finding is about. */
function subjectOf({ credential, region }: Finding): string {
  if (!credential) return region
  return `${idOf({ ...credential, id: credential.arn })} in ${region}`
}

/** Prints what could not be read for the same reason as one entry: one refused call may keep many rules from being checked. */
function printUnreadGroup(output: Output, detail: string, findings: Finding[]): void {
  const rules = [...new Set(findings.map(({ rule }) => rule))]
  output.line()
  output.line(`${output.styled('bold', 'not known')}  ${sanitize(detail)}`, 2)
  output.line(`  Not checked for ${subjectsText(findings)}: ${rules.join(', ')}`, 4)
}

/** What several findings are about: if it is the same, that credential or Region, else how many there are. */
function subjectsText(findings: Finding[]): string {
  const [only, ...others] = new Set(findings.map(subjectOf))
  if (others.length === 0) return only ?? ''
  const credentials = new Set(findings.flatMap(({ credential }) => credential?.arn ?? [])).size
  const regions = others.length + 1 - credentials
  const texts = [
    credentials && formatCount(credentials, 'credential'),
    regions && formatCount(regions, 'Region'),
  ]
  return texts.filter(Boolean).join(' and ')
}

function printExcepted(output: Output, findings: Finding[], most: number): void {
  const group = findings.filter(finding => finding.excepted)
  if (!group.length) return
  output.line()
  output.line(`${output.styled('bold', 'excepted')}  ${group.length} by the policy`, 2)
  for (const finding of group.slice(0, most))
    output.line(
      `  ${subjectOf(finding)}: ${finding.rule} until ${finding.excepted?.until}, ${sanitize(finding.excepted?.reason ?? '')}`,
      4,
    )
  if (group.length > most) output.line(`  and ${group.length - most} more`, 2)
}

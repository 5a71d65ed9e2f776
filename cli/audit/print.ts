import { isCommand } from '../../fleet/audit/command.ts'
import { isCounted } from '../../fleet/audit/judge.ts'
import { type Finding, type Report, type Severity, severities } from '../../fleet/audit/report.ts'
import { counted, grouped } from '../../fleet/counted.ts'
import { dollars } from '../cost/texts.ts'
import { moment, type Output, plain } from '../output.ts'
import { idOf } from '../records.ts'

const colours = { critical: 'red', high: 'red', medium: 'yellow', low: 'cyan' } as const

/** Prints a report for a person: the worst first, of each rule so many findings at most. */
export function print(output: Output, report: Report, most: number): void {
  const { findings, rules } = report
  head(output, report)
  const titles = new Map(rules.map(({ id, title }) => [id, title]))
  const counted = findings.filter(isCounted)
  for (const [rule, its] of Map.groupBy(counted, ({ rule }) => rule))
    group(output, its, `${titles.get(rule)} (${rule})`, most)
  const unread = findings.filter(({ status, excepted }) => status === 'unread' && !excepted)
  for (const [detail, its] of Map.groupBy(unread, ({ detail }) => detail)) unreadGroup(output, detail, its)
  excepted(output, findings, most)
  if (!counted.length && !unread.length) output.line('Nothing was found.')
}

function head(output: Output, report: Report): void {
  const { stage, account, regions, counts } = report
  output.line(
    `Audit of ${plain(stage)} in the account ${plain(account)}, ${regions.join(', ')}, ${moment(new Date(report.moment))}`,
  )
  output.line(
    `${counted(counts.secrets, 'secret')}, ${counted(counts.replicas, 'replica')}, ${counted(counts.parameters, 'parameter')}${counts.otherParameters ? ` (beside ${counts.otherParameters} without a credential)` : ''}: ${bySeverity(counts.findings)}${counts.unread ? `; ${counts.unread} could not be looked at` : ''}${counts.excepted ? `; ${counts.excepted} excepted` : ''}`,
  )
  if (report.scope !== undefined) output.line(report.scope)
  const isNew = report.findings.filter(finding => finding.isNew)
  if (report.gone) output.line(`${newSays(isNew.length)} ${goneSays(report.gone.length)}`)
  for (const line of [...readsSay(report), ...costSays(report)]) output.line(line)
}

function newSays(count: number): string {
  if (count === 0) return 'None of them is new.'
  return count === 1
    ? '1 of them is new, and comes first in its list.'
    : `${count} of them are new, and come first in their lists.`
}

const goneSays = (count: number) =>
  `${count === 0 ? 'None' : grouped(count)} of the baseline's ${count < 2 ? 'is' : 'are'} gone.`

/** Since when it is known who reads: of several Regions each in a line. */
function readsSay({ regions, readsKnownSince }: Report): string[] {
  const known = Object.entries(readsKnownSince)
  const [first] = known
  if (!first)
    return [
      'Who reads is not known: CloudTrail was not asked, refused, or tells of no read although there were some.',
    ]
  const since = (time: string) => `since ${moment(new Date(time))}`
  if (regions.length === 1) return [`Who reads is known ${since(first[1])}.`]
  const told = regions.map(region => {
    const time = readsKnownSince[region]
    return `  ${region}: ${time ? `known ${since(time)}` : 'not known'}`
  })
  return ['Who reads:', ...told]
}

/** What all of it costs, as `keyturn cost` tells in detail. */
function costSays({ cost }: Report): string[] {
  if (!cost) return []
  const { credentials, amount } = cost.unread
  const saved = credentials ? `, ${dollars(amount)} of that for what nobody reads` : ''
  const dates = [...new Set(Object.values(cost.pricesOf))].sort().join(', ')
  return [
    `It costs ${dollars(cost.total)} a month by the prices of ${dates}${saved}: keyturn cost has the lines.`,
  ]
}

function bySeverity(counts: Record<Severity, number>): string {
  const told = severities.flatMap(severity => (counts[severity] ? [`${counts[severity]} ${severity}`] : []))
  return told.join(', ') || 'no finding'
}

function group(output: Output, findings: Finding[], title: string, most: number): void {
  const [first] = findings
  if (!first) return
  output.line()
  const severity = output.styled(['bold', colours[first.severity]], first.severity)
  output.line(`${severity}  ${title}: ${findings.length}`, 2)
  const newFirst = findings.toSorted((a, b) => Number(b.isNew ?? false) - Number(a.isNew ?? false))
  // A remedy that is the same for all of them stands once.
  const common = findings.every(({ remedy }) => remedy === first.remedy)
  for (const finding of newFirst.slice(0, most)) show(output, finding, !common)
  if (findings.length > most)
    output.line(`  and ${findings.length - most} more; --most, --csv and --html show them`, 2)
  if (common) showRemedy(output, first.remedy)
}

function show(output: Output, finding: Finding, withRemedy: boolean): void {
  const { detail, remedy, isNew } = finding
  const fresh = isNew ? `${output.styled('bold', 'new')}  ` : ''
  output.line(`  ${fresh}${subjectOf(finding)}: ${plain(detail)}`, 4)
  if (withRemedy) showRemedy(output, remedy)
}

function showRemedy(output: Output, remedy: string): void {
  const text = `    ${plain(remedy)}`
  if (isCommand(remedy)) output.pasted(text)
  else output.line(text, 4)
}

/** What a finding is about, and where. */
function subjectOf({ credential, region }: Finding): string {
  if (!credential) return region
  return `${idOf({ ...credential, id: credential.arn })} in ${region}`
}

/** What could not be read, by why: one refusal may leave very many rules open. */
function unreadGroup(output: Output, detail: string, findings: Finding[]): void {
  const rules = [...new Set(findings.map(({ rule }) => rule))]
  output.line()
  output.line(`${output.styled('bold', 'not known')}  ${plain(detail)}`, 2)
  output.line(`  So for ${whoseOf(findings)} it is not known: ${rules.join(', ')}`, 4)
}

/** What several findings are about: the one, or how many. */
function whoseOf(findings: Finding[]): string {
  const [only, ...others] = new Set(findings.map(subjectOf))
  if (others.length === 0) return only ?? ''
  const credentials = new Set(findings.flatMap(({ credential }) => credential?.arn ?? [])).size
  const regions = others.length + 1 - credentials
  return `${credentials} credentials${regions ? ` and ${regions} ${regions === 1 ? 'Region' : 'Regions'}` : ''}`
}

function excepted(output: Output, findings: Finding[], most: number): void {
  const its = findings.filter(finding => finding.excepted)
  if (!its.length) return
  output.line()
  output.line(`${output.styled('bold', 'excepted')}  ${its.length} by the policy`, 2)
  for (const finding of its.slice(0, most))
    output.line(
      `  ${subjectOf(finding)}: ${finding.rule} until ${finding.excepted?.until}, ${plain(finding.excepted?.reason ?? '')}`,
      4,
    )
  if (its.length > most) output.line(`  and ${its.length - most} more`, 2)
}

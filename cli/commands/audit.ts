import type { Facts } from '../../fleet/audit/facts.ts'
import { addCost, judgeFacts } from '../../fleet/audit/judge.ts'
import { describePolicy } from '../../fleet/audit/policy/describePolicy.ts'
import type { PolicyException } from '../../fleet/audit/policy/policy.ts'
import { findUnusedExceptions } from '../../fleet/audit/policy/settings.ts'
import { type AuditReport, type Finding, SEVERITIES, type Severity } from '../../fleet/audit/report.ts'
import { CLOUDTRAIL_RETENTION_MS } from '../../fleet/readers/sweep.ts'
import { readBaseline, requireSameFleet } from '../audit/baseline.ts'
import { estimateCost } from '../audit/estimateCost.ts'
import { findingsCsv } from '../audit/findingsCsv.ts'
import type { GatherOptions } from '../audit/gather.ts'
import { readPolicyFile } from '../audit/policy.ts'
import { printAudit } from '../audit/print.ts'
import { requireKnownRegions } from '../audit/regions.ts'
import type { Context } from '../context.ts'
import { CommandError, EXIT, type ExitCode } from '../exit.ts'
import { requireWritable, writePrivateFile } from '../files.ts'
import { sanitize } from '../output.ts'
import { chooseStack, placeOf, type Stack } from '../stack.ts'

export type AuditOptions = {
  policy?: string
  regions?: string[]
  /** Seconds; false: CloudTrail is not asked. */
  reads: number | false
  readsBudget: number
  html?: string
  csv?: string
  most: number
  baseline?: string
  failOn?: Severity
  prices?: string
  journal?: string
  resume?: string
}

/** What gathers facts, and what makes a page of a report. */
export type AuditMeans = {
  gatherFacts(
    context: Context,
    stack: Stack,
    options: GatherOptions,
  ): Promise<{ facts: Facts; journal: { close(): void } }>
  renderPage(report: AuditReport): Promise<string>
}

/**
 * Gathers what is known of every credential, without any value, and judges it. Whatever the options name is looked at first: the
 * gathering takes minutes.
 */
export async function runAuditCommand(
  context: Context,
  options: AuditOptions,
  means: AuditMeans,
): Promise<ExitCode> {
  const { output, json } = context
  refuseConflictingOptions(options)
  const policy = await readPolicyFile(options.policy)
  if (options.policy === undefined)
    output.note(
      `No --policy, so by default: ${describePolicy(policy)}. docs/audit.md says how to change that.`,
    )
  const baseline = options.baseline === undefined ? undefined : await readBaseline(options.baseline)
  if (options.html !== undefined) await requireWritable(options.html, '--html')
  if (options.csv !== undefined) await requireWritable(options.csv, '--csv')
  const stack = await chooseStack(context)
  const { account } = placeOf(stack)
  if (baseline) requireSameFleet(baseline, { account, stage: stack.stage })
  await requireKnownRegions(context, options.regions ?? [])
  const { facts, journal } = await means.gatherFacts(context, stack, gatherOptionsOf(options))
  const judged = judgeFacts(facts, policy, baseline?.findings)
  const cost = await estimateCost(output, facts, judged, policy, options.prices)
  const report = cost ? addCost(judged, cost) : judged
  await writeReports(context, report, options, means)
  for (const exception of findUnusedExceptions(policy, report.findings, report.moment))
    output.note(needlessSays(exception, report.moment))
  // From here on nothing is left that could fail: until then it can be resumed.
  journal.close()
  if (json) output.json(report)
  else printAudit(output, report, options.most)
  return hasFailingFinding(report.findings, options) ? EXIT.findings : EXIT.done
}

function needlessSays({ rule, name, until }: PolicyException, moment: string): string {
  const why =
    until < moment.slice(0, 10)
      ? `ended with ${until}`
      : 'covers nothing that was found: mend its name, or take it out'
  return `The policy's exception from ${rule} for ${sanitize(name)} ${why}.`
}

function gatherOptionsOf({ resume, journal, regions, reads, readsBudget }: AuditOptions): GatherOptions {
  const wanted = reads === false ? undefined : { windowMs: reads * 1000, budgetMs: readsBudget * 1000 }
  return { resume, journal, regions, reads: wanted }
}

function refuseConflictingOptions({ reads, journal, resume }: AuditOptions): void {
  if (reads !== false && reads * 1000 > CLOUDTRAIL_RETENTION_MS)
    throw new CommandError(
      EXIT.usage,
      '--reads is more than 90d',
      'CloudTrail remembers 90 days; docs/readers.md has queries for longer ones.',
    )
  if (journal !== undefined && resume !== undefined)
    throw new CommandError(
      EXIT.usage,
      '--journal has no place beside --resume',
      'Name the journal that is to go on with --resume alone.',
    )
}

async function writeReports(
  { output }: Context,
  report: AuditReport,
  { html, csv }: AuditOptions,
  { renderPage }: Pick<AuditMeans, 'renderPage'>,
): Promise<void> {
  if (csv !== undefined) await writePrivateFile(csv, '--csv', findingsCsv(report))
  if (html !== undefined) await writePrivateFile(html, '--html', await renderPage(report))
  for (const path of [csv, html]) if (path !== undefined) output.note(`Written: ${sanitize(path)}`)
}

/** Whether a finding is so severe as was asked for. What could not be looked at may be just that. */
function hasFailingFinding(findings: Finding[], { failOn }: AuditOptions): boolean {
  if (failOn === undefined) return false
  const worst = SEVERITIES.indexOf(failOn)
  return findings.some(
    ({ severity, excepted, isNew }) => !excepted && isNew !== false && SEVERITIES.indexOf(severity) <= worst,
  )
}

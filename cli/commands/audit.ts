import type { Facts } from '../../fleet/audit/facts.ts'
import { addCost, judgeFacts } from '../../fleet/audit/judge.ts'
import { describePolicy } from '../../fleet/audit/policy/describePolicy.ts'
import type { PolicyException } from '../../fleet/audit/policy/policy.ts'
import { findUnusedExceptions } from '../../fleet/audit/policy/settings.ts'
import { type AuditReport, type Finding, SEVERITIES, type Severity } from '../../fleet/audit/report.ts'
import { bundledPrices } from '../../fleet/cost/prices.ts'
import { CLOUDTRAIL_RETENTION_MS } from '../../fleet/readers/sweep.ts'
import { readBaseline, requireSameFleet } from '../audit/baseline.ts'
import { estimateCost } from '../audit/estimateCost.ts'
import { findingsCsv } from '../audit/findingsCsv.ts'
import type { GatherOptions } from '../audit/gather.ts'
import { readPolicyFile } from '../audit/policy.ts'
import { printAudit } from '../audit/print.ts'
import { requireKnownRegions } from '../audit/regions.ts'
import type { Context } from '../context.ts'
import { readPrices } from '../cost/prices.ts'
import { EXIT, type ExitCode, usageError } from '../exit.ts'
import { requireWritable, writePrivateFile } from '../files.ts'
import { sanitize } from '../output.ts'
import { chooseStack, placeOf, type Stack } from '../stack.ts'

/** The options of `audit`, as the command line gave them. */
export type AuditOptions = {
  /** A file to read. */
  policy?: string
  /** Regions in addition to those of the stack and its peers. */
  regions?: string[]
  /** How far back CloudTrail is asked who read each credential, in seconds; false: it is not asked. */
  reads: number | false
  /** How long CloudTrail is asked in each Region, in seconds. */
  readsBudget: number
  /** A file to write. */
  html?: string
  /** A file to write. */
  csv?: string
  /** How many findings of each rule are printed at most. */
  most: number
  /** A file to read: the report of an earlier audit. */
  baseline?: string
  failOn?: Severity
  /** A file to read. */
  prices?: string
  /** A file to write. */
  journal?: string
  /** A file to read and to go on with: the journal of an audit that was interrupted. */
  resume?: string
}

/** The two parts of an audit that the caller passes in: audit/command.ts loads the real ones. */
export type AuditMeans = {
  gatherFacts(
    context: Context,
    stack: Stack,
    options: GatherOptions,
  ): Promise<{ facts: Facts; journal: { close(): void } }>
  renderPage(report: AuditReport): Promise<string>
}

/**
 * Runs `audit`: gathers facts about every credential, without reading any value, and judges them by the policy. All options are
 * checked first, because gathering takes minutes.
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
  const prices = options.prices === undefined ? bundledPrices : await readPrices(options.prices)
  if (options.html !== undefined) await requireWritable(options.html, '--html')
  if (options.csv !== undefined) await requireWritable(options.csv, '--csv')
  const stack = await chooseStack(context)
  const { account } = placeOf(stack)
  if (baseline) requireSameFleet(baseline, { account, stage: stack.stage })
  await requireKnownRegions(context, options.regions ?? [])
  const { facts, journal } = await means.gatherFacts(context, stack, gatherOptionsOf(options))
  const judged = judgeFacts(facts, policy, baseline?.findings)
  const cost = estimateCost(output, facts, judged, policy, prices)
  const report = cost ? addCost(judged, cost) : judged
  await writeReports(context, report, options, means)
  for (const exception of findUnusedExceptions(policy, report.findings, report.moment))
    output.note(unusedExceptionText(exception, report.moment))
  // Until here an error leaves the journal, so that the audit can be resumed. Closing removes it, unless --journal named it.
  journal.close()
  if (json) output.json(report)
  else printAudit(output, report, options.most)
  return hasFailingFinding(report.findings, options) ? EXIT.findings : EXIT.done
}

function unusedExceptionText({ rule, name, until }: PolicyException, moment: string): string {
  const why =
    until < moment.slice(0, 10) ? `ended with ${until}` : 'matches no finding: correct its name, or remove it'
  return `The policy's exception from ${rule} for ${sanitize(name)} ${why}.`
}

function gatherOptionsOf({ resume, journal, regions, reads, readsBudget }: AuditOptions): GatherOptions {
  const wanted = reads === false ? undefined : { windowMs: reads * 1000, budgetMs: readsBudget * 1000 }
  return { resume, journal, regions, reads: wanted }
}

function refuseConflictingOptions({ reads, journal, resume }: AuditOptions): void {
  if (reads !== false && reads * 1000 > CLOUDTRAIL_RETENTION_MS)
    throw usageError(
      '--reads is more than 90d',
      'CloudTrail keeps events for 90 days; docs/readers.md has queries for a longer time.',
    )
  if (journal !== undefined && resume !== undefined)
    throw usageError(
      '--journal cannot be combined with --resume',
      'Name the journal to go on with by --resume alone.',
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

/**
 * Whether --fail-on makes the audit fail: whether a finding is at least as severe, is not excepted by the policy, and is not in
 * the baseline. A rule that could not be checked is a finding too, with the status `unread`.
 */
function hasFailingFinding(findings: Finding[], { failOn }: AuditOptions): boolean {
  if (failOn === undefined) return false
  // SEVERITIES begins with the worst.
  const limit = SEVERITIES.indexOf(failOn)
  return findings.some(
    ({ severity, excepted, isNew }) => !excepted && isNew !== false && SEVERITIES.indexOf(severity) <= limit,
  )
}

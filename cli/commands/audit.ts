import type { Facts } from '../../fleet/audit/facts.ts'
import { judge, withCost } from '../../fleet/audit/judge.ts'
import type { Exception } from '../../fleet/audit/policy/policy.ts'
import { policySays } from '../../fleet/audit/policy/says.ts'
import { needless } from '../../fleet/audit/policy/settings.ts'
import { type Finding, type Report, type Severity, severities } from '../../fleet/audit/report.ts'
import { REMEMBERED } from '../../fleet/readers/sweep.ts'
import { baselineIn, refuseOther } from '../audit/baseline.ts'
import { billOf } from '../audit/bill.ts'
import type { GatherOptions } from '../audit/gather.ts'
import { policyIn } from '../audit/policy.ts'
import { print } from '../audit/print.ts'
import { refuseUnknown } from '../audit/regions.ts'
import { findingsTable } from '../audit/table.ts'
import type { Context } from '../context.ts'
import { CommandError, type ExitCode, exit } from '../exit.ts'
import { checkPlace, write } from '../files.ts'
import { plain } from '../output.ts'
import { placeOf, type Stack, stackOf } from '../stack.ts'

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
export type Means = {
  gather(
    context: Context,
    stack: Stack,
    options: GatherOptions,
  ): Promise<{ facts: Facts; journal: { close(): void } }>
  page(report: Report): Promise<string>
}

/**
 * Gathers what is known of every credential, without any value, and judges it. Whatever the options name is looked at first: the
 * gathering takes minutes.
 */
export async function audit(context: Context, options: AuditOptions, means: Means): Promise<ExitCode> {
  const { output, json } = context
  refuseConflicts(options)
  const policy = await policyIn(options.policy)
  if (options.policy === undefined)
    output.note(`No --policy, so by default: ${policySays(policy)}. docs/audit.md says how to change that.`)
  const baseline = options.baseline === undefined ? undefined : await baselineIn(options.baseline)
  if (options.html !== undefined) await checkPlace(options.html, '--html')
  if (options.csv !== undefined) await checkPlace(options.csv, '--csv')
  const stack = await stackOf(context)
  const { account } = placeOf(stack)
  if (baseline) refuseOther(baseline, { account, stage: stack.stage })
  await refuseUnknown(context, options.regions ?? [])
  const { facts, journal } = await means.gather(context, stack, gatheringOf(options))
  const judged = judge(facts, policy, baseline?.findings)
  const cost = await billOf(output, facts, judged, policy, options.prices)
  const report = cost ? withCost(judged, cost) : judged
  await writeAll(context, report, options, means)
  for (const exception of needless(policy, report.findings, report.moment))
    output.note(needlessSays(exception, report.moment))
  // From here on nothing is left that could fail: until then it can be resumed.
  journal.close()
  if (json) output.json(report)
  else print(output, report, options.most)
  return isFailed(report.findings, options) ? exit.findings : exit.done
}

function needlessSays({ rule, name, until }: Exception, moment: string): string {
  const why =
    until < moment.slice(0, 10)
      ? `ended with ${until}`
      : 'covers nothing that was found: mend its name, or take it out'
  return `The policy's exception from ${rule} for ${plain(name)} ${why}.`
}

function gatheringOf({ resume, journal, regions, reads, readsBudget }: AuditOptions): GatherOptions {
  const wanted = reads === false ? undefined : { window: reads * 1000, budget: readsBudget * 1000 }
  return { resume, journal, regions, reads: wanted }
}

function refuseConflicts({ reads, journal, resume }: AuditOptions): void {
  if (reads !== false && reads * 1000 > REMEMBERED)
    throw new CommandError(
      exit.usage,
      '--reads is more than 90d',
      'CloudTrail remembers 90 days; docs/readers.md has queries for longer ones.',
    )
  if (journal !== undefined && resume !== undefined)
    throw new CommandError(
      exit.usage,
      '--journal has no place beside --resume',
      'Name the journal that is to go on with --resume alone.',
    )
}

async function writeAll(
  { output }: Context,
  report: Report,
  { html, csv }: AuditOptions,
  { page }: Pick<Means, 'page'>,
): Promise<void> {
  if (csv !== undefined) await write(csv, '--csv', findingsTable(report))
  if (html !== undefined) await write(html, '--html', await page(report))
  for (const path of [csv, html]) if (path !== undefined) output.note(`Written: ${plain(path)}`)
}

/** Whether a finding is so severe as was asked for. What could not be looked at may be just that. */
function isFailed(findings: Finding[], { failOn }: AuditOptions): boolean {
  if (failOn === undefined) return false
  const worst = severities.indexOf(failOn)
  return findings.some(
    ({ severity, excepted, isNew }) => !excepted && isNew !== false && severities.indexOf(severity) <= worst,
  )
}

import { givenUpTag, HOME_TAG } from '../../rotation/tags.ts'
import type { Context } from '../context.ts'
import type { FoundSecret } from '../credential.ts'
import { EXIT, type ExitCode, usageError } from '../exit.ts'
import { mapInBatches } from '../mapInBatches.ts'
import { sanitize } from '../output.ts'
import {
  checkFailback,
  type FailbackCheck,
  type FailbackOptions,
  isPromotedFor,
} from '../promotion/failback.ts'
import { findRunningExecutions } from '../promotion/otherRegionExecutions.ts'
import { findSecrets } from '../replicas/findSecrets.ts'
import { chooseStack, placeOf, type Stack } from '../stack.ts'

/**
 * Runs `failback --check`: compares the secrets that were promoted in this Region with what is left of them in the Region that
 * was lost and is back (`--to`). It changes nothing.
 */
export async function runFailbackCommand(
  context: Context,
  ids: string[],
  options: FailbackOptions,
): Promise<ExitCode> {
  const regionBack = requireCheckedRegion(options)
  const stack = await chooseStack(context)
  const here = placeOf(stack).region
  if (regionBack === here)
    throw usageError(
      `--to names ${here}, where the stack ${sanitize(stack.name)} is`,
      'Run this command for the Region that has taken over: name that with --region.',
    )
  const found = await findPromoted(context, stack, ids, regionBack)
  const executions = found.length ? await findRunningExecutions(context, stack, regionBack) : { running: [] }
  const results = await mapInBatches(found, async secret => ({
    secret: secret.name,
    arn: secret.arn,
    checks: await checkFailback({ context, here, regionBack, executions }, secret),
  }))
  if (context.json) context.output.json({ to: regionBack, secrets: results })
  else if (!results.length)
    context.output.line(`No secret here was promoted in the place of one in ${regionBack}.`)
  else for (const { secret, checks } of results) printChecks(context, secret, checks)
  return results.every(({ checks }) => checks.every(({ ok }) => ok)) ? EXIT.done : EXIT.findings
}

/** The Region of --to. @throws CommandError unless --check and --to are given */
function requireCheckedRegion({ check, to }: FailbackOptions): string {
  if (!check)
    throw usageError(
      'no command overwrites the secret of the Region that is back: what AWS does then is not known',
      'docs/disaster-recovery.md describes the failback step by step. Before each step: keyturn failback --check --to REGION.',
    )
  if (to) return to
  throw usageError('--check needs a Region', 'Name the Region that was lost and is back: --to REGION.')
}

/**
 * The secrets to check: those that the ids name, or all that were promoted here in the place of secrets in the Region that is
 * back.
 * @throws CommandError if an id names no such secret
 */
async function findPromoted(
  context: Context,
  stack: Stack,
  ids: string[],
  regionBack: string,
): Promise<FoundSecret[]> {
  const givenUpTagKey = givenUpTag(regionBack)
  if (!ids.length) {
    const atHome = { tags: [[HOME_TAG, placeOf(stack).region]] as [string, string][], prefix: '' }
    return (await findSecrets(context, stack, atHome)).filter(found => isPromotedFor(found, givenUpTagKey))
  }
  const found = (await mapInBatches([...new Set(ids)], id => findSecrets(context, stack, { id }))).flat()
  const notPromoted = found.find(each => !isPromotedFor(each, givenUpTagKey))
  if (!notPromoted) return found
  throw usageError(
    `${sanitize(notPromoted.name)} was not promoted here in the place of one in ${regionBack}`,
    `Such a secret is at home here, by ${HOME_TAG}, and has the tag ${givenUpTagKey}.`,
  )
}

function printChecks({ output }: Context, secret: string, checks: FailbackCheck[]): void {
  output.line(`secret:${sanitize(secret)}`, 2)
  for (const { check, ok, says, remedy } of checks) {
    const mark = output.styled(ok ? 'green' : 'red', ok ? 'ok ' : 'no ')
    output.line(`  ${mark}  ${check}: ${sanitize(says)}`, 7)
    if (remedy) output.line(`       ${sanitize(remedy)}`, 7)
  }
}

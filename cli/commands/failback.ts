import { givenUpTag, HOME_TAG } from '../../rotation/tags.ts'
import type { Context } from '../context.ts'
import type { FoundSecret } from '../credential.ts'
import { CommandError, EXIT, type ExitCode } from '../exit.ts'
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

/** Looks at what was promoted here, and at what is left of it in the Region that is back. It changes nothing. */
export async function runFailbackCommand(
  context: Context,
  ids: string[],
  options: FailbackOptions,
): Promise<ExitCode> {
  const to = requireCheckedRegion(options)
  const stack = await chooseStack(context)
  const here = placeOf(stack).region
  if (to === here)
    throw new CommandError(
      EXIT.usage,
      `--to names ${here}, where the stack ${sanitize(stack.name)} is`,
      'Call it in the Region that has taken over: --region says which that is.',
    )
  const found = await findPromoted(context, stack, ids, to)
  const executions = found.length ? await findRunningExecutions(context, stack, to) : { running: [] }
  const checked = await mapInBatches(found, async secret => ({
    secret: secret.name,
    arn: secret.arn,
    checks: await checkFailback({ context, here, regionBack: to, executions }, secret),
  }))
  if (context.json) context.output.json({ to, secrets: checked })
  else if (!checked.length) context.output.line(`No secret here was promoted in the place of one in ${to}.`)
  else for (const { secret, checks } of checked) printChecks(context, secret, checks)
  return checked.every(({ checks }) => checks.every(({ ok }) => ok)) ? EXIT.done : EXIT.findings
}

/** @throws CommandError unless it is to look */
function requireCheckedRegion({ check, to }: FailbackOptions): string {
  if (!check)
    throw new CommandError(
      EXIT.usage,
      'no command overwrites the secret of the Region that is back: what AWS does then is not known',
      'docs/disaster-recovery.md has the way back, step by step. Before each step: keyturn failback --check --to REGION.',
    )
  if (to) return to
  throw new CommandError(
    EXIT.usage,
    '--check was given, and no Region',
    'Name the one that was lost and is back: --to REGION.',
  )
}

async function findPromoted(
  context: Context,
  stack: Stack,
  ids: string[],
  to: string,
): Promise<FoundSecret[]> {
  const mark = givenUpTag(to)
  if (!ids.length) {
    const atHome = { tags: [[HOME_TAG, placeOf(stack).region]] as [string, string][], prefix: '' }
    return (await findSecrets(context, stack, atHome)).filter(found => isPromotedFor(found, mark))
  }
  const found = (await mapInBatches([...new Set(ids)], id => findSecrets(context, stack, { id }))).flat()
  const other = found.find(each => !isPromotedFor(each, mark))
  if (!other) return found
  throw new CommandError(
    EXIT.usage,
    `${sanitize(other.name)} was not promoted here in the place of one in ${to}`,
    `Such a secret is at home here, by ${HOME_TAG}, and has the tag ${mark}.`,
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

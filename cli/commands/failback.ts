import { givenUpTag, HOME } from '../../rotation/tags.ts'
import type { Context } from '../context.ts'
import type { FoundSecret } from '../credentialId.ts'
import { CommandError, type ExitCode, exit } from '../exit.ts'
import { inLots } from '../lots.ts'
import { plain } from '../output.ts'
import { type Check, checksOf, type FailbackOptions, isPromotedFor } from '../promotion/failback.ts'
import { executionsIn } from '../promotion/oldExecutions.ts'
import { secretsOf } from '../replicas/chosen.ts'
import { placeOf, type Stack, stackOf } from '../stack.ts'

/** Looks at what was promoted here, and at what is left of it in the Region that is back. It changes nothing. */
export async function failback(context: Context, ids: string[], options: FailbackOptions): Promise<ExitCode> {
  const to = regionOf(options)
  const stack = await stackOf(context)
  const here = placeOf(stack).region
  if (to === here)
    throw new CommandError(
      exit.usage,
      `--to names ${here}, where the stack ${plain(stack.name)} is`,
      'Call it in the Region that has taken over: --region says which that is.',
    )
  const found = await promotedFor(context, stack, ids, to)
  const executions = found.length ? await executionsIn(context, stack, to) : { running: [] }
  const checked = await inLots(found, async secret => ({
    secret: secret.name,
    arn: secret.arn,
    checks: await checksOf({ context, here, to, executions }, secret),
  }))
  if (context.json) context.output.json({ to, secrets: checked })
  else if (!checked.length) context.output.line(`No secret here was promoted in the place of one in ${to}.`)
  else for (const { secret, checks } of checked) show(context, secret, checks)
  return checked.every(({ checks }) => checks.every(({ ok }) => ok)) ? exit.done : exit.findings
}

/** @throws CommandError unless it is to look */
function regionOf({ check, to }: FailbackOptions): string {
  if (!check)
    throw new CommandError(
      exit.usage,
      'no command overwrites the secret of the Region that is back: what AWS does then is not known',
      'docs/disaster-recovery.md has the way back, step by step. Before each step: keyturn failback --check --to REGION.',
    )
  if (to) return to
  throw new CommandError(
    exit.usage,
    '--check was given, and no Region',
    'Name the one that was lost and is back: --to REGION.',
  )
}

async function promotedFor(
  context: Context,
  stack: Stack,
  ids: string[],
  to: string,
): Promise<FoundSecret[]> {
  const mark = givenUpTag(to)
  if (!ids.length) {
    const atHome = { tags: [[HOME, placeOf(stack).region]] as [string, string][], prefix: '' }
    return (await secretsOf(context, stack, atHome)).filter(found => isPromotedFor(found, mark))
  }
  const found = (await inLots([...new Set(ids)], id => secretsOf(context, stack, { id }))).flat()
  const other = found.find(each => !isPromotedFor(each, mark))
  if (!other) return found
  throw new CommandError(
    exit.usage,
    `${plain(other.name)} was not promoted here in the place of one in ${to}`,
    `Such a secret is at home here, by ${HOME}, and has the tag ${mark}.`,
  )
}

function show({ output }: Context, secret: string, checks: Check[]): void {
  output.line(`secret:${plain(secret)}`, 2)
  for (const { check, ok, says, remedy } of checks) {
    const mark = output.styled(ok ? 'green' : 'red', ok ? 'ok ' : 'no ')
    output.line(`  ${mark}  ${check}: ${plain(says)}`, 7)
    if (remedy) output.line(`       ${plain(remedy)}`, 7)
  }
}

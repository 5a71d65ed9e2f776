import type { Context } from '../context.ts'
import { fullId } from '../credentialId.ts'
import { type ExitCode, exit, worst } from '../exit.ts'
import { plain } from '../output.ts'
import type { Outcome } from './run.ts'
import type { Shown } from './step.ts'

/**
 * Tells what became of each credential; `calls` are those that were shown, by its ARN, and `seen` says whether the lines of its
 * check were. @returns the exit code
 */
export function report(
  context: Context,
  outcomes: Outcome[],
  { calls, seen }: { calls: Map<string, Shown[]>; seen: boolean },
): ExitCode {
  const { output, json } = context
  if (json)
    output.json({
      credentials: outcomes.map(({ arn, code, ...outcome }) => ({
        ...outcome,
        ...(arn !== undefined && { arn, calls: calls.get(arn) ?? [] }),
        exitCode: code,
      })),
    })
  for (const outcome of outcomes) tell(context, seen && !json ? withoutLines(outcome) : outcome)
  if (!json && outcomes.length > 1) output.line(summaryOf(outcomes))
  return worst(outcomes.map(({ code }) => code))
}

/** Without what stands in the lines of its check. */
function withoutLines(outcome: Outcome): Outcome {
  if (outcome.checked?.result !== 'failed') return outcome
  const { remedy: _, ...others } = outcome
  return { ...others, says: outcome.says.split(': ')[0] ?? '' }
}

function tell({ output, json }: Context, outcome: Outcome): void {
  const { store, id, code, says, remedy, undone, stays, left } = outcome
  const about = store ? fullId(store, id) : plain(id)
  if (code === exit.done) {
    if (!json) output.line(`${output.styled('green', 'ok')}  ${about}: ${plain(says)}`, 4)
    return
  }
  output.error({ message: `${about}: ${says}`, remedy })
  if (undone) output.note(`  Taken back: ${undone.join(', ')}.`)
  if (stays) output.note(`  ${stays}.`)
  for (const each of left ?? []) output.note(`  It may still stand: ${each}`)
  if (left) output.note('  The same command again goes on; keyturn unenrol takes it all back.')
}

function summaryOf(outcomes: Outcome[]): string {
  const counts = Map.groupBy(outcomes, ({ result }) => result)
  return `${[...counts].map(([result, those]) => `${those.length} ${result}`).join(', ')}.`
}

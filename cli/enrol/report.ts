import type { Context } from '../context.ts'
import { fullId } from '../credential.ts'
import { EXIT, type ExitCode, worstExitCode } from '../exit.ts'
import { sanitize } from '../output.ts'
import type { EnrolOutcome } from './enrolOne.ts'
import type { ShownCall } from './step.ts'

/**
 * Tells what became of each credential; `calls` are those that were shown, by its ARN, and `seen` says whether the lines of its
 * check were. @returns the exit code
 */
export function reportEnrolments(
  context: Context,
  outcomes: EnrolOutcome[],
  { calls, seen }: { calls: Map<string, ShownCall[]>; seen: boolean },
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
  for (const outcome of outcomes) printOutcome(context, seen && !json ? withoutLines(outcome) : outcome)
  if (!json && outcomes.length > 1) output.line(summaryOf(outcomes))
  return worstExitCode(outcomes.map(({ code }) => code))
}

/** Without what stands in the lines of its check. */
function withoutLines(outcome: EnrolOutcome): EnrolOutcome {
  if (outcome.checked?.result !== 'failed') return outcome
  const { remedy: _, ...others } = outcome
  return { ...others, says: outcome.says.split(': ')[0] ?? '' }
}

function printOutcome({ output, json }: Context, outcome: EnrolOutcome): void {
  const { store, id, code, says, remedy, undone, stays, left } = outcome
  const about = store ? fullId(store, id) : sanitize(id)
  if (code === EXIT.done) {
    if (!json) output.line(`${output.styled('green', 'ok')}  ${about}: ${sanitize(says)}`, 4)
    return
  }
  output.error({ message: `${about}: ${says}`, remedy })
  if (undone) output.note(`  Taken back: ${undone.join(', ')}.`)
  if (stays) output.note(`  ${stays}.`)
  for (const each of left ?? []) output.note(`  It may still stand: ${each}`)
  if (left) output.note('  The same command again goes on; keyturn unenrol takes it all back.')
}

function summaryOf(outcomes: EnrolOutcome[]): string {
  const counts = Map.groupBy(outcomes, ({ result }) => result)
  return `${[...counts].map(([result, those]) => `${those.length} ${result}`).join(', ')}.`
}

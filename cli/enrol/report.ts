import type { Context } from '../context.ts'
import { fullId } from '../credential.ts'
import { EXIT, type ExitCode, worstExitCode } from '../exit.ts'
import { sanitize } from '../output.ts'
import type { EnrolOutcome } from './enrolOne.ts'
import type { ShownCall } from './step.ts'

/**
 * Prints the outcome for each credential.
 * @param calls the planned calls of each credential by its ARN, for --json
 * @param isCheckShown whether the lines of the check were printed before: then the outcome does not repeat them
 * @returns the worst of the outcomes' exit codes
 */
export function reportEnrolments(
  context: Context,
  outcomes: EnrolOutcome[],
  { calls, isCheckShown }: { calls: Map<string, ShownCall[]>; isCheckShown: boolean },
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
  for (const outcome of outcomes)
    printOutcome(context, isCheckShown && !json ? withoutCheckTexts(outcome) : outcome)
  if (!json && outcomes.length > 1) output.line(summaryOf(outcomes))
  return worstExitCode(outcomes.map(({ code }) => code))
}

/** The outcome of a failed check, without the text and the remedy of the line that failed. Any other outcome is unchanged. */
function withoutCheckTexts(outcome: EnrolOutcome): EnrolOutcome {
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
  if (undone) output.note(`  Undone: ${undone.join(', ')}.`)
  if (stays) output.note(`  ${stays}.`)
  for (const each of left ?? []) output.note(`  Perhaps not undone: ${each}`)
  if (left) output.note('  Run the same command again to go on, or keyturn unenrol to undo everything.')
}

function summaryOf(outcomes: EnrolOutcome[]): string {
  const counts = Map.groupBy(outcomes, ({ result }) => result)
  return `${[...counts].map(([result, those]) => `${those.length} ${result}`).join(', ')}.`
}

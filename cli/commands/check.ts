import type { CheckResult } from '../../rotation/check/line.ts'
import { isAdmin, isManaged } from '../../rotation/tags.ts'
import { type ExplainedFailure, explainFailure } from '../awsErrors.ts'
import { isRotatedByStack } from '../beginRotation.ts'
import { checkResultText, printCheckLines, remedyIn } from '../check/print.ts'
import { checkCredential, checkStateMachineArn } from '../check/run.ts'
import type { Context } from '../context.ts'
import { type FoundCredential, fullId } from '../credential.ts'
import { CommandError, EXIT, type ExitCode, worstExitCode } from '../exit.ts'
import { findCredential } from '../findCredential.ts'
import { listenForInterrupt } from '../interrupt.ts'
import { mapInBatches } from '../mapInBatches.ts'
import { sanitize } from '../output.ts'
import { chooseStack, type Stack } from '../stack.ts'

/** What became of the check of one credential. */
type CheckOutcome = { found: FoundCredential } & ({ code: ExitCode; checked: CheckResult } | ExplainedFailure)

/** Whether rotations would go well, a line for each thing that a rotation needs. Nothing is changed. */
export async function runCheckCommand(context: Context, ids: string[]): Promise<ExitCode> {
  const stack = await chooseStack(context)
  checkStateMachineArn(stack)
  const found = await Promise.all([...new Set(ids)].map(id => findCredential(context, stack, id)))
  const each = [...new Map(found.map(one => [one.arn, one])).values()]
  const signal = listenForInterrupt()
  const slow = noteOnce(context)
  const outcomes = await mapInBatches(
    each,
    one => checkOne(context, stack, one, signal, slow),
    (count, all) => {
      if (context.output.isInteractive && !context.json && count < all)
        context.output.progress(`${count} of ${all} checked`)
    },
  )
  report(context, outcomes)
  return worstExitCode(outcomes.map(({ code }) => code))
}

/** Several may be slow at once, and it is said once. */
function noteOnce({ output, json }: Context): (text: string) => void {
  let said = false
  return text => {
    if (said || json) return
    said = true
    output.note(text)
  }
}

async function checkOne(
  context: Context,
  stack: Stack,
  found: FoundCredential,
  signal: AbortSignal,
  slow: (text: string) => void,
): Promise<CheckOutcome> {
  try {
    signal.throwIfAborted()
    requireEnrolled(stack, found)
    const checked = await checkCredential(context, stack, found, signal, slow)
    return { found, checked, code: checked.result === 'failed' ? EXIT.findings : EXIT.done }
  } catch (error) {
    if (signal.aborted)
      return {
        ...{ found, code: EXIT.stopped, says: 'not looked at any more' },
        remedy: 'The check goes on and changes nothing.',
      }
    return { found, ...explainFailure(error) }
  }
}

/** What the function would be refused to look at, whose tags tell it here. @throws CommandError */
function requireEnrolled(stack: Stack, found: FoundCredential): void {
  const { tags, store, name } = found
  if (isManaged(tags) || (store === 'secrets-manager' && isRotatedByStack(stack, found))) return
  const enrols = `keyturn enrol ${fullId(store, name)}`
  if (isAdmin(tags))
    throw new CommandError(
      EXIT.findings,
      "it is an admin's secret, and not enrolled itself",
      `Check the secrets that name it. If it is to rotate too: ${enrols}`,
    )
  throw new CommandError(EXIT.findings, 'it is not enrolled', `To enrol it: ${enrols}`)
}

function report({ output, json }: Context, outcomes: CheckOutcome[]): void {
  if (json) output.json({ checks: outcomes.map(documentOf) })
  for (const outcome of outcomes) {
    const { found } = outcome
    if (!('checked' in outcome)) {
      output.error({ message: `${found.name}: ${outcome.says}`, remedy: outcome.remedy })
      continue
    }
    if (json) continue
    if (outcomes.length > 1) output.line(output.styled('bold', sanitize(found.name)))
    printCheckLines(output, outcome.checked.lines)
    output.line(sanitize(checkResultText(outcome.checked)))
    if (outcomes.length > 1) output.line()
  }
}

function documentOf({ found: { store, name }, code: exitCode, ...outcome }: CheckOutcome): object {
  const about = { store, id: name }
  if (!('checked' in outcome)) return { ...about, ...outcome, exitCode }
  const { checked } = outcome
  const lines = checked.lines.map(line => {
    const remedy = remedyIn(line)
    return { ...line, ...(remedy && { remedy }) }
  })
  return { ...checked, ...about, lines, exitCode }
}

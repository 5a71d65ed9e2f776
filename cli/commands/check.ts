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

/** The result of the check of one credential, or why there is none. */
type CheckOutcome = { found: FoundCredential } & ({ code: ExitCode; checked: CheckResult } | ExplainedFailure)

/** Runs `check`: whether the next rotation of each credential would succeed, a line for each condition. Nothing is changed. */
export async function runCheckCommand(context: Context, ids: string[]): Promise<ExitCode> {
  const stack = await chooseStack(context)
  // Throws for a stack that is too old for checks, before anything is looked up.
  checkStateMachineArn(stack)
  const found = await Promise.all([...new Set(ids)].map(id => findCredential(context, stack, id)))
  // Two ids may name the same credential.
  const distinct = [...new Map(found.map(credential => [credential.arn, credential])).values()]
  const signal = listenForInterrupt()
  const onSlow = noteOnce(context)
  const outcomes = await mapInBatches(
    distinct,
    credential => checkOne(context, stack, credential, signal, onSlow),
    (count, all) => {
      if (context.output.isInteractive && !context.json && count < all)
        context.output.progress(`${count} of ${all} checked`)
    },
  )
  report(context, outcomes)
  return worstExitCode(outcomes.map(({ code }) => code))
}

/** A function that prints the first note it gets, and no other: several checks may be slow at the same time. */
function noteOnce({ output, json }: Context): (text: string) => void {
  let hasNoted = false
  return text => {
    if (hasNoted || json) return
    hasNoted = true
    output.note(text)
  }
}

async function checkOne(
  context: Context,
  stack: Stack,
  found: FoundCredential,
  signal: AbortSignal,
  onSlow: (text: string) => void,
): Promise<CheckOutcome> {
  try {
    signal.throwIfAborted()
    requireEnrolled(stack, found)
    const checked = await checkCredential(context, stack, found, signal, onSlow)
    return { found, checked, code: checked.result === 'failed' ? EXIT.findings : EXIT.done }
  } catch (error) {
    if (signal.aborted)
      return {
        found,
        code: EXIT.stopped,
        says: 'stopped waiting',
        remedy: 'The check goes on and changes nothing.',
      }
    return { found, ...explainFailure(error) }
  }
}

/**
 * Refuses a credential that is not enrolled before its check starts: the function that checks may only read enrolled ones.
 * @throws CommandError
 */
function requireEnrolled(stack: Stack, found: FoundCredential): void {
  const { tags, store, name } = found
  if (isManaged(tags) || (store === 'secrets-manager' && isRotatedByStack(stack, found))) return
  const enrolCommand = `keyturn enrol ${fullId(store, name)}`
  if (isAdmin(tags))
    throw new CommandError(
      EXIT.findings,
      "it is an admin's secret, and not enrolled itself",
      `Check the secrets that name it as their admin. If it is to rotate too: ${enrolCommand}`,
    )
  throw new CommandError(EXIT.findings, 'it is not enrolled', `To enrol it: ${enrolCommand}`)
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

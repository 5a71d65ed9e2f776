import type { CheckResult } from '../../rotation/check/line.ts'
import { checkResultText, printCheckLines } from '../check/print.ts'
import { confirm } from '../confirm.ts'
import type { Context } from '../context.ts'
import { type FoundCredential, type FoundSecret, fullId } from '../credential.ts'
import { CommandError, usageError } from '../exit.ts'
import { sanitize } from '../output.ts'
import { parseOutput, runExecution } from '../runExecution.ts'
import { outputOf, type Stack } from '../stack.ts'
import type { Say } from '../watch/runJobs.ts'
import { checkAfterTagging, retryUntilTagSeen } from './checkAfterTagging.ts'
import type { EnrolWork } from './enrolOne.ts'
import type { AdminSetter } from './setAdmin.ts'

/** Settings of the work that the command's context does not have. */
type WorkSettings = {
  signal: AbortSignal
  /** Whether --yes has confirmed the warnings. */
  yes: boolean
  /** Whether the lines of each check are shown. */
  showsLines: boolean
}

/** Makes the work of `enrolOne` from the stack and the terminal. */
export function makeEnrolWork(
  context: Context,
  stack: Stack,
  { signal, yes, showsLines }: WorkSettings,
): EnrolWork {
  let lastQuestion: Promise<void> = Promise.resolve()
  const confirmWarnings = async (found: FoundCredential, checked: CheckResult, asks: boolean) => {
    if (showsLines) printCheck(context, checked)
    if (!asks || yes) return
    // Several credentials are enrolled at the same time: their questions are put one after the other.
    lastQuestion = lastQuestion
      .catch(() => {})
      .then(() => confirmWarningsOf(context, found, checked, showsLines))
    return lastQuestion
  }
  return {
    signal,
    check: (found, say) => checkAfterTagging(context, stack, found, signal, say),
    confirmWarnings,
  }
}

/** Prints the lines of a check, and its result unless it failed. */
function printCheck({ output, json }: Context, checked: CheckResult): void {
  if (json) return
  printCheckLines(output, checked.lines)
  // A failure is printed by the report at the end, which knows what was undone.
  if (checked.result !== 'failed') output.line(sanitize(checkResultText(checked)))
}

/** Has the user confirm the warnings of a check. @param isShown whether the check was printed before */
async function confirmWarningsOf(
  context: Context,
  found: FoundCredential,
  checked: CheckResult,
  isShown: boolean,
): Promise<void> {
  if (!isShown) printCheck(context, checked)
  const details = [`The check of ${fullId(found.store, found.name)} has warnings.`]
  await confirm(context, { details, flag: '--yes', isConfirmed: false }).catch(error => {
    if (error instanceof CommandError) throw usageError('its warnings were not confirmed')
    throw error
  })
}

/** Makes a function that has the stack's state machine set-admin store an admin's ARN in a value. */
export function makeAdminSetter(
  context: Context,
  stack: Stack,
  signal: AbortSignal,
): AdminSetter['setAdmin'] {
  return async (found: FoundCredential, admin: FoundSecret, onSlow: Say) => {
    const machine = outputOf(stack, 'SetAdminStateMachineArn')
    const runOptions = {
      signal,
      onSlow,
      input: { admin: admin.arn },
      failureText: 'the value does not name this admin',
    }
    const storeAdmin = () => runExecution(context, machine, found, runOptions)
    const end = await retryUntilTagSeen(storeAdmin, () => false, signal, onSlow)
    const { outcome } = (parseOutput(end.output) ?? {}) as { outcome?: unknown }
    return { outcome: outcome === 'already' ? 'already' : 'set' }
  }
}

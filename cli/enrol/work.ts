import type { CheckResult } from '../../rotation/check/line.ts'
import { checkResultText, printCheckLines } from '../check/print.ts'
import { confirm } from '../confirm.ts'
import type { Context } from '../context.ts'
import { type FoundCredential, type FoundSecret, fullId } from '../credential.ts'
import { CommandError, EXIT } from '../exit.ts'
import { sanitize } from '../output.ts'
import { parseOutput, runExecution } from '../runExecution.ts'
import { outputOf, type Stack } from '../stack.ts'
import type { Say } from '../watch/runJobs.ts'
import { checkAfterTagging, retryUntilTagSeen } from './checkAfterTagging.ts'
import type { EnrolWork } from './enrolOne.ts'
import type { AdminSetter } from './setAdmin.ts'

type WorkSettings = {
  signal: AbortSignal
  /** Whether warnings are confirmed already. */
  yes: boolean
  /** Whether the lines of each check are shown. */
  shows: boolean
}

/** What enrolling works with at a terminal, in a pipe, or for a program. */
export function makeEnrolWork(
  context: Context,
  stack: Stack,
  { signal, yes, shows }: WorkSettings,
): EnrolWork {
  let asking: Promise<void> = Promise.resolve()
  const accept = async (found: FoundCredential, checked: CheckResult, asks: boolean) => {
    if (shows) show(context, checked)
    if (!asks || yes) return
    // One question after the other.
    asking = asking.catch(() => {}).then(() => askAbout(context, found, checked, shows))
    return asking
  }
  return {
    signal,
    check: (found, say) => checkAfterTagging(context, stack, found, signal, say),
    confirmWarnings: accept,
  }
}

function show({ output, json }: Context, checked: CheckResult): void {
  if (json) return
  printCheckLines(output, checked.lines)
  // Of one that fails the report tells, which knows what was taken back.
  if (checked.result !== 'failed') output.line(sanitize(checkResultText(checked)))
}

async function askAbout(
  context: Context,
  found: FoundCredential,
  checked: CheckResult,
  shown: boolean,
): Promise<void> {
  if (!shown) show(context, checked)
  const about = [`The check of ${fullId(found.store, found.name)} has warnings.`]
  await confirm(context, { details: about, flag: '--yes', isConfirmed: false }).catch(error => {
    if (error instanceof CommandError) throw new CommandError(EXIT.usage, 'its warnings were not confirmed')
    throw error
  })
}

/** What stores an admin in a value. */
export function makeAdminSetter(
  context: Context,
  stack: Stack,
  signal: AbortSignal,
): AdminSetter['setAdmin'] {
  return async (found: FoundCredential, admin: FoundSecret, slow: Say) => {
    const machine = outputOf(stack, 'SetAdminStateMachineArn')
    const about = { signal, slow, input: { admin: admin.arn }, fails: 'the value does not name this admin' }
    const set = () => runExecution(context, machine, found, about)
    const end = await retryUntilTagSeen(set, () => false, signal, slow)
    const { outcome } = (parseOutput(end.output) ?? {}) as { outcome?: unknown }
    return { outcome: outcome === 'already' ? 'already' : 'set' }
  }
}

import type { Checked } from '../../rotation/check/line.ts'
import { printLines, resultSays } from '../check/print.ts'
import { confirm } from '../confirm.ts'
import type { Context } from '../context.ts'
import { type Found, type FoundSecret, fullId } from '../credentialId.ts'
import { CommandError, exit } from '../exit.ts'
import { plain } from '../output.ts'
import { jsonIn, runExecution } from '../runExecution.ts'
import { outputOf, type Stack } from '../stack.ts'
import type { Say } from '../watch/view.ts'
import { checkAdmitted, untilSeen } from './admitted.ts'
import type { Work } from './run.ts'
import type { SetsAdmin } from './setAdmin.ts'

type Settings = {
  signal: AbortSignal
  /** Whether warnings are confirmed already. */
  yes: boolean
  /** Whether the lines of each check are shown. */
  shows: boolean
}

/** What enrolling works with at a terminal, in a pipe, or for a program. */
export function workOf(context: Context, stack: Stack, { signal, yes, shows }: Settings): Work {
  let asking: Promise<void> = Promise.resolve()
  const accept = async (found: Found, checked: Checked, asks: boolean) => {
    if (shows) show(context, checked)
    if (!asks || yes) return
    // One question after the other.
    asking = asking.catch(() => {}).then(() => askAbout(context, found, checked, shows))
    return asking
  }
  return { signal, check: (found, say) => checkAdmitted(context, stack, found, signal, say), accept }
}

function show({ output, json }: Context, checked: Checked): void {
  if (json) return
  printLines(output, checked.lines)
  // Of one that fails the report tells, which knows what was taken back.
  if (checked.result !== 'failed') output.line(plain(resultSays(checked)))
}

async function askAbout(context: Context, found: Found, checked: Checked, shown: boolean): Promise<void> {
  if (!shown) show(context, checked)
  const about = [`The check of ${fullId(found.store, found.name)} has warnings.`]
  await confirm(context, { about, flag: '--yes', given: false }).catch(error => {
    if (error instanceof CommandError) throw new CommandError(exit.usage, 'its warnings were not confirmed')
    throw error
  })
}

/** What stores an admin in a value. */
export function settingAdmin(context: Context, stack: Stack, signal: AbortSignal): SetsAdmin['setAdmin'] {
  return async (found: Found, admin: FoundSecret, slow: Say) => {
    const machine = outputOf(stack, 'SetAdminStateMachineArn')
    const about = { signal, slow, input: { admin: admin.arn }, fails: 'the value does not name this admin' }
    const set = () => runExecution(context, machine, found, about)
    const end = await untilSeen(set, () => false, signal, slow)
    const { outcome } = (jsonIn(end.output) ?? {}) as { outcome?: unknown }
    return { outcome: outcome === 'already' ? 'already' : 'set' }
  }
}

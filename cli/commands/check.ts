import type { Checked } from '../../rotation/check/line.ts'
import { isAdmin, isManaged } from '../../rotation/tags.ts'
import { type Failed, failedBy } from '../awsErrors.ts'
import { isRotatedBy } from '../begin.ts'
import { printLines, remedyIn, resultSays } from '../check/print.ts'
import { checkMachineOf, runCheck } from '../check/run.ts'
import type { Context } from '../context.ts'
import { type Found, fullId } from '../credentialId.ts'
import { CommandError, type ExitCode, exit, worst } from '../exit.ts'
import { findCredential } from '../findCredential.ts'
import { interruption } from '../interrupt.ts'
import { inLots } from '../lots.ts'
import { plain } from '../output.ts'
import { type Stack, stackOf } from '../stack.ts'

/** What became of the check of one credential. */
type Outcome = { found: Found } & ({ code: ExitCode; checked: Checked } | Failed)

/** Whether rotations would go well, a line for each thing that a rotation needs. Nothing is changed. */
export async function check(context: Context, ids: string[]): Promise<ExitCode> {
  const stack = await stackOf(context)
  checkMachineOf(stack)
  const found = await Promise.all([...new Set(ids)].map(id => findCredential(context, stack, id)))
  const each = [...new Map(found.map(one => [one.arn, one])).values()]
  const signal = interruption()
  const slow = slowOnce(context)
  const outcomes = await inLots(
    each,
    one => checkOne(context, stack, one, signal, slow),
    (count, all) => {
      if (context.output.live && !context.json && count < all)
        context.output.passing(`${count} of ${all} checked`)
    },
  )
  report(context, outcomes)
  return worst(outcomes.map(({ code }) => code))
}

/** Several may be slow at once, and it is said once. */
function slowOnce({ output, json }: Context): (text: string) => void {
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
  found: Found,
  signal: AbortSignal,
  slow: (text: string) => void,
): Promise<Outcome> {
  try {
    signal.throwIfAborted()
    refuseForeign(stack, found)
    const checked = await runCheck(context, stack, found, signal, slow)
    return { found, checked, code: checked.result === 'failed' ? exit.findings : exit.done }
  } catch (error) {
    if (signal.aborted)
      return {
        ...{ found, code: exit.stopped, says: 'not looked at any more' },
        remedy: 'The check goes on and changes nothing.',
      }
    return { found, ...failedBy(error) }
  }
}

/** What the function would be refused to look at, whose tags tell it here. @throws CommandError */
function refuseForeign(stack: Stack, found: Found): void {
  const { tags, store, name } = found
  if (isManaged(tags) || (store === 'secrets-manager' && isRotatedBy(stack, found))) return
  const enrols = `keyturn enrol ${fullId(store, name)}`
  if (isAdmin(tags))
    throw new CommandError(
      exit.findings,
      "it is an admin's secret, and not enrolled itself",
      `Check the secrets that name it. If it is to rotate too: ${enrols}`,
    )
  throw new CommandError(exit.findings, 'it is not enrolled', `To enrol it: ${enrols}`)
}

function report({ output, json }: Context, outcomes: Outcome[]): void {
  if (json) output.json({ checks: outcomes.map(documentOf) })
  for (const outcome of outcomes) {
    const { found } = outcome
    if (!('checked' in outcome)) {
      output.error({ message: `${found.name}: ${outcome.says}`, remedy: outcome.remedy })
      continue
    }
    if (json) continue
    if (outcomes.length > 1) output.line(output.styled('bold', plain(found.name)))
    printLines(output, outcome.checked.lines)
    output.line(plain(resultSays(outcome.checked)))
    if (outcomes.length > 1) output.line()
  }
}

function documentOf({ found: { store, name }, code: exitCode, ...outcome }: Outcome): object {
  const about = { store, id: name }
  if (!('checked' in outcome)) return { ...about, ...outcome, exitCode }
  const { checked } = outcome
  const lines = checked.lines.map(line => {
    const remedy = remedyIn(line)
    return { ...line, ...(remedy && { remedy }) }
  })
  return { ...checked, ...about, lines, exitCode }
}

import { strategyIn } from '../../rotation/tags.ts'
import { explainFailure } from '../awsErrors.ts'
import { confirm } from '../confirm.ts'
import type { Context } from '../context.ts'
import { type FoundCredential, fullId } from '../credential.ts'
import { CredentialCalls } from '../enrol/calls.ts'
import { shownCallText } from '../enrol/step.ts'
import { CommandError, EXIT, type ExitCode } from '../exit.ts'
import { findCredential } from '../findCredential.ts'
import { listenForInterrupt } from '../interrupt.ts'
import { sanitize } from '../output.ts'
import { chooseStack, type Stack } from '../stack.ts'
import { planUnenrolment, type UnenrolPlan } from '../unenrol/plan.ts'
import { findAdminArn, findWhyTagsStay } from '../unenrol/running.ts'

type UnenrolOptions = { dryRun?: true; yes?: true }
/** The result of the command. --json prints all of it; without --json the user reads `says` and `remedy`. */
type UnenrolOutcome = {
  code: ExitCode
  result: 'unenrolled' | 'unchanged' | 'planned' | 'waiting'
  says: string
  remedy?: string
}

/**
 * Runs `unenrol`: Keyturn stops rotating a credential. The credential's schedule ends, or is given back to the rotation function
 * that it had before, and its tags are removed. Its value stays. Every call is idempotent: after a failure, the same command
 * goes on.
 */
export async function runUnenrolCommand(
  context: Context,
  id: string,
  { dryRun, yes }: UnenrolOptions,
): Promise<ExitCode> {
  const stack = await chooseStack(context)
  const found = await findCredential(context, stack, id)
  const whyTagsStay = await findWhyTagsStay(context, stack, found)
  const admin = strategyIn(found.tags) ? await findAdminArn(context, stack, found) : undefined
  const plan = planUnenrolment({ stack, calls: await CredentialCalls.of(context), found, whyTagsStay, admin })
  const previewLines = previewOf(found, plan, whyTagsStay)
  if (dryRun && !context.json) for (const line of previewLines) context.output.line(line, 4)
  if (!dryRun && plan.steps.length) {
    await confirm(context, { details: previewLines, flag: '--yes', isConfirmed: yes === true })
    await runSteps(context, found, plan)
  }
  const outcome = dryRun && plan.steps.length ? PLANNED : outcomeOf(stack, found, plan, whyTagsStay)
  report(context, found, plan, outcome)
  return outcome.code
}

function previewOf(
  { store, name }: FoundCredential,
  { steps, notes }: UnenrolPlan,
  whyTagsStay: string | undefined,
): string[] {
  const id = fullId(store, name)
  return [
    `${id}: ${steps.length} ${steps.length === 1 ? 'call' : 'calls'}`,
    ...(steps.length ? notes.map(note => `  ${note}`) : []),
    ...(whyTagsStay ? [`  The rest has to wait: ${sanitize(whyTagsStay)}.`] : []),
    ...steps.map(({ shownCall }) => `  ${shownCallText(shownCall)}`),
  ]
}

async function runSteps(context: Context, { name }: FoundCredential, { steps }: UnenrolPlan): Promise<void> {
  const signal = listenForInterrupt()
  const say = (text: string) => {
    if (!context.json)
      context.output.line(`${new Date().toISOString().slice(11, 19)} ${sanitize(name)}: ${sanitize(text)}`, 2)
  }
  const repeatText = 'Run the same command again to go on.'
  for (const step of steps) {
    if (signal.aborted)
      throw new CommandError(EXIT.stopped, `${sanitize(name)}: stopped before its end`, repeatText)
    await step.run(say).catch(error => {
      // After Unsure it is not known whether the call was done. As every call is idempotent, the remedy is the same: to repeat.
      const { code, says, remedy = '' } = explainFailure(error.name === 'Unsure' ? error.cause : error)
      throw new CommandError(code, `${sanitize(name)}: ${says}`, `${remedy} ${repeatText}`.trim(), error)
    })
  }
}

const PLANNED: UnenrolOutcome = { code: EXIT.done, result: 'planned', says: 'nothing was changed yet' }

function outcomeOf(
  { stage }: Stack,
  found: FoundCredential,
  { steps }: UnenrolPlan,
  whyTagsStay: string | undefined,
): UnenrolOutcome {
  if (whyTagsStay)
    return {
      code: EXIT.stopped,
      result: 'waiting',
      says: `no new rotation will begin, but the tags have to stay for now: ${whyTagsStay}`,
      remedy: `Then repeat: keyturn unenrol ${fullId(found.store, found.name)} --stage ${sanitize(stage)}`,
    }
  if (!steps.length)
    return { code: EXIT.done, result: 'unchanged', says: 'was not enrolled: there is nothing to do' }
  return { code: EXIT.done, result: 'unenrolled', says: 'is no longer rotated by Keyturn' }
}

function report(
  { output, json }: Context,
  { store, name, arn }: FoundCredential,
  { steps }: UnenrolPlan,
  outcome: UnenrolOutcome,
): void {
  const { code, says, remedy } = outcome
  const calls = steps.map(({ shownCall }) => shownCall)
  if (json) {
    const { code: exitCode, ...rest } = outcome
    output.json({ store, id: name, arn, calls, ...rest, exitCode })
  } else if (code === EXIT.done)
    output.line(`${output.styled('green', 'ok')}  ${fullId(store, name)}: ${says}`, 4)
  if (code !== EXIT.done) output.error({ message: `${name}: ${says}`, remedy })
}

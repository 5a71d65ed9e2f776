import { fetchHistory } from '../../fleet/records/history.ts'
import type { RotationRecord } from '../../fleet/records/rotationRecord.ts'
import type { Context } from '../context.ts'
import { describeCredential } from '../credential.ts'
import { EXIT, type ExitCode } from '../exit.ts'
import { formatTime, sanitize } from '../output.ts'
import { recordTableOf } from '../recordTable.ts'
import { executionLink, idOf, outcomeText, retirementText, usersText } from '../recordTexts.ts'
import { chooseStack } from '../stack.ts'
import { HistoryReader, type RotationStep } from '../watch/historyReader.ts'
import { STATE_TEXTS } from '../watch/stateTexts.ts'

/** The options of `history`: only the latest rotation with its steps, and how many rotations at most. */
export type HistoryOptions = { last?: true; most: number }

/** Runs `history`: the recorded rotations of a credential, the latest first; or only the latest, step by step. */
export async function runHistoryCommand(
  context: Context,
  id: string,
  { last, most }: HistoryOptions,
): Promise<ExitCode> {
  const { output, json } = context
  const stack = await chooseStack(context)
  const { store, arn, name } = await describeCredential(context, stack, id)
  const table = await recordTableOf(context, stack)
  const records = await table.listRotations(store, arn, name, last ? 1 : most)
  const [latest] = records
  const steps = last && latest ? await readSteps(context, latest) : undefined
  if (json) output.json({ store, name, arn, rotations: records, ...(steps && { steps }) })
  else if (!latest)
    output.line(`No rotation of ${idOf({ store, name, id: name })} is known; records are kept for 400 days.`)
  else if (steps) printWithSteps(context, latest, steps)
  else for (const record of records) printRecord(context, record)
  return EXIT.done
}

function printRecord({ output }: Context, record: RotationRecord): void {
  output.line(`${formatTime(new Date(record.began))}  ${outcomeText(record)}`, 2)
  const more = [
    record.reason && sanitize(record.reason),
    usersText(record),
    retirementText(record),
    executionLink(record),
  ]
  for (const line of more) if (line) output.line(`  ${line}`, 2)
}

/**
 * The steps of a rotation, from the history of its execution. Empty if that is gone: Step Functions keeps it for 90 days.
 * @see https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
 */
async function readSteps({ clients }: Context, { execution }: RotationRecord): Promise<RotationStep[]> {
  const reader = new HistoryReader()
  const events = await fetchHistory(await clients.stepFunctions(), execution)
  return events.flatMap(event => reader.read(event) ?? [])
}

function printWithSteps(context: Context, record: RotationRecord, steps: RotationStep[]): void {
  const { output } = context
  printRecord(context, record)
  if (!steps.length)
    output.line('  Its steps are not known any more: Step Functions keeps them for 90 days.', 2)
  const began = Date.parse(record.began)
  // States without a text are not shown: Choice and Pass states take no time, and those within Rehearse are covered by its text.
  for (const step of steps.filter(({ kind, state }) => kind !== 'entered' || STATE_TEXTS[state])) {
    const after = `+${((step.at.getTime() - began) / 1000).toFixed(1)} s`.padStart(12)
    output.line(`${after}  ${stepText(step)}`, 14)
  }
}

function stepText(step: RotationStep): string {
  const state = sanitize(step.state)
  if (step.kind === 'failed')
    return `${state}: an attempt failed: ${sanitize(`${step.error}: ${step.message}`)}`
  if (step.kind === 'entered') return `${state}: ${STATE_TEXTS[step.state]}`
  const { status, error = '', message = '' } = step
  return status === 'SUCCEEDED' ? 'the end' : sanitize(`the end: ${status} ${error} ${message}`).trim()
}

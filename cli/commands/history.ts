import { historyOf } from '../../fleet/records/history.ts'
import type { RotationRecord } from '../../fleet/records/record.ts'
import type { Context } from '../context.ts'
import { credentialOf } from '../credentialId.ts'
import { type ExitCode, exit } from '../exit.ts'
import { moment, plain } from '../output.ts'
import { idOf, linkOf, outcomeOf, recordsOf, retirementOf, usersOf } from '../records.ts'
import { stackOf } from '../stack.ts'
import { History, type Step } from '../watch/history.ts'
import { doing } from '../watch/texts.ts'

export type HistoryOptions = { last?: true; most: number }

/** Every rotation of a credential that the table knows, the latest first; or the latest alone, step by step. */
export async function history(
  context: Context,
  id: string,
  { last, most }: HistoryOptions,
): Promise<ExitCode> {
  const { output, json } = context
  const stack = await stackOf(context)
  const { store, arn, name } = await credentialOf(context, stack, id)
  const table = await recordsOf(context, stack)
  const records = await table.of(store, arn, name, last ? 1 : most)
  const [latest] = records
  const steps = last && latest ? await stepsOf(context, latest) : undefined
  if (json) output.json({ store, name, arn, rotations: records, ...(steps && { steps }) })
  else if (!latest)
    output.line(
      `No rotation of ${idOf({ store, name, id: name })} is known; the table goes back 400 days at most.`,
    )
  else if (steps) tell(context, latest, steps)
  else for (const record of records) list(context, record)
  return exit.done
}

function list({ output }: Context, record: RotationRecord): void {
  output.line(`${moment(new Date(record.began))}  ${outcomeOf(record)}`, 2)
  const more = [record.reason && plain(record.reason), usersOf(record), retirementOf(record), linkOf(record)]
  for (const line of more) if (line) output.line(`  ${line}`, 2)
}

/** Empty if Step Functions has forgotten the execution, which it does after 90 days. */
async function stepsOf({ clients }: Context, { execution }: RotationRecord): Promise<Step[]> {
  const reader = new History()
  const events = await historyOf(await clients.stepFunctions(), execution)
  return events.flatMap(event => reader.read(event) ?? [])
}

function tell(context: Context, record: RotationRecord, steps: Step[]): void {
  const { output } = context
  list(context, record)
  if (!steps.length)
    output.line('  Its steps are not known any more: Step Functions keeps them for 90 days.', 2)
  const began = Date.parse(record.began)
  // A choice between two ways is passed in no time.
  for (const step of steps.filter(({ kind, state }) => kind !== 'entered' || doing[state])) {
    const after = `+${((step.at.getTime() - began) / 1000).toFixed(1)} s`.padStart(12)
    output.line(`${after}  ${wordsOf(step)}`, 14)
  }
}

function wordsOf(step: Step): string {
  const state = plain(step.state)
  if (step.kind === 'failed') return `${state}: a try failed: ${plain(`${step.error}: ${step.message}`)}`
  if (step.kind === 'entered') return `${state}: ${doing[step.state]}`
  const { status, error = '', message = '' } = step
  return status === 'SUCCEEDED' ? 'the end' : plain(`the end: ${status} ${error} ${message}`).trim()
}

import type { DescribeExecutionOutput } from '@aws-sdk/client-sfn'
import { consoleUrlOf } from '../../fleet/consoleUrl.ts'
import { errorMessageIn } from '../../fleet/executions.ts'
import type { PromotionTable } from '../../fleet/promotion/promotionTable.ts'
import { RotationError } from '../../rotation/errors.ts'
import { explainError } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import { CommandError, EXIT, type ExitCode } from '../exit.ts'
import { sanitize } from '../output.ts'
import type { PromotionInput } from './request.ts'
import { findNoted, type PromotionRow, printRow, rowsOf } from './rows.ts'

/** An execution that has ended. `done` are those that were named and promoted before. */
export type FinishedPromotion = {
  execution: string
  input: PromotionInput
  done: string[]
  joined?: true
  end: DescribeExecutionOutput
}

type Named = { count: number; names: string[] }
/**
 * What the state machine itself says at its end: how many it has promoted, or in a dry run would; how many were before; and of
 * how many it does not know.
 */
type Result = { promoted: number; before: number; unknown: number; failed: Named; warned: Named }

/** Tells what became of each credential, and then of all. */
export async function reportPromotion(
  context: Context,
  table: PromotionTable,
  finished: FinishedPromotion,
): Promise<ExitCode> {
  const { execution, input, joined, end } = finished
  const rows = await rowsIn(context, table, finished)
  const result = end.status === 'SUCCEEDED' ? resultIn(end.output) : undefined
  if (context.json) {
    const { error, cause, status } = end
    const failure = result ? {} : { error, message: errorMessageIn(cause) }
    context.output.json({
      execution,
      ...(joined && { joined }),
      input,
      status,
      ...failure,
      ...result,
      secrets: rows,
    })
  } else for (const row of rows ?? []) printRow(context.output, row)
  if (!result) throw failureOf(finished)
  if (!context.json) summarize(context, input, result, rows)
  if (result.failed.count + result.unknown) return input.dryRun ? EXIT.findings : EXIT.failed
  return result.warned.count ? EXIT.findings : EXIT.done
}

/** Undefined where the caller may not read the table. */
async function rowsIn(
  context: Context,
  table: PromotionTable,
  { execution, input, done, end }: FinishedPromotion,
): Promise<PromotionRow[] | undefined> {
  const wanted = { ...input, ...(input.ids && { ids: [...input.ids, ...done] }) }
  try {
    const noted = await findNoted(table, input.dryRun ? 'rehearsal' : 'promotion', wanted)
    const isOwn = (one: { execution: string }) => one.execution === execution
    // What an earlier run found is of interest where this one has gone through all; and an earlier dry run's is none of it.
    const shown = input.dryRun || end.status !== 'SUCCEEDED' ? noted.filter(isOwn) : noted
    return rowsOf(shown).map(row =>
      row.outcome === 'promoted' && !isOwn(row) ? { ...row, outcome: 'unchanged' as const } : row,
    )
  } catch (error) {
    if (!(error instanceof RotationError)) throw error
    const told = explainError(error)
    const { message } = told instanceof CommandError ? told : error
    context.output.note(
      `The table of promotions cannot be read, so not each credential is told of: ${message}`,
    )
    return undefined
  }
}

function resultIn(output = '{}'): Result {
  const none = { count: 0, names: [] }
  return { promoted: 0, before: 0, unknown: 0, failed: none, warned: none, ...JSON.parse(output) }
}

function summarize(
  { output }: Context,
  { dryRun }: PromotionInput,
  result: Result,
  rows: PromotionRow[] | undefined,
): void {
  const { promoted, failed, warned, unknown } = result
  if (!rows) for (const name of [...failed.names, ...warned.names]) output.line(sanitize(name), 2)
  // The state machine counts those of the Region, whichever were named.
  const before = dryRun ? 0 : (rows?.filter(({ outcome }) => outcome === 'unchanged').length ?? result.before)
  const [good, bad] = dryRun ? ['ready', 'not ready'] : ['promoted', 'failed']
  const parts = [
    `${promoted} ${good}`,
    before && `${before} promoted before`,
    `${failed.count} ${bad}`,
    unknown && `${unknown} of which nothing was noted`,
    warned.count && `${warned.count} with a warning`,
  ]
  output.line(`${parts.filter(Boolean).join(', ')}.`, 2)
  if (failed.count + unknown)
    output.line(
      dryRun
        ? 'Nothing was changed. keyturn replicas --ready shows this again.'
        : 'Mend what is named; the same command again takes what is left.',
    )
}

/** What an execution that did not go through says. */
function failureOf({ execution, input, end }: FinishedPromotion): CommandError {
  const { status, error = status, cause } = end
  const { from } = input
  if (error === 'RegionAnswers')
    return new CommandError(
      EXIT.usage,
      `Secrets Manager in ${from} still answers: nothing was promoted`,
      '--planned has it hand over first, and loses nothing. If its databases are lost though AWS answers there: --lost, by which what it stored last may be lost.',
    )
  const says = sanitize(errorMessageIn(cause) ?? '')
  if (error === 'InvalidInput')
    return new CommandError(EXIT.usage, `nothing was begun: ${says}`, 'See keyturn promote --help.')
  const link = consoleUrlOf(execution) ?? execution
  return new CommandError(
    EXIT.failed,
    `the ${input.dryRun ? 'dry run' : 'promotion'} did not go through: ${error}${says ? `: ${says}` : ''}`,
    `${input.dryRun ? 'Mend its cause, then call it again.' : 'What was promoted by then stays so; the same command again takes what is left.'} ${sanitize(link)}`,
  )
}

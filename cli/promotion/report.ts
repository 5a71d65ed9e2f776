import type { DescribeExecutionOutput } from '@aws-sdk/client-sfn'
import { consoleUrlOf } from '../../fleet/consoleUrl.ts'
import { errorMessageIn } from '../../fleet/errorMessageIn.ts'
import type { NameList } from '../../fleet/nameList.ts'
import type { PromotionTable } from '../../fleet/promotion/promotionTable.ts'
import { RotationError } from '../../rotation/errors.ts'
import { explainError } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import { CommandError, EXIT, type ExitCode, usageError } from '../exit.ts'
import { sanitize } from '../output.ts'
import type { PromotionInput } from './request.ts'
import { findNoted, type PromotionRow, printRow, rowsOf } from './rows.ts'

/**
 * A promotion whose execution has ended. `promotedBefore` has the ARNs of the secrets that the user named and that were promoted
 * before; `joined`: the execution was running before the command was called.
 */
export type FinishedPromotion = {
  execution: string
  input: PromotionInput
  promotedBefore: string[]
  joined?: true
  end: DescribeExecutionOutput
}

/**
 * The output of the state machine: how many secrets it has promoted, or in a dry run would promote; how many were promoted
 * before; for how many it has no outcome; and which have failed, or have warnings, each as `NAME: …` with the reason.
 */
type PromotionResult = {
  promoted: number
  before: number
  unknown: number
  failed: NameList
  warned: NameList
}

/** Prints the outcome for each credential, then a summary. @returns the exit code. @throws CommandError if the execution failed */
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

/** The outcomes from the table of promotions; undefined if the caller may not read the table. */
async function rowsIn(
  context: Context,
  table: PromotionTable,
  { execution, input, promotedBefore, end }: FinishedPromotion,
): Promise<PromotionRow[] | undefined> {
  const filter = { ...input, ...(input.ids && { ids: [...input.ids, ...promotedBefore] }) }
  try {
    const notes = await findNoted(table, input.dryRun ? 'rehearsal' : 'promotion', filter)
    const isOwn = (one: { execution: string }) => one.execution === execution
    // Outcomes of earlier promotions are shown too if this one went through all secrets; those of earlier dry runs never.
    const shown = input.dryRun || end.status !== 'SUCCEEDED' ? notes.filter(isOwn) : notes
    return rowsOf(shown).map(row =>
      row.outcome === 'promoted' && !isOwn(row) ? { ...row, outcome: 'unchanged' as const } : row,
    )
  } catch (error) {
    if (!(error instanceof RotationError)) throw error
    const explained = explainError(error)
    const { message } = explained instanceof CommandError ? explained : error
    context.output.note(
      `The table of promotions cannot be read, so the outcomes of the single credentials are not shown: ${message}`,
    )
    return undefined
  }
}

function resultIn(output = '{}'): PromotionResult {
  const none = { count: 0, names: [] }
  return { promoted: 0, before: 0, unknown: 0, failed: none, warned: none, ...JSON.parse(output) }
}

function summarize(
  { output }: Context,
  { dryRun }: PromotionInput,
  result: PromotionResult,
  rows: PromotionRow[] | undefined,
): void {
  const { promoted, failed, warned, unknown } = result
  if (!rows) for (const text of [...failed.names, ...warned.names]) output.line(sanitize(text), 2)
  // The state machine counts all secrets of the Region that were promoted before; the rows have only those that the user named.
  const promotedBefore = dryRun
    ? 0
    : (rows?.filter(({ outcome }) => outcome === 'unchanged').length ?? result.before)
  const [promotedText, failedText] = dryRun ? ['ready', 'not ready'] : ['promoted', 'failed']
  const parts = [
    `${promoted} ${promotedText}`,
    promotedBefore && `${promotedBefore} promoted before`,
    `${failed.count} ${failedText}`,
    unknown && `${unknown} without an outcome`,
    warned.count && `${warned.count} with a warning`,
  ]
  output.line(`${parts.filter(Boolean).join(', ')}.`, 2)
  if (failed.count + unknown)
    output.line(
      dryRun
        ? 'Nothing was changed. keyturn replicas --ready shows this again.'
        : 'Repair the named causes, then run the same command again: it promotes what is left.',
    )
}

/** The error for an execution that did not succeed. */
function failureOf({ execution, input, end }: FinishedPromotion): CommandError {
  const { status, error = status, cause } = end
  const { from } = input
  if (error === 'RegionAnswers')
    return usageError(
      `Secrets Manager in ${from} still answers: nothing was promoted`,
      'With --planned that Region hands over first, and nothing is lost. If its databases are lost although AWS answers there, use --lost: the latest values of that Region may be lost.',
    )
  const says = sanitize(errorMessageIn(cause) ?? '')
  if (error === 'InvalidInput') return usageError(`nothing was begun: ${says}`, 'See keyturn promote --help.')
  const link = consoleUrlOf(execution) ?? execution
  return new CommandError(
    EXIT.failed,
    `the ${input.dryRun ? 'dry run' : 'promotion'} did not succeed: ${error}${says ? `: ${says}` : ''}`,
    `${input.dryRun ? 'Repair the cause, then run it again.' : 'What was promoted by then stays promoted; the same command again promotes what is left.'} ${sanitize(link)}`,
  )
}

import type { DescribeExecutionOutput } from '@aws-sdk/client-sfn'
import { explainError } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import { waitForExecution } from '../execution.ts'
import { CommandError, EXIT, type ExitCode } from '../exit.ts'
import { listenForInterrupt } from '../interrupt.ts'
import { sanitize } from '../output.ts'
import { confirmPromotion, countFollowing, noteJoined } from '../promotion/confirmPromotion.ts'
import { findRunningPromotion, startPromotion } from '../promotion/execution.ts'
import { PromotionProgress } from '../promotion/progress.ts'
import { reportPromotion } from '../promotion/report.ts'
import {
  makeRequest,
  type PromoteOptions,
  type PromotionRequest,
  refuseContradictions,
} from '../promotion/request.ts'
import { promotionTableOf } from '../promotion/rows.ts'
import { chooseStack } from '../stack.ts'

/**
 * Runs `promote`: makes this Region's replicas of the secrets of a lost Region secrets of their own, or rehearses that. It waits
 * for the end and prints the outcome for each secret. Run again, the command goes on with the secrets that are left; if a
 * promotion is running, the command watches that one.
 */
export async function runPromoteCommand(
  context: Context,
  ids: string[],
  options: PromoteOptions,
): Promise<ExitCode> {
  refuseContradictions(options)
  const stack = await chooseStack(context)
  const request = await makeRequest(context, stack, ids, options)
  if (ids.length && !request.input.ids) return reportPromotedBefore(context, request)
  const { input: requestInput } = request
  const table = await promotionTableOf(context, stack)
  const runningPromotion = await findRunningPromotion(context, stack, requestInput)
  const found = await countFollowing(context, stack, requestInput)
  if (runningPromotion) noteJoined(context, runningPromotion, requestInput)
  else
    await confirmPromotion(context, stack, {
      input: requestInput,
      found,
      isConfirmed: options.confirm !== undefined,
    })
  const signal = listenForInterrupt()
  const execution = runningPromotion?.arn ?? (await startPromotion(context, stack, requestInput))
  if (!runningPromotion && !context.json) context.output.line(`started: ${sanitize(execution)}`, 2)
  const input = runningPromotion?.input ?? requestInput
  const progress = new PromotionProgress(context, table, { execution, input, total: found?.count })
  const end = await watchPromotion(context, execution, signal, progress)
  const promotedBefore = request.alreadyPromoted.map(({ arn }) => arn)
  return reportPromotion(context, table, {
    execution,
    input,
    done: promotedBefore,
    ...(runningPromotion && { joined: true }),
    end,
  })
}

/** Prints the outcome when every secret that was named has been promoted before: nothing is started. */
function reportPromotedBefore({ output, json }: Context, { alreadyPromoted }: PromotionRequest): ExitCode {
  const secrets = alreadyPromoted.map(({ name, arn }) => ({ secret: name, arn, outcome: 'unchanged' }))
  if (json) output.json({ secrets })
  else for (const { secret } of secrets) output.line(`promoted  secret:${sanitize(secret)}, earlier`, 2)
  return EXIT.done
}

/** Waits for the end of the promotion. @throws CommandError if waiting fails or is interrupted; the promotion goes on */
async function watchPromotion(
  context: Context,
  execution: string,
  signal: AbortSignal,
  progress: PromotionProgress,
): Promise<DescribeExecutionOutput> {
  try {
    return await waitForExecution(context, execution, signal, () => progress.show())
  } catch (error) {
    const goesOn = `The promotion goes on: ${sanitize(execution)}. The same command again watches it.`
    if (signal.aborted) throw new CommandError(EXIT.stopped, 'stopped waiting', goesOn)
    const explained = explainError(error)
    if (!(explained instanceof CommandError)) throw error
    throw new CommandError(
      explained.code,
      `the promotion cannot be watched: ${explained.message}`,
      goesOn,
      error,
    )
  }
}

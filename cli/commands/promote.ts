import type { DescribeExecutionOutput } from '@aws-sdk/client-sfn'
import { explainError } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import { waitForExecution } from '../execution.ts'
import { CommandError, EXIT, type ExitCode } from '../exit.ts'
import { listenForInterrupt } from '../interrupt.ts'
import { sanitize } from '../output.ts'
import { confirmPromotion, countReplicas, noteJoined } from '../promotion/confirmPromotion.ts'
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
 * Runs `promote`: turns this Region's replicas of a lost Region's secrets into secrets of their own, or rehearses that. It waits
 * for the end and prints the outcome for each secret. The same command again promotes the secrets that are left; while a promotion
 * is running, it watches that one.
 */
export async function runPromoteCommand(
  context: Context,
  ids: string[],
  options: PromoteOptions,
): Promise<ExitCode> {
  refuseContradictions(options)
  const stack = await chooseStack(context)
  const request = await makeRequest(context, stack, ids, options)
  // All secrets that the user named were promoted before. Without ids in the input, every replica would be promoted.
  if (ids.length && !request.input.ids) return reportPromotedBefore(context, request)
  const { input: requestInput } = request
  const table = await promotionTableOf(context, stack)
  const runningPromotion = await findRunningPromotion(context, stack, requestInput)
  const counts = await countReplicas(context, stack, requestInput)
  if (runningPromotion) noteJoined(context, runningPromotion, requestInput)
  else
    await confirmPromotion(context, stack, {
      input: requestInput,
      counts,
      isConfirmed: options.confirm !== undefined,
    })
  const signal = listenForInterrupt()
  const execution = runningPromotion?.arn ?? (await startPromotion(context, stack, requestInput))
  if (!runningPromotion && !context.json) context.output.line(`started: ${sanitize(execution)}`, 2)
  const input = runningPromotion?.input ?? requestInput
  const progress = new PromotionProgress(context, table, { execution, input, total: counts?.count })
  const end = await watchPromotion(context, execution, signal, progress)
  const promotedBefore = request.promotedBefore.map(({ arn }) => arn)
  return reportPromotion(context, table, {
    execution,
    input,
    promotedBefore,
    ...(runningPromotion && { joined: true }),
    end,
  })
}

/** Prints the outcome when every secret that was named has been promoted before: nothing is started. */
function reportPromotedBefore({ output, json }: Context, { promotedBefore }: PromotionRequest): ExitCode {
  const secrets = promotedBefore.map(({ name, arn }) => ({ secret: name, arn, outcome: 'unchanged' }))
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

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
 * Has this Region's replicas of a lost one stand on their own, or rehearses that; looks on, and tells what became of each. The
 * same again goes on with what is left; one that runs is joined.
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
  const { input: wanted } = request
  const table = await promotionTableOf(context, stack)
  const joined = await findRunningPromotion(context, stack, wanted)
  const found = await countFollowing(context, stack, wanted)
  if (joined) noteJoined(context, joined, wanted)
  else
    await confirmPromotion(context, stack, {
      input: wanted,
      found,
      isConfirmed: options.confirm !== undefined,
    })
  const signal = listenForInterrupt()
  const execution = joined?.arn ?? (await startPromotion(context, stack, wanted))
  if (!joined && !context.json) context.output.line(`started: ${sanitize(execution)}`, 2)
  const input = joined?.input ?? wanted
  const progress = new PromotionProgress(context, table, { execution, input, all: found?.count })
  const end = await watchPromotion(context, execution, signal, progress)
  const done = request.alreadyPromoted.map(({ arn }) => arn)
  return reportPromotion(context, table, { execution, input, done, ...(joined && { joined: true }), end })
}

/** All that were named are promoted already: nothing is started. */
function reportPromotedBefore({ output, json }: Context, { alreadyPromoted }: PromotionRequest): ExitCode {
  const secrets = alreadyPromoted.map(({ name, arn }) => ({ secret: name, arn, outcome: 'unchanged' }))
  if (json) output.json({ secrets })
  else for (const { secret } of secrets) output.line(`promoted  secret:${sanitize(secret)}, before`, 2)
  return EXIT.done
}

/** @throws CommandError if it cannot be looked at to its end, which it goes on to all the same */
async function watchPromotion(
  context: Context,
  execution: string,
  signal: AbortSignal,
  progress: PromotionProgress,
): Promise<DescribeExecutionOutput> {
  try {
    return await waitForExecution(context, execution, signal, () => progress.show())
  } catch (error) {
    const goesOn = `It goes on: ${sanitize(execution)}. The same command again looks on.`
    if (signal.aborted) throw new CommandError(EXIT.stopped, 'not looked at any more', goesOn)
    const told = explainError(error)
    if (!(told instanceof CommandError)) throw error
    throw new CommandError(told.code, `cannot be looked at: ${told.message}`, goesOn, error)
  }
}

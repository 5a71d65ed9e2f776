import type { DescribeExecutionOutput } from '@aws-sdk/client-sfn'
import { explained } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import { ended } from '../execution.ts'
import { CommandError, type ExitCode, exit } from '../exit.ts'
import { interruption } from '../interrupt.ts'
import { plain } from '../output.ts'
import { running, start } from '../promotion/execution.ts'
import { Progress } from '../promotion/progress.ts'
import { ask, following, noteJoined } from '../promotion/question.ts'
import { report } from '../promotion/report.ts'
import { type PromoteOptions, type Request, refuseContradictions, requestOf } from '../promotion/request.ts'
import { promotionsOf } from '../promotion/rows.ts'
import { stackOf } from '../stack.ts'

/**
 * Has this Region's replicas of a lost one stand on their own, or rehearses that; looks on, and tells what became of each. The
 * same again goes on with what is left; one that runs is joined.
 */
export async function promote(context: Context, ids: string[], options: PromoteOptions): Promise<ExitCode> {
  refuseContradictions(options)
  const stack = await stackOf(context)
  const request = await requestOf(context, stack, ids, options)
  if (ids.length && !request.input.ids) return promotedBefore(context, request)
  const { input: wanted } = request
  const table = await promotionsOf(context, stack)
  const joined = await running(context, stack, wanted)
  const found = await following(context, stack, wanted)
  if (joined) noteJoined(context, joined, wanted)
  else await ask(context, stack, { input: wanted, found, given: options.confirm !== undefined })
  const signal = interruption()
  const execution = joined?.arn ?? (await start(context, stack, wanted))
  if (!joined && !context.json) context.output.line(`started: ${plain(execution)}`, 2)
  const input = joined?.input ?? wanted
  const progress = new Progress(context, table, { execution, input, all: found?.count })
  const end = await lookOn(context, execution, signal, progress)
  const done = request.done.map(({ arn }) => arn)
  return report(context, table, { execution, input, done, ...(joined && { joined: true }), end })
}

/** All that were named are promoted already: nothing is started. */
function promotedBefore({ output, json }: Context, { done }: Request): ExitCode {
  const secrets = done.map(({ name, arn }) => ({ secret: name, arn, outcome: 'unchanged' }))
  if (json) output.json({ secrets })
  else for (const { secret } of secrets) output.line(`promoted  secret:${plain(secret)}, before`, 2)
  return exit.done
}

/** @throws CommandError if it cannot be looked at to its end, which it goes on to all the same */
async function lookOn(
  context: Context,
  execution: string,
  signal: AbortSignal,
  progress: Progress,
): Promise<DescribeExecutionOutput> {
  try {
    return await ended(context, execution, signal, () => progress.show())
  } catch (error) {
    const goesOn = `It goes on: ${plain(execution)}. The same command again looks on.`
    if (signal.aborted) throw new CommandError(exit.stopped, 'not looked at any more', goesOn)
    const told = explained(error)
    if (!(told instanceof CommandError)) throw error
    throw new CommandError(told.code, `cannot be looked at: ${told.message}`, goesOn, error)
  }
}

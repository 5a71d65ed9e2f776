import { setTimeout as sleep } from 'node:timers/promises'
import type { DescribeExecutionOutput } from '@aws-sdk/client-sfn'
import type { Context } from './context.ts'
import { PollTolerance } from './pollTolerance.ts'

/** Milliseconds between two polls: each interval is longer than the one before, up to the longest. */
const POLL_INTERVAL_MS = { first: 300, longest: 5000 }

/** Starts an execution of a state machine. Without `name` Step Functions chooses one. @returns the execution's ARN */
export async function startExecution(
  { clients }: Context,
  stateMachineArn: string,
  input: object,
  name?: string,
): Promise<string> {
  const { StartExecutionCommand } = await import('@aws-sdk/client-sfn')
  const command = new StartExecutionCommand({ stateMachineArn, name, input: JSON.stringify(input) })
  const { executionArn = '' } = await (await clients.stepFunctions()).send(command)
  return executionArn
}

/**
 * Waits until an execution has ended.
 * @param onPoll called after each poll that finds the execution still running
 * @returns the answer of DescribeExecution at the end
 * @throws what AWS throws, after some tries if it is temporary; AbortError if `signal` is aborted
 */
export async function waitForExecution(
  { clients }: Context,
  executionArn: string,
  signal: AbortSignal,
  onPoll: () => Promise<void>,
): Promise<DescribeExecutionOutput> {
  const { DescribeExecutionCommand } = await import('@aws-sdk/client-sfn')
  const client = await clients.stepFunctions()
  const pollTolerance = new PollTolerance(signal)
  for (
    let interval = POLL_INTERVAL_MS.first;
    ;
    interval = Math.min(interval * 1.5, POLL_INTERVAL_MS.longest)
  ) {
    const command = new DescribeExecutionCommand({ executionArn })
    const execution = await pollTolerance.tolerate(client.send(command, { abortSignal: signal }))
    if (execution && execution.status !== 'RUNNING') return execution
    await onPoll()
    await sleep(interval, undefined, { signal })
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { DescribeExecutionOutput } from '@aws-sdk/client-sfn'
import type { Context } from './context.ts'
import { PollTolerance } from './pollTolerance.ts'

/** Milliseconds between two looks at first, which get longer. */
const LOOK_INTERVAL_MS = { first: 300, longest: 5000 }

/** Starts an execution of a state machine; Step Functions names it unless `name` does. @returns its ARN */
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
 * How an execution ended; `look` is called while it runs.
 * @throws what AWS throws, if that goes on; AbortError if `signal` is aborted
 */
export async function waitForExecution(
  { clients }: Context,
  executionArn: string,
  signal: AbortSignal,
  look: () => Promise<void>,
): Promise<DescribeExecutionOutput> {
  const { DescribeExecutionCommand } = await import('@aws-sdk/client-sfn')
  const client = await clients.stepFunctions()
  const patience = new PollTolerance(signal)
  for (let pause = LOOK_INTERVAL_MS.first; ; pause = Math.min(pause * 1.5, LOOK_INTERVAL_MS.longest)) {
    const command = new DescribeExecutionCommand({ executionArn })
    const found = await patience.tolerate(client.send(command, { abortSignal: signal }))
    if (found && found.status !== 'RUNNING') return found
    await look()
    await sleep(pause, undefined, { signal })
  }
}

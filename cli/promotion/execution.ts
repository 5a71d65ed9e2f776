import { setTimeout as sleep } from 'node:timers/promises'
import type { DescribeExecutionOutput } from '@aws-sdk/client-sfn'
import type { Context } from '../context.ts'
import { Patience } from '../patience.ts'
import { outputOf, type Stack } from '../stack.ts'
import type { Input } from './request.ts'

/** An execution of the state machine, and what it was started with. */
export type Promotion = { arn: string; input: Input; began: Date }

/** Milliseconds between two looks at first, which get longer. */
const PAUSE = { first: 300, longest: 5000 }

const machineOf = (stack: Stack) => outputOf(stack, 'PromoteStateMachineArn')

/** One that runs already for the same Region, to the same end. */
export async function running(
  { clients }: Context,
  stack: Stack,
  { from, dryRun }: Input,
): Promise<Promotion | undefined> {
  const { DescribeExecutionCommand, paginateListExecutions } = await import('@aws-sdk/client-sfn')
  const client = await clients.stepFunctions()
  const query = { stateMachineArn: machineOf(stack), statusFilter: 'RUNNING' } as const
  for await (const { executions = [] } of paginateListExecutions({ client }, query))
    for (const { executionArn = '', startDate = new Date() } of executions) {
      const found = await client.send(new DescribeExecutionCommand({ executionArn }))
      const input = inputIn(found.input)
      if (input.from === from && Boolean(input.dryRun) === Boolean(dryRun))
        return { arn: executionArn, input, began: startDate }
    }
  return undefined
}

/** @returns its ARN */
export async function start({ clients }: Context, stack: Stack, input: Input): Promise<string> {
  const { StartExecutionCommand } = await import('@aws-sdk/client-sfn')
  const command = new StartExecutionCommand({
    stateMachineArn: machineOf(stack),
    input: JSON.stringify(input),
  })
  const { executionArn = '' } = await (await clients.stepFunctions()).send(command)
  return executionArn
}

/**
 * How an execution ended; `look` is called while it runs.
 * @throws what AWS throws, if that goes on; AbortError if `signal` is aborted
 */
export async function ended(
  { clients }: Context,
  executionArn: string,
  signal: AbortSignal,
  look: () => Promise<void>,
): Promise<DescribeExecutionOutput> {
  const { DescribeExecutionCommand } = await import('@aws-sdk/client-sfn')
  const client = await clients.stepFunctions()
  const patience = new Patience(signal)
  for (let pause = PAUSE.first; ; pause = Math.min(pause * 1.5, PAUSE.longest)) {
    const command = new DescribeExecutionCommand({ executionArn })
    const found = await patience.of(client.send(command, { abortSignal: signal }))
    if (found && found.status !== 'RUNNING') return found
    await look()
    await sleep(pause, undefined, { signal })
  }
}

/** Whoever starts it by hand may write anything. */
function inputIn(text = ''): Input {
  try {
    return JSON.parse(text) ?? {}
  } catch {
    return {}
  }
}

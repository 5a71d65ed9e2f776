import type { Context } from '../context.ts'
import { startExecution } from '../execution.ts'
import { outputOf, type Stack } from '../stack.ts'
import type { PromotionInput } from './request.ts'

/** An execution of the state machine, and what it was started with. */
export type RunningPromotion = { arn: string; input: PromotionInput; began: Date }

const machineOf = (stack: Stack) => outputOf(stack, 'PromoteStateMachineArn')

/** One that runs already for the same Region, to the same end. */
export async function findRunningPromotion(
  { clients }: Context,
  stack: Stack,
  { from, dryRun }: PromotionInput,
): Promise<RunningPromotion | undefined> {
  const { DescribeExecutionCommand, paginateListExecutions } = await import('@aws-sdk/client-sfn')
  const client = await clients.stepFunctions()
  const query = { stateMachineArn: machineOf(stack), statusFilter: 'RUNNING' } as const
  for await (const { executions = [] } of paginateListExecutions({ client }, query))
    for (const { executionArn = '', startDate = new Date() } of executions) {
      const found = await client.send(new DescribeExecutionCommand({ executionArn }))
      const input = parseInput(found.input)
      if (input.from === from && Boolean(input.dryRun) === Boolean(dryRun))
        return { arn: executionArn, input, began: startDate }
    }
  return undefined
}

/** @returns its ARN */
export const startPromotion = (context: Context, stack: Stack, input: PromotionInput): Promise<string> =>
  startExecution(context, machineOf(stack), input)

/** Whoever starts it by hand may write anything. */
function parseInput(text = ''): PromotionInput {
  try {
    return JSON.parse(text) ?? {}
  } catch {
    return {}
  }
}

import type { Context } from '../context.ts'
import { startExecution } from '../execution.ts'
import { outputOf, type Stack } from '../stack.ts'
import type { PromotionInput } from './request.ts'

/** A running execution of the stack's promotion, its input, and when it began. */
export type RunningPromotion = { arn: string; input: PromotionInput; began: Date }

const stateMachineArnOf = (stack: Stack) => outputOf(stack, 'PromoteStateMachineArn')

/** The promotion from the same Region that is running already; if a dry run is wanted, the dry run that is running already. */
export async function findRunningPromotion(
  { clients }: Context,
  stack: Stack,
  { from, dryRun }: PromotionInput,
): Promise<RunningPromotion | undefined> {
  const { DescribeExecutionCommand, paginateListExecutions } = await import('@aws-sdk/client-sfn')
  const client = await clients.stepFunctions()
  const query = { stateMachineArn: stateMachineArnOf(stack), statusFilter: 'RUNNING' } as const
  for await (const { executions = [] } of paginateListExecutions({ client }, query))
    for (const { executionArn = '', startDate = new Date() } of executions) {
      const found = await client.send(new DescribeExecutionCommand({ executionArn }))
      const input = parseInput(found.input)
      if (input.from === from && Boolean(input.dryRun) === Boolean(dryRun))
        return { arn: executionArn, input, began: startDate }
    }
  return undefined
}

/** Starts a promotion. @returns the ARN of its execution */
export const startPromotion = (context: Context, stack: Stack, input: PromotionInput): Promise<string> =>
  startExecution(context, stateMachineArnOf(stack), input)

/** Parses the input of an execution; empty if it is not JSON, as anybody may start an execution with any input. */
function parseInput(text = ''): PromotionInput {
  try {
    return JSON.parse(text) ?? {}
  } catch {
    return {}
  }
}

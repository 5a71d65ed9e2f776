import { whyFailed } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import { mapInBatches } from '../mapInBatches.ts'
import { findPeerStack, type Stack } from '../stack.ts'

/** The rotations that run in another Region, each with the id of its credential; or why they are not known. */
export type OtherRegionExecutions = { running: { arn: string; id: string }[] } | { why: string }

/** Lists the rotations that run in a Region, by the stack of the same stage there; none if that Region has no such stack. */
export async function findRunningExecutions(
  context: Context,
  stack: Stack,
  region: string,
): Promise<OtherRegionExecutions> {
  try {
    const peerStack = await findPeerStack(context, stack, region)
    if (!peerStack) return { running: [] }
    const { DescribeExecutionCommand, paginateListExecutions } = await import('@aws-sdk/client-sfn')
    const client = await context.clients.forRegion(region).stepFunctions()
    const query = {
      stateMachineArn: peerStack.outputs.RotateStateMachineArn,
      statusFilter: 'RUNNING',
    } as const
    const pages = await Array.fromAsync(paginateListExecutions({ client }, query))
    const arns = pages.flatMap(({ executions = [] }) => executions.map(each => each.executionArn ?? ''))
    const running = await mapInBatches(arns, async executionArn => {
      const { input } = await client.send(new DescribeExecutionCommand({ executionArn }))
      return { arn: executionArn, id: idIn(input) }
    })
    return { running }
  } catch (error) {
    return { why: whyFailed(error) }
  }
}

/** The credential's id in an execution's input. If the input has none, the result is a text that is no id. */
function idIn(input = '{}'): string {
  try {
    return `${JSON.parse(input).id}`
  } catch {
    return ''
  }
}

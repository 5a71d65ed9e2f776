import { whyFailed } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import { mapInBatches } from '../mapInBatches.ts'
import { findPeerStack, type Stack } from '../stack.ts'

/** The rotations that run in another Region, each with the credential that it is of; or why that is not known. */
export type OtherRegionExecutions = { running: { arn: string; id: string }[] } | { why: string }

/** Those of the stack of the same stage. Where there is none, none runs. */
export async function findRunningExecutions(
  context: Context,
  stack: Stack,
  region: string,
): Promise<OtherRegionExecutions> {
  try {
    const old = await findPeerStack(context, stack, region)
    if (!old) return { running: [] }
    const { DescribeExecutionCommand, paginateListExecutions } = await import('@aws-sdk/client-sfn')
    const client = await context.clients.forRegion(region).stepFunctions()
    const query = { stateMachineArn: old.outputs.RotateStateMachineArn, statusFilter: 'RUNNING' } as const
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

function idIn(input = '{}'): string {
  try {
    return `${JSON.parse(input).id}`
  } catch {
    return ''
  }
}

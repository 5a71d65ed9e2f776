import {
  type CloudWatchLogsClient,
  paginateDescribeLogGroups,
  paginateFilterLogEvents,
} from '@aws-sdk/client-cloudwatch-logs'
import {
  type ListExecutionsInput,
  paginateGetExecutionHistory,
  paginateListExecutions,
  paginateListMapRuns,
  paginateListStateMachines,
  type SFNClient,
} from '@aws-sdk/client-sfn'
import type { Queue } from './queue.ts'

/** The lines of a log group so far. */
export async function logLinesOf(client: CloudWatchLogsClient, logGroupName: string): Promise<string[]> {
  const pages = await Array.fromAsync(paginateFilterLogEvents({ client }, { logGroupName }))
  return pages.flatMap(({ events = [] }) => events.map(({ message = '' }) => message))
}

type Places = { stepFunctions: SFNClient; logs: CloudWatchLogsClient; queues: Queue<unknown>[] }

/** All that AWS has written down, by where: the histories of executions, log groups, what has come to the queues. */
export async function collectWrittenTexts({
  stepFunctions,
  logs,
  queues,
}: Places): Promise<Map<string, string>> {
  const places = new Map<string, string>()
  const paged = { client: stepFunctions }
  const keep = async (query: ListExecutionsInput): Promise<void> => {
    for await (const { executions = [] } of paginateListExecutions(paged, query))
      for (const { executionArn } of executions) {
        const pages = paginateGetExecutionHistory(paged, { executionArn, includeExecutionData: true })
        places.set(`${executionArn}`, JSON.stringify(await Array.fromAsync(pages)))
        // A distributed Map has executions of its own.
        if (query.mapRunArn) continue
        for await (const { mapRuns = [] } of paginateListMapRuns(paged, { executionArn }))
          for (const { mapRunArn } of mapRuns) await keep({ mapRunArn })
      }
  }
  for await (const { stateMachines = [] } of paginateListStateMachines(paged, {}))
    for (const { stateMachineArn } of stateMachines) await keep({ stateMachineArn })
  for await (const { logGroups = [] } of paginateDescribeLogGroups({ client: logs }, {}))
    for (const { logGroupName } of logGroups) {
      const pages = paginateFilterLogEvents({ client: logs }, { logGroupName })
      places.set(`${logGroupName}`, JSON.stringify(await Array.fromAsync(pages)))
    }
  for (const queue of queues) {
    await queue.receiveAll()
    places.set(queue.url, JSON.stringify(queue.received))
  }
  return places
}

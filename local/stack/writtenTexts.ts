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

/** All lines of a log group so far. */
export async function logLinesOf(client: CloudWatchLogsClient, logGroupName: string): Promise<string[]> {
  const pages = await Array.fromAsync(paginateFilterLogEvents({ client }, { logGroupName }))
  return pages.flatMap(({ events = [] }) => events.map(({ message = '' }) => message))
}

type Sources = { stepFunctions: SFNClient; logs: CloudWatchLogsClient; queues: Queue<unknown>[] }

/** All texts that a local AWS keeps, by ARN, log group or queue: histories of executions, logs, and messages that were received. */
export async function collectWrittenTexts({
  stepFunctions,
  logs,
  queues,
}: Sources): Promise<Map<string, string>> {
  const texts = new Map<string, string>()
  const pagination = { client: stepFunctions }
  const addHistories = async (query: ListExecutionsInput): Promise<void> => {
    for await (const { executions = [] } of paginateListExecutions(pagination, query))
      for (const { executionArn } of executions) {
        const pages = paginateGetExecutionHistory(pagination, { executionArn, includeExecutionData: true })
        texts.set(`${executionArn}`, JSON.stringify(await Array.fromAsync(pages)))
        // Each item of a distributed Map runs as an execution of its own.
        if (query.mapRunArn) continue
        for await (const { mapRuns = [] } of paginateListMapRuns(pagination, { executionArn }))
          for (const { mapRunArn } of mapRuns) await addHistories({ mapRunArn })
      }
  }

  for await (const { stateMachines = [] } of paginateListStateMachines(pagination, {}))
    for (const { stateMachineArn } of stateMachines) await addHistories({ stateMachineArn })
  for await (const { logGroups = [] } of paginateDescribeLogGroups({ client: logs }, {}))
    for (const { logGroupName } of logGroups) {
      const pages = paginateFilterLogEvents({ client: logs }, { logGroupName })
      texts.set(`${logGroupName}`, JSON.stringify(await Array.fromAsync(pages)))
    }
  for (const queue of queues) {
    await queue.receiveAll()
    texts.set(queue.url, JSON.stringify(queue.received))
  }
  return texts
}

import type { HistoryEvent, SFNClient } from '@aws-sdk/client-sfn'
import { callAws } from '../../rotation/callAws.ts'

/**
 * All events of an execution's history up to now, from the first on; none if there is no such execution. A history has at most
 * 25,000 events (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html). Only Step Functions writes it, so it
 * can be trusted, unlike the event on the bus that named the execution.
 * @throws NotPermitted, Throttled, StoreFailed
 */
export async function fetchHistory(client: SFNClient, executionArn: string): Promise<HistoryEvent[]> {
  const { paginateGetExecutionHistory } = await import('../stepFunctions.ts')
  const pages = paginateGetExecutionHistory({ client, pageSize: 1000 }, { executionArn })
  const found = await callAws('Step Functions', () => Array.fromAsync(pages), {
    ExecutionDoesNotExist: () => [],
  })
  return found.flatMap(({ events = [] }) => events)
}

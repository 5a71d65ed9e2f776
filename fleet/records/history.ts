import type { HistoryEvent, SFNClient } from '@aws-sdk/client-sfn'
import { callAws } from '../../rotation/callAws.ts'

/**
 * The history of an execution from its beginning, as far as there is one by now; empty if there is no such execution. It has
 * 25,000 events at most. Nobody can write one: so it is believed, and the event that led to it is not.
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

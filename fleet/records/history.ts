import type { HistoryEvent, SFNClient } from '@aws-sdk/client-sfn'
import { ask } from '../../rotation/ask.ts'

/** Events of one page, which is the most there is; a history has 25,000 at most. */
const PAGE = 1000

/**
 * The history of an execution from its beginning, as far as there is one by now; empty if there is no such execution.
 * Nobody can write one: so it is believed, and the event that led to it is not.
 * @throws NotPermitted, Throttled, StoreFailed
 */
export async function historyOf(client: SFNClient, executionArn: string): Promise<HistoryEvent[]> {
  const { GetExecutionHistoryCommand } = await import('@aws-sdk/client-sfn')
  const history: HistoryEvent[] = []
  let nextToken: string | undefined
  do {
    const query = { executionArn, nextToken, maxResults: PAGE }
    const page = await ask('Step Functions', () => client.send(new GetExecutionHistoryCommand(query)), {
      ExecutionDoesNotExist: () => ({ events: [], nextToken: undefined }),
    })
    history.push(...(page.events ?? []))
    nextToken = page.nextToken
  } while (nextToken)
  return history
}

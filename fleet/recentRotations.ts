import { type ExecutionListItem, ListExecutionsCommand, type SFNClient } from '@aws-sdk/client-sfn'
import { callAws } from '../rotation/callAws.ts'
import type { RecentRotations } from './duePlan.ts'

/** How many calls of ListExecutions a run makes at most, and how many executions one call gives. */
const MAX_PAGE_COUNT = 5
const EXECUTIONS_PER_PAGE = 1000

/**
 * The newest executions of a state machine, the newest first. `all` tells whether these are all of its executions.
 * @throws NotPermitted, Throttled, StoreFailed
 */
export async function listNewestExecutions(
  stepFunctions: SFNClient,
  stateMachineArn: string,
  pages = MAX_PAGE_COUNT,
): Promise<{ executions: ExecutionListItem[]; all: boolean }> {
  const executions: ExecutionListItem[] = []
  let nextToken: string | undefined
  for (let page = 0; page < pages; page++) {
    const command = new ListExecutionsCommand({ stateMachineArn, maxResults: EXECUTIONS_PER_PAGE, nextToken })
    const answer = await callAws('Step Functions', () => stepFunctions.send(command))
    executions.push(...(answer.executions ?? []))
    nextToken = answer.nextToken
    if (!nextToken) return { executions, all: true }
  }
  return { executions, all: false }
}

/**
 * Finds the rotations that have begun lately, by the names of their executions: the token, with a number behind it from the
 * second attempt on.
 * @param stateMachineArn ARN of the state machine rotate
 * @throws NotPermitted, Throttled, StoreFailed
 */
export async function findRecentRotations(
  stepFunctions: SFNClient,
  stateMachineArn: string,
): Promise<RecentRotations> {
  const { executions, all } = await listNewestExecutions(stepFunctions, stateMachineArn)
  const startTimes = new Map<string, number>()
  let oldest = Number.POSITIVE_INFINITY
  for (const { name = '', startDate } of executions) {
    const token = name.replace(/-\d{1,3}$/, '')
    oldest = Math.min(oldest, Number(startDate))
    startTimes.set(token, Math.max(Number(startDate), startTimes.get(token) ?? 0))
  }
  return { startTimes, knownSince: all ? Number.NEGATIVE_INFINITY : oldest }
}

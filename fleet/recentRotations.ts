import { type ExecutionListItem, ListExecutionsCommand, type SFNClient } from '@aws-sdk/client-sfn'
import { callAws } from '../rotation/callAws.ts'
import type { RecentRotations } from './duePlan.ts'

/** Calls, and executions that each tells: so many are known, the newest ones, whatever the number due. */
const MAX_PAGE_COUNT = 5
const EXECUTIONS_PER_PAGE = 1000

/** The newest executions of a state machine, and whether there are no others. @throws NotPermitted, Throttled, StoreFailed */
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
 * Which rotations have begun lately. An execution's name is the token of its rotation, with a number behind it from the
 * second attempt on. @throws NotPermitted, Throttled, StoreFailed
 */
export async function findRecentRotations(
  stepFunctions: SFNClient,
  stateMachineArn: string,
): Promise<RecentRotations> {
  const { executions, all } = await listNewestExecutions(stepFunctions, stateMachineArn)
  const began = new Map<string, number>()
  let since = Number.POSITIVE_INFINITY
  for (const { name = '', startDate } of executions) {
    const token = name.replace(/-\d{1,3}$/, '')
    since = Math.min(since, Number(startDate))
    began.set(token, Math.max(Number(startDate), began.get(token) ?? 0))
  }
  return { startTimes: began, knownSince: all ? Number.NEGATIVE_INFINITY : since }
}

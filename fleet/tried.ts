import { type ExecutionListItem, ListExecutionsCommand, type SFNClient } from '@aws-sdk/client-sfn'
import { ask } from '../rotation/ask.ts'
import type { Tried } from './plan.ts'

/** Calls, and executions that each tells: so many are known, the newest ones, whatever the number due. */
const PAGES = 5
const SIZE = 1000

/** The newest executions of a state machine, and whether there are no others. @throws NotPermitted, Throttled, StoreFailed */
export async function newestOf(
  stepFunctions: SFNClient,
  stateMachineArn: string,
  pages = PAGES,
): Promise<{ executions: ExecutionListItem[]; all: boolean }> {
  const executions: ExecutionListItem[] = []
  let nextToken: string | undefined
  for (let page = 0; page < pages; page++) {
    const command = new ListExecutionsCommand({ stateMachineArn, maxResults: SIZE, nextToken })
    const answer = await ask('Step Functions', () => stepFunctions.send(command))
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
export async function triedOf(stepFunctions: SFNClient, stateMachineArn: string): Promise<Tried> {
  const { executions, all } = await newestOf(stepFunctions, stateMachineArn)
  const began = new Map<string, number>()
  let since = Number.POSITIVE_INFINITY
  for (const { name = '', startDate } of executions) {
    const token = name.replace(/-\d{1,3}$/, '')
    since = Math.min(since, Number(startDate))
    began.set(token, Math.max(Number(startDate), began.get(token) ?? 0))
  }
  return { began, since: all ? Number.NEGATIVE_INFINITY : since }
}

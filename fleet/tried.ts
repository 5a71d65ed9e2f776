import { ListExecutionsCommand, type SFNClient } from '@aws-sdk/client-sfn'
import { answered } from '../rotation/stores/awsErrors.ts'
import type { Tried } from './plan.ts'

/** Calls, and executions that each tells: so many rotations are known, the newest ones, whatever the number due. */
const PAGES = 5
const SIZE = 1000

/**
 * Which rotations have begun lately. An execution's name is the token of its rotation, with a number behind it from the
 * second attempt on. @throws NotPermitted, Throttled, StoreFailed
 */
export async function triedOf(stepFunctions: SFNClient, stateMachineArn: string): Promise<Tried> {
  const began = new Map<string, number>()
  let since = Number.POSITIVE_INFINITY
  let nextToken: string | undefined
  for (let page = 0; page < PAGES; page++) {
    const command = new ListExecutionsCommand({ stateMachineArn, maxResults: SIZE, nextToken })
    const answer = await answered('Step Functions', stepFunctions.send(command))
    for (const { name = '', startDate } of answer.executions ?? []) {
      const token = name.replace(/-\d{1,3}$/, '')
      since = Math.min(since, Number(startDate))
      began.set(token, Math.max(Number(startDate), began.get(token) ?? 0))
    }
    nextToken = answer.nextToken
    if (!nextToken) return { began, since: Number.NEGATIVE_INFINITY }
  }
  return { began, since }
}

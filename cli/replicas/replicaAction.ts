import { givenUpTag, HOME_TAG } from '../../rotation/tags.ts'
import type { Context } from '../context.ts'
import type { FoundSecret } from '../credential.ts'
import { EXIT, type ExitCode, usageError } from '../exit.ts'
import { sanitize } from '../output.ts'
import type { Stack } from '../stack.ts'
import type { Say } from '../watch/runJobs.ts'
import type { SecretCalls } from './calls.ts'
import { ACTION_FLAGS, type ActionName, type ReplicaRequest } from './request.ts'
import type { ReplicaWaitResult } from './waitForReplica.ts'

/** What an action on replicas gets from the command. */
export type ActionContext = {
  context: Context
  stack: Stack
  request: ReplicaRequest
  calls: SecretCalls
  signal: AbortSignal
}

/** What an action is about to do with one secret. */
export type ReplicaPlan = {
  found: FoundSecret
  /** What the user should know before confirming, a line each. */
  details: string[]
  /** Whether the user has to type the Region's name to confirm, and not only `yes`. */
  mustBeTyped?: boolean
}

/** How an action ended for one secret: in a word for --json (`result`), and in sentences for the user (`says`, `remedy`). */
export type ActionResult = { code: ExitCode; result: string; says: string; remedy?: string }
/** An ActionResult with its secret and, if the action waited for the replica, the result of that wait. */
export type ReplicaOutcome = ActionResult & { found: FoundSecret; waitResult?: ReplicaWaitResult }

/** One action on a secret's replica in a Region. */
export type ReplicaAction = {
  /** Whether the user has to confirm the action even for a single secret. For several it is always confirmed. */
  mustBeConfirmed: boolean
  /** Whether the action sets tags that a stack of an older release would not know. */
  setsTags: boolean
  /** Checks whether the action can be done, and changes nothing. @throws CommandError if not */
  plan(work: ActionContext, found: FoundSecret): Promise<ReplicaPlan>
  /** Does the action. @throws what AWS throws, or CommandError */
  run(
    work: ActionContext,
    found: FoundSecret,
    say: Say,
  ): Promise<ActionResult & { waitResult?: ReplicaWaitResult }>
}

/** The command that does an action on this secret. */
export const actionCommand = (action: ActionName, region: string, { name }: FoundSecret): string =>
  `keyturn replicas secret:${sanitize(name)} ${ACTION_FLAGS[action]} ${region}`

/** The command that sets the home Region of a secret, and that is called in that Region. */
export const setHomeCommand = (name: string, region: string): string =>
  `aws secretsmanager tag-resource --region ${region} --secret-id ${sanitize(name)} --tags Key=${HOME_TAG},Value=${region}`

/** The error if the secret of that name in a Region is not a replica of this one. */
export const standsAloneError = ({ name }: FoundSecret, region: string) =>
  usageError(
    `a secret of its own has that name in ${region}, as after a promotion: it is neither overwritten nor deleted`,
    describeCommand(name, region),
  )

/** The error if the secret has no replica in a Region. */
export const noReplicaError = (found: FoundSecret, region: string) =>
  usageError(
    `it has no replica in ${region}`,
    `keyturn replicas secret:${sanitize(found.name)} shows those it has; ${actionCommand('add', region, found)} makes one.`,
  )

/** Removes the tag of a Region that was given up: from now on rotations wait for its replica again. */
export async function clearGivenUp(
  { calls, request }: ActionContext,
  { arn, tags }: FoundSecret,
): Promise<void> {
  const givenUpTagKey = givenUpTag(request.region)
  if (givenUpTagKey in tags) await calls.untag(arn, givenUpTagKey)
}

/** Turns the result of a wait for a replica into the result of the action. */
export function resultOfWait(
  { request: { region, waitMs } }: ActionContext,
  found: FoundSecret,
  waitResult: ReplicaWaitResult,
): ActionResult & { waitResult: ReplicaWaitResult } {
  const { end, status, there } = waitResult
  const progressHint = `keyturn replicas secret:${sanitize(found.name)} shows the progress; if it stays like that: ${actionCommand('repair', region, found)}.`
  const olderText = there.state === 'behind' ? '; applications there get an older version' : ''
  const results: Record<ReplicaWaitResult['end'], ActionResult> = {
    follows: { code: EXIT.done, result: 'follows', says: `${region} has the current version` },
    unseen: {
      code: EXIT.findings,
      result: 'unseen',
      says: `InSync in ${region}, but that Region cannot be asked for the version: ${there.why}`,
    },
    failed: {
      code: EXIT.failed,
      result: 'failed',
      says: `${status} in ${region}${olderText}`,
      remedy: remedyFor(status, found, region),
    },
    late: {
      code: EXIT.stopped,
      result: 'late',
      remedy: progressHint,
      says: `${status} in ${region} after ${waitMs / 1000} s${olderText}; the replication goes on`,
    },
    stopped: {
      code: EXIT.stopped,
      result: 'not-watched',
      remedy: progressHint,
      says: `${status} in ${region}; stopped waiting, and the replication goes on`,
    },
  }
  return { ...results[end], waitResult }
}

/** Whether a replica failed because another secret has its name in the Region, by Secrets Manager's reason. */
export const isNameTaken = (status: string) => /already exists/i.test(status)

/** What to do about a replica that failed. @param status its status with Secrets Manager's reason */
const remedyFor = (status: string, found: FoundSecret, region: string) =>
  isNameTaken(status)
    ? `The secret there may have been promoted, and is never overwritten. ${describeCommand(found.name, region)}`
    : `Repair the cause in the message, then: ${actionCommand('repair', region, found)}.`

const describeCommand = (name: string, region: string) =>
  `See aws secretsmanager describe-secret --region ${region} --secret-id ${sanitize(name)}; keep it unless you know that no application reads it.`

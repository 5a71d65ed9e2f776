import { givenUpTag, HOME_TAG } from '../../rotation/tags.ts'
import type { Context } from '../context.ts'
import type { FoundSecret } from '../credential.ts'
import { CommandError, EXIT, type ExitCode } from '../exit.ts'
import { sanitize } from '../output.ts'
import type { Stack } from '../stack.ts'
import type { Say } from '../watch/runJobs.ts'
import type { SecretCalls } from './calls.ts'
import { ACTION_FLAGS, type ActionName, type ReplicaRequest } from './request.ts'
import type { ReplicaWaitResult } from './waitForReplica.ts'

/** What an action works with. */
export type ActionContext = {
  context: Context
  stack: Stack
  request: ReplicaRequest
  calls: SecretCalls
  signal: AbortSignal
}

/** What is to be done with one secret: `about` is what whoever confirms it should know. */
export type ReplicaPlan = {
  found: FoundSecret
  details: string[]
  /** Whether the Region's name has to be typed. */
  typed?: boolean
}

/** How it went with one secret. */
export type ActionResult = { code: ExitCode; result: string; says: string; remedy?: string }
export type ReplicaOutcome = ActionResult & { found: FoundSecret; followed?: ReplicaWaitResult }

/** One action on a secret's replica in a Region. */
export type ReplicaAction = {
  /** Whether somebody has to confirm it even for one secret. */
  mustBeConfirmed: boolean
  /** Whether it sets tags of this release. */
  setsTags: boolean
  /** Looks whether it can be done. @throws CommandError if not; nothing was changed */
  plan(work: ActionContext, found: FoundSecret): Promise<ReplicaPlan>
  run(
    work: ActionContext,
    found: FoundSecret,
    say: Say,
  ): Promise<ActionResult & { followed?: ReplicaWaitResult }>
}

/** How somebody calls an action on this secret. */
export const actionCommand = (action: ActionName, region: string, { name }: FoundSecret): string =>
  `keyturn replicas secret:${sanitize(name)} ${ACTION_FLAGS[action]} ${region}`

/** How somebody has a secret be at home in a Region. */
export const setHomeCommand = (name: string, region: string): string =>
  `aws secretsmanager tag-resource --region ${region} --secret-id ${sanitize(name)} --tags Key=${HOME_TAG},Value=${region}`

export const usageError = (message: string, remedy?: string) => new CommandError(EXIT.usage, message, remedy)

/** What has the secret's name in a Region is a secret of its own. */
export const standsAloneError = ({ name }: FoundSecret, region: string) =>
  usageError(
    `a secret of its own has that name in ${region}, as after a promotion: it is neither overwritten nor deleted`,
    describeCommand(name, region),
  )

export const noReplicaError = (found: FoundSecret, region: string) =>
  usageError(
    `it has no replica in ${region}`,
    `keyturn replicas secret:${sanitize(found.name)} shows those it has; ${actionCommand('add', region, found)} makes one.`,
  )

/** A Region that was given up is waited for again as soon as somebody works on its replica. */
export async function clearGivenUp(
  { calls, request }: ActionContext,
  { arn, tags }: FoundSecret,
): Promise<void> {
  const tag = givenUpTag(request.region)
  if (tag in tags) await calls.untag(arn, tag)
}

/** What the end of a wait says. */
export function resultOfWait(
  { request: { region, waitMs } }: ActionContext,
  found: FoundSecret,
  followed: ReplicaWaitResult,
): ActionResult & { followed: ReplicaWaitResult } {
  const { end, status, there } = followed
  const shows = `keyturn replicas secret:${sanitize(found.name)} shows how it goes; if it stays so: ${actionCommand('repair', region, found)}.`
  const older = there.state === 'behind' ? '; applications there get an older version' : ''
  const told: Record<ReplicaWaitResult['end'], ActionResult> = {
    follows: { code: EXIT.done, result: 'follows', says: `${region} has the current version` },
    unseen: {
      ...{ code: EXIT.findings, result: 'unseen' },
      says: `InSync in ${region}, which cannot be asked for the version: ${there.why}`,
    },
    failed: {
      ...{ code: EXIT.failed, result: 'failed', says: `${status} in ${region}${older}` },
      remedy: remedyFor(status, found, region),
    },
    late: {
      ...{ code: EXIT.stopped, result: 'late', remedy: shows },
      says: `${status} in ${region} after ${waitMs / 1000} s${older}; it goes on`,
    },
    stopped: {
      ...{ code: EXIT.stopped, result: 'not-watched', remedy: shows },
      says: `${status} in ${region}, and not looked at any more; it goes on`,
    },
  }
  return { ...told[end], followed }
}

/** Something else has the name there. */
export const isNameTaken = (status: string) => /already exists/i.test(status)

const remedyFor = (status: string, found: FoundSecret, region: string) =>
  isNameTaken(status)
    ? `What stands there may be a secret that was promoted, and is never overwritten. ${describeCommand(found.name, region)}`
    : `Mend what the message names, then: ${actionCommand('repair', region, found)}.`

const describeCommand = (name: string, region: string) =>
  `Look at it: aws secretsmanager describe-secret --region ${region} --secret-id ${sanitize(name)}; keep it unless you know that nobody reads it.`

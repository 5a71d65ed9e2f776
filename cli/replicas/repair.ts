import { explainError } from '../awsErrors.ts'
import type { FoundSecret } from '../credential.ts'
import { CommandError, EXIT } from '../exit.ts'
import { sanitize } from '../output.ts'
import { isDefaultKey } from './calls.ts'
import { listedReplica, lookAtCopy, replicaStatusText } from './copies.ts'
import { requireRemovable } from './remove.ts'
import {
  actionCommand,
  clearGivenUp,
  isNameTaken,
  noReplicaError,
  type ReplicaAction,
  type ReplicaOutcome,
  resultOfWait,
  standsAloneError,
} from './replicaAction.ts'
import type { ReplicaRequest } from './request.ts'
import { waitForReplica, waitUntilRemoved } from './waitForReplica.ts'

/**
 * Replicates a secret again to a Region whose replica lacks the current version, with the replica's own key. Nothing is deleted.
 */
export const repairAction: ReplicaAction = {
  mustBeConfirmed: false,
  setsTags: false,

  async plan({ context, request: { region } }, found) {
    const listed = listedReplica(found.secret, region)
    if (!listed) throw noReplicaError(found, region)
    const { state } = await lookAtCopy(context, found.secret, region)
    if (state === 'alone') throw standsAloneError(found, region)
    return { found, details: [`${state}; ${sanitize(replicaStatusText(listed))}`] }
  },

  async run(work, found, say) {
    const { context, calls, request, signal } = work
    const { region, waitMs: milliseconds } = request
    const { arn, secret } = found
    const listed = listedReplica(secret, region)
    const { state } = await lookAtCopy(context, secret, region)
    const isInSync = listed?.Status === 'InSync' && state === 'follows'
    if (!isInSync) await calls.replicate(arn, region, listed?.KmsKeyId)
    await clearGivenUp(work, found)
    const waitResult = await waitForReplica(context, { calls, arn, region, milliseconds, signal }, say)
    return resultOfWait(work, found, waitResult)
  },
}

/** Deletes a replica that replicating again has not repaired, and makes a new one, if the user confirms that. */
export const renewAction: ReplicaAction = {
  mustBeConfirmed: true,
  setsTags: false,

  async plan(work, { arn }) {
    const { region } = work.request
    const found = await work.calls.find(arn)
    const { listed, copy } = await requireRemovable(work, found)
    const gap =
      copy.state === 'empty'
        ? 'there is no such secret there now'
        : `applications in ${region} find no secret until the new one has arrived`
    return {
      found,
      details: [
        `${sanitize(replicaStatusText(listed))}: replicating again has not repaired it. The replica is deleted at once, and a new one is made; ${gap}`,
        keyText(listed.KmsKeyId, region),
      ],
      mustBeTyped: true,
    }
  },

  /** Once the replica is deleted, the new one is made in any case: not even Ctrl-C stops the action in between. */
  async run(work, { arn }, say) {
    const { context, calls, request, signal } = work
    const { region, waitMs: milliseconds } = request
    const found = await work.calls.find(arn)
    const { listed } = await requireRemovable(work, found)
    const wait = { calls, arn, region, milliseconds, signal }
    await calls.remove(arn, region)
    say(`removed from ${region}`)
    // An error of this wait is ignored: the new replica has to be made in any case.
    await waitUntilRemoved(context, wait).catch(() => false)
    await calls.replicate(arn, region, listed.KmsKeyId).catch(error => {
      throw notAddedAgainError(error, found, work.request, listed.KmsKeyId)
    })
    await clearGivenUp(work, found)
    return resultOfWait(work, found, await waitForReplica(context, wait, say))
  },
}

/** The error after which applications in the Region find no secret, with the command that makes the replica. */
function notAddedAgainError(
  cause: unknown,
  found: FoundSecret,
  { region }: ReplicaRequest,
  key: string | undefined,
): CommandError {
  const { message } = explainError(cause) as Error
  return new CommandError(
    EXIT.failed,
    `applications in ${region} find no secret now: the replica was deleted, and a new one could not be made: ${message}`,
    `${actionCommand('add', region, found)}${key ? ` --key ${sanitize(key)}` : ''}`,
    cause,
  )
}

/**
 * Words by which a reason of Secrets Manager's tells that a new replica would fail as well: its key, a permission, or the Region.
 */
const LASTING_FAILURE = /key|permission|denied|authori[sz]|enabled/i

/**
 * Whether it may help to delete a replica and make a new one, after it was replicated again: it is still in progress; or it failed
 * with its old version in place, for a reason that would not fail a new replica as well, as far as the reason's words show.
 */
export function mayRenew({ waitResult, code }: ReplicaOutcome): boolean {
  if (!waitResult || code === EXIT.done) return false
  const { end, status, there: copy } = waitResult
  const hasOldVersion = copy.state === 'behind'
  if (end === 'late') return hasOldVersion || copy.state === 'empty'
  return end === 'failed' && hasOldVersion && !isNameTaken(status) && !LASTING_FAILURE.test(status)
}

function keyText(key: string | undefined, region: string): string {
  if (!key || isDefaultKey(key)) return `its key is the service's own in ${region}`
  return `it cannot be checked from here whether its key works; check it first: aws kms describe-key --region ${region} --key-id ${sanitize(key)}`
}

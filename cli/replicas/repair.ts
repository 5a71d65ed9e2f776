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

/** Replicates anew to a Region that does not follow, with the key that the replica has. Nothing is deleted. */
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
    const isWell = listed?.Status === 'InSync' && state === 'follows'
    if (!isWell) await calls.replicate(arn, region, listed?.KmsKeyId)
    await clearGivenUp(work, found)
    const followed = await waitForReplica(context, { calls, arn, region, milliseconds, signal }, say)
    return resultOfWait(work, found, followed)
  },
}

/** What is deleted and made anew, if somebody agrees. */
export const renewAction: ReplicaAction = {
  mustBeConfirmed: true,
  setsTags: false,

  async plan(work, { arn }) {
    const { region } = work.request
    const found = await work.calls.find(arn)
    const { listed, there } = await requireRemovable(work, found)
    const gap =
      there.state === 'empty'
        ? 'there is no such secret there now'
        : `applications in ${region} find no secret until the new one has arrived`
    return {
      found,
      details: [
        `${sanitize(replicaStatusText(listed))}: replicating again has not mended it. The replica is deleted at once and made anew; ${gap}`,
        keyText(listed.KmsKeyId, region),
      ],
      typed: true,
    }
  },

  /** Between deleting and making anew nothing stops it: not Ctrl-C either. */
  async run(work, { arn }, say) {
    const { context, calls, request, signal } = work
    const { region, waitMs: milliseconds } = request
    const found = await work.calls.find(arn)
    const { listed } = await requireRemovable(work, found)
    const wait = { calls, arn, region, milliseconds, signal }
    await calls.remove(arn, region)
    say(`removed from ${region}`)
    // Whatever is the matter with that look, the replica has to come back.
    await waitUntilRemoved(context, wait).catch(() => false)
    await calls.replicate(arn, region, listed.KmsKeyId).catch(error => {
      throw notAddedAgainError(error, found, work.request, listed.KmsKeyId)
    })
    await clearGivenUp(work, found)
    return resultOfWait(work, found, await waitForReplica(context, wait, say))
  },
}

function notAddedAgainError(
  cause: unknown,
  found: FoundSecret,
  { region }: ReplicaRequest,
  key: string | undefined,
): CommandError {
  const { message } = explainError(cause) as Error
  return new CommandError(
    EXIT.failed,
    `applications in ${region} do not find it now: it was removed there, and could not be added again: ${message}`,
    `${actionCommand('add', region, found)}${key ? ` --key ${sanitize(key)}` : ''}`,
    cause,
  )
}

/** Reasons of the service's that a replica made anew would meet as well. */
const LASTING_FAILURE = /key|permission|denied|authori[sz]|enabled/i

/**
 * Whether deleting a replica and making it anew may help: it hangs though replicated anew; or it failed for a reason that
 * does not lie in the key, the permissions or the Region, as far as the service's words tell, and its old version is there.
 */
export function mayRenew({ followed, code }: ReplicaOutcome): boolean {
  if (!followed || code === EXIT.done) return false
  const { end, status, there } = followed
  const isThere = there.state === 'behind'
  if (end === 'late') return isThere || there.state === 'empty'
  return end === 'failed' && isThere && !isNameTaken(status) && !LASTING_FAILURE.test(status)
}

function keyText(key: string | undefined, region: string): string {
  if (!key || isDefaultKey(key)) return `its key is the service's own in ${region}`
  return `whether its key works cannot be looked at from here; see before: aws kms describe-key --region ${region} --key-id ${sanitize(key)}`
}

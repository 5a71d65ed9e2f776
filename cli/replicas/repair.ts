import { explained } from '../awsErrors.ts'
import type { FoundSecret } from '../credentialId.ts'
import { CommandError, exit } from '../exit.ts'
import { plain } from '../output.ts'
import { isDefaultKey } from './calls.ts'
import { listedIn, lookThere, statusOf } from './copies.ts'
import { follow, gone } from './follow.ts'
import { removable } from './remove.ts'
import type { Request } from './request.ts'
import {
  type Act,
  callFor,
  isInTheWay,
  noReplica,
  type Outcome,
  standsAlone,
  takeBack,
  toldOf,
} from './work.ts'

/** Replicates anew to a Region that does not follow, with the key that the replica has. Nothing is deleted. */
export const repair: Act = {
  asks: false,
  tags: false,

  async plan({ context, request: { region } }, found) {
    const listed = listedIn(found.secret, region)
    if (!listed) throw noReplica(found, region)
    const { state } = await lookThere(context, found.secret, region)
    if (state === 'alone') throw standsAlone(found, region)
    return { found, about: [`${state}; ${plain(statusOf(listed))}`] }
  },

  async run(work, found, say) {
    const { context, calls, request, signal } = work
    const { region, wait: milliseconds } = request
    const { arn, secret } = found
    const listed = listedIn(secret, region)
    const { state } = await lookThere(context, secret, region)
    const isWell = listed?.Status === 'InSync' && state === 'follows'
    if (!isWell) await calls.replicate(arn, region, listed?.KmsKeyId)
    await takeBack(work, found)
    const followed = await follow(context, { calls, arn, region, milliseconds, signal }, say)
    return toldOf(work, found, followed)
  },
}

/** What is deleted and made anew, if somebody agrees. */
export const renew: Act = {
  asks: true,
  tags: false,

  async plan(work, { arn }) {
    const { region } = work.request
    const found = await work.calls.find(arn)
    const { listed, there } = await removable(work, found)
    const gap =
      there.state === 'empty'
        ? 'there is no such secret there now'
        : `applications in ${region} find no secret until the new one has arrived`
    return {
      found,
      about: [
        `${plain(statusOf(listed))}: replicating again has not mended it. The replica is deleted at once and made anew; ${gap}`,
        keySays(listed.KmsKeyId, region),
      ],
      typed: true,
    }
  },

  /** Between deleting and making anew nothing stops it: not Ctrl-C either. */
  async run(work, { arn }, say) {
    const { context, calls, request, signal } = work
    const { region, wait: milliseconds } = request
    const found = await work.calls.find(arn)
    const { listed } = await removable(work, found)
    const wait = { calls, arn, region, milliseconds, signal }
    await calls.remove(arn, region)
    say(`removed from ${region}`)
    // Whatever is the matter with that look, the replica has to come back.
    await gone(context, wait).catch(() => false)
    await calls.replicate(arn, region, listed.KmsKeyId).catch(error => {
      throw missing(error, found, work.request, listed.KmsKeyId)
    })
    await takeBack(work, found)
    return toldOf(work, found, await follow(context, wait, say))
  },
}

function missing(
  cause: unknown,
  found: FoundSecret,
  { region }: Request,
  key: string | undefined,
): CommandError {
  const { message } = explained(cause) as Error
  return new CommandError(
    exit.failed,
    `applications in ${region} do not find it now: it was removed there, and could not be added again: ${message}`,
    `${callFor('add', region, found)}${key ? ` --key ${plain(key)}` : ''}`,
    cause,
  )
}

/** Reasons of the service's that a replica made anew would meet as well. */
const LASTING = /key|permission|denied|authori[sz]|enabled/i

/**
 * Whether deleting a replica and making it anew may help: it hangs though replicated anew; or it failed for a reason that
 * does not lie in the key, the permissions or the Region, as far as the service's words tell, and its old version is there.
 */
export function mayRenew({ followed, code }: Outcome): boolean {
  if (!followed || code === exit.done) return false
  const { end, status, there } = followed
  const isThere = there.state === 'behind'
  if (end === 'late') return isThere || there.state === 'empty'
  return end === 'failed' && isThere && !isInTheWay(status) && !LASTING.test(status)
}

function keySays(key: string | undefined, region: string): string {
  if (!key || isDefaultKey(key)) return `its key is the service's own in ${region}`
  return `whether its key works cannot be looked at from here; see before: aws kms describe-key --region ${region} --key-id ${plain(key)}`
}

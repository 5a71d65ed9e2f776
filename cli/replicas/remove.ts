import type { ReplicationStatusType } from '@aws-sdk/client-secrets-manager'
import type { FoundSecret } from '../credential.ts'
import { EXIT } from '../exit.ts'
import { type CopyState, lastReadDay, listedReplica, lookAtCopy } from './copies.ts'
import {
  type ActionContext,
  actionCommand,
  clearGivenUp,
  noReplicaError,
  type ReplicaAction,
  standsAloneError,
  usageError,
} from './replicaAction.ts'

/** Deletes a replica. */
export const removeAction: ReplicaAction = {
  mustBeConfirmed: true,
  setsTags: false,

  async plan(work, found) {
    const { region } = work.request
    const { listed, there } = await requireRemovable(work, found)
    const holds = there.state === 'empty' ? '; there is no such secret there' : ''
    return {
      found,
      details: [
        `the replica in ${region} is deleted at once, and cannot be restored${holds}; ${lastReadText(listed)}`,
      ],
      typed: isReadLately(listed),
    }
  },

  async run(work, { arn }) {
    // Meanwhile somebody may have promoted it.
    const found = await work.calls.find(arn)
    await requireRemovable(work, found)
    await work.calls.remove(arn, work.request.region)
    await clearGivenUp(work, found)
    return { code: EXIT.done, result: 'removed', says: `removed from ${work.request.region}` }
  },
}

/**
 * A replica that can be deleted without harm to a secret of its own. Whether the service spares one that was promoted is not
 * documented, so a Region that cannot be asked is left alone.
 * @throws CommandError if it cannot
 */
export async function requireRemovable(
  { context, request: { region } }: ActionContext,
  found: FoundSecret,
): Promise<{ listed: ReplicationStatusType; there: CopyState }> {
  const listed = listedReplica(found.secret, region)
  if (!listed) throw noReplicaError(found, region)
  const there = await lookAtCopy(context, found.secret, region)
  if (there.state === 'alone') throw standsAloneError(found, region)
  if (there.state === 'unseen')
    throw usageError(
      `whether it was promoted in ${region} cannot be seen, so nothing is removed: ${there.why}`,
      `If nothing is to wait for it: ${actionCommand('giveUp', region, found)} --reason TEXT.`,
    )
  return { listed, there }
}

/** Days for which whoever has read a replica may be about to read it again. The service tells the day alone. */
const RECENT_READ_DAYS = 30

export const isReadLately = ({ LastAccessedDate }: ReplicationStatusType): boolean =>
  LastAccessedDate !== undefined &&
  Date.now() - LastAccessedDate.getTime() < (RECENT_READ_DAYS + 1) * 86_400_000

export function lastReadText(listed: ReplicationStatusType): string {
  const day = lastReadDay(listed)
  return day ? `last read there ${day}` : 'not read there yet'
}

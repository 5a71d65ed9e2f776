import type { ReplicationStatusType } from '@aws-sdk/client-secrets-manager'
import { DAY_MS } from '../../rotation/timeUnits.ts'
import type { FoundSecret } from '../credential.ts'
import { EXIT, usageError } from '../exit.ts'
import { type CopyState, lastReadDay, listedReplica, lookAtCopy } from './copies.ts'
import {
  type ActionContext,
  actionCommand,
  clearGivenUp,
  noReplicaError,
  type ReplicaAction,
  standsAloneError,
} from './replicaAction.ts'

/** Deletes the replica in a Region. */
export const removeAction: ReplicaAction = {
  mustBeConfirmed: true,
  setsTags: false,

  async plan(work, found) {
    const { region } = work.request
    const { listed, copy } = await requireRemovable(work, found)
    // Secrets Manager lists the replica, but its Region does not have it.
    const emptyText = copy.state === 'empty' ? '; there is no such secret there' : ''
    return {
      found,
      details: [
        `the replica in ${region} is deleted at once, and cannot be restored${emptyText}; ${lastReadText(listed)}`,
      ],
      mustBeTyped: isReadLately(listed),
    }
  },

  async run(work, { arn }) {
    // Checked again, as the replica may have been promoted while the user was asked.
    const found = await work.calls.find(arn)
    await requireRemovable(work, found)
    await work.calls.remove(arn, work.request.region)
    await clearGivenUp(work, found)
    return { code: EXIT.done, result: 'removed', says: `removed from ${work.request.region}` }
  },
}

/**
 * Checks that a replica can be deleted. AWS does not document whether RemoveRegionsFromReplication spares a replica that was
 * promoted: so nothing is deleted in a Region that has promoted it, or that cannot be asked.
 * @returns the primary's entry for the replica, and the state of the copy in its Region
 * @throws CommandError if it cannot be deleted
 */
export async function requireRemovable(
  { context, request: { region } }: ActionContext,
  found: FoundSecret,
): Promise<{ listed: ReplicationStatusType; copy: CopyState }> {
  const listed = listedReplica(found.secret, region)
  if (!listed) throw noReplicaError(found, region)
  const copy = await lookAtCopy(context, found.secret, region)
  if (copy.state === 'alone') throw standsAloneError(found, region)
  if (copy.state === 'unseen')
    throw usageError(
      `it is not known whether it was promoted in ${region}, so nothing is removed: ${copy.why}`,
      `To let rotations go on without it: ${actionCommand('giveUp', region, found)} --reason TEXT.`,
    )
  return { listed, copy }
}

/** Days after its last read for which a replica counts as in use. */
const RECENT_READ_DAYS = 30

/**
 * Whether a replica was read lately. One day is added because LastAccessedDate is a day without a time.
 * @see https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ReplicationStatusType.html
 */
export const isReadLately = ({ LastAccessedDate }: ReplicationStatusType): boolean =>
  LastAccessedDate !== undefined && Date.now() - LastAccessedDate.getTime() < (RECENT_READ_DAYS + 1) * DAY_MS

/** When a replica was last read, in words. */
export function lastReadText(listed: ReplicationStatusType): string {
  const day = lastReadDay(listed)
  return day ? `last read there ${day}` : 'not read there yet'
}

import type { ReplicationStatusType } from '@aws-sdk/client-secrets-manager'
import type { FoundSecret } from '../credentialId.ts'
import { exit } from '../exit.ts'
import { lastReadIn, listedIn, lookThere, type There } from './copies.ts'
import { type Act, callFor, noReplica, refused, standsAlone, takeBack, type Work } from './work.ts'

/** Deletes a replica. */
export const remove: Act = {
  asks: true,
  tags: false,

  async plan(work, found) {
    const { region } = work.request
    const { listed, there } = await removable(work, found)
    const holds = there.state === 'empty' ? '; there is no such secret there' : ''
    return {
      found,
      about: [
        `the replica in ${region} is deleted at once, and cannot be restored${holds}; ${readSays(listed)}`,
      ],
      typed: isReadLately(listed),
    }
  },

  async run(work, { arn }) {
    // Meanwhile somebody may have promoted it.
    const found = await work.calls.find(arn)
    await removable(work, found)
    await work.calls.remove(arn, work.request.region)
    await takeBack(work, found)
    return { code: exit.done, result: 'removed', says: `removed from ${work.request.region}` }
  },
}

/**
 * A replica that can be deleted without harm to a secret of its own. Whether the service spares one that was promoted is not
 * documented, so a Region that cannot be asked is left alone.
 * @throws CommandError if it cannot
 */
export async function removable(
  { context, request: { region } }: Work,
  found: FoundSecret,
): Promise<{ listed: ReplicationStatusType; there: There }> {
  const listed = listedIn(found.secret, region)
  if (!listed) throw noReplica(found, region)
  const there = await lookThere(context, found.secret, region)
  if (there.state === 'alone') throw standsAlone(found, region)
  if (there.state === 'unseen')
    throw refused(
      `whether it was promoted in ${region} cannot be seen, so nothing is removed: ${there.why}`,
      `If nothing is to wait for it: ${callFor('giveUp', region, found)} --reason TEXT.`,
    )
  return { listed, there }
}

/** Days for which whoever has read a replica may be about to read it again. The service tells the day alone. */
const LATELY = 30

export const isReadLately = ({ LastAccessedDate }: ReplicationStatusType): boolean =>
  LastAccessedDate !== undefined && Date.now() - LastAccessedDate.getTime() < (LATELY + 1) * 86_400_000

export function readSays(listed: ReplicationStatusType): string {
  const day = lastReadIn(listed)
  return day ? `last read there ${day}` : 'not read there yet'
}

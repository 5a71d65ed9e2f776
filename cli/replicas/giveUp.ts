import type { DescribeSecretResponse } from '@aws-sdk/client-secrets-manager'
import { givenUpIn, givenUpTag, HOME_TAG } from '../../rotation/tags.ts'
import type { FoundSecret } from '../credential.ts'
import { EXIT } from '../exit.ts'
import { sanitize } from '../output.ts'
import { placeOf } from '../stack.ts'
import { listedReplica, lookAtCopy, replicaStatusText } from './copies.ts'
import { isReadLately, lastReadText } from './remove.ts'
import {
  type ActionContext,
  actionCommand,
  noReplicaError,
  type ReplicaAction,
  type ReplicaPlan,
} from './replicaAction.ts'

/**
 * Lets rotations go on without a Region, by a tag with the day and the reason. That Region need not have a replica of this
 * secret: a secret of the same name that was promoted there stops rotations here as well, until its Region is given up.
 */
export const giveUpAction: ReplicaAction = {
  mustBeConfirmed: true,
  setsTags: true,

  async plan(work, found) {
    const { region } = work.request
    const listed = listedReplica(found.secret, region)
    if (!listed) return planWithoutReplica(work, found)
    const givenUpBefore = givenUpIn(found.tags)[region]
    return {
      found,
      details: [
        `rotations go on without ${region}: once the old user or password is closed, applications there that still use it are refused`,
        `${sanitize(replicaStatusText(listed))}, ${lastReadText(listed)}${givenUpBefore ? `, given up ${sanitize(givenUpBefore)}` : ''}`,
      ],
      mustBeTyped: isReadLately(listed),
    }
  },

  async run({ calls, request: { region, reason } }, found) {
    const day = new Date().toISOString().slice(0, 10)
    await calls.tag(found.arn, { [givenUpTag(region)]: `${day} ${reason}` })
    return {
      code: EXIT.done,
      result: 'given-up',
      says: `${region} is given up: rotations do not wait for it. To undo that: ${undoCommand(found, region)}`,
    }
  },
}

/**
 * Plans to give up a Region in which the primary has no replica: a secret of the same name may have been promoted there, or the
 * Region may be lost and cannot be asked.
 * @throws CommandError if the Region has no such secret
 */
async function planWithoutReplica(
  { context, stack, request: { region } }: ActionContext,
  found: FoundSecret,
): Promise<ReplicaPlan> {
  const { state } = await lookAtCopy(context, found.secret, region)
  if (state === 'empty') throw noReplicaError(found, region)
  const { region: home } = placeOf(stack)
  const what =
    state === 'unseen'
      ? `it has no replica in ${region}, which cannot be asked`
      : `it has no replica in ${region}, but a secret of that name exists there`
  return {
    found,
    details: [
      `${what}: rotations go on here, whatever happens to a secret there`,
      `if that secret was a replica of this one, only one of the two may rotate: its tag ${HOME_TAG} there should name ${home} as well`,
    ],
    mustBeTyped: true,
  }
}

/** The command that undoes giving up a Region. */
const undoCommand = (found: FoundSecret, region: string): string =>
  listedReplica(found.secret, region)
    ? `${actionCommand('repair', region, found)}; --add and --remove undo it as well`
    : `aws secretsmanager untag-resource --secret-id ${sanitize(found.name)} --tag-keys ${givenUpTag(region)}; --add undoes it as well`

/**
 * Whether a Region can be given up for one of many chosen secrets: it has a replica, or a promoted secret of that name. A Region
 * that cannot be asked does not count here: it can only be given up for a secret that the user names.
 */
export async function canBeGivenUp(
  { context, request: { region } }: Pick<ActionContext, 'context' | 'request'>,
  secret: DescribeSecretResponse,
): Promise<boolean> {
  return (
    listedReplica(secret, region) !== undefined ||
    (await lookAtCopy(context, secret, region)).state === 'alone'
  )
}

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
 * Has rotations go on without a Region, by a tag that says since when and why. Also without one that the primary lists no
 * replica in: what was promoted there, or follows another Region, stops rotations until then.
 */
export const giveUpAction: ReplicaAction = {
  mustBeConfirmed: true,
  setsTags: true,

  async plan(work, found) {
    const { region } = work.request
    const listed = listedReplica(found.secret, region)
    if (!listed) return planWithoutReplica(work, found)
    const before = givenUpIn(found.tags)[region]
    return {
      found,
      details: [
        `rotation and retirement go on without ${region}: once an old credential is closed, applications there that still get it are refused`,
        `${sanitize(replicaStatusText(listed))}, ${lastReadText(listed)}${before ? `, given up ${sanitize(before)}` : ''}`,
      ],
      typed: isReadLately(listed),
    }
  },

  async run({ calls, request: { region, reason } }, found) {
    const day = new Date().toISOString().slice(0, 10)
    await calls.tag(found.arn, { [givenUpTag(region)]: `${day} ${reason}` })
    return {
      code: EXIT.done,
      result: 'given-up',
      says: `${region} is given up: nothing waits for it. To take that back: ${takeBackCommand(found, region)}`,
    }
  },
}

/** Also where the Region cannot be asked, as one that was lost: the promoted secret gives that up. @throws CommandError */
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
      : `it has no replica in ${region}, and there is a secret of that name`
  return {
    found,
    details: [
      `${what}: rotation and retirement go on here, whatever becomes of one there`,
      `if that one is of the same origin, only one of the two may rotate: its tag ${HOME_TAG} there should say ${home} as well`,
    ],
    typed: true,
  }
}

const takeBackCommand = (found: FoundSecret, region: string): string =>
  listedReplica(found.secret, region)
    ? `${actionCommand('repair', region, found)}; --add and --remove take it back too`
    : `aws secretsmanager untag-resource --secret-id ${sanitize(found.name)} --tag-keys ${givenUpTag(region)}; --add takes it back too`

/** Whether there is something in a Region that can be given up, among many: not what only cannot be asked. */
export async function canBeGivenUp(
  { context, request: { region } }: Pick<ActionContext, 'context' | 'request'>,
  secret: DescribeSecretResponse,
): Promise<boolean> {
  return (
    listedReplica(secret, region) !== undefined ||
    (await lookAtCopy(context, secret, region)).state === 'alone'
  )
}

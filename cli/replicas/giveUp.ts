import type { DescribeSecretResponse } from '@aws-sdk/client-secrets-manager'
import { givenUpIn, givenUpTag, HOME } from '../../rotation/tags.ts'
import type { FoundSecret } from '../credentialId.ts'
import { exit } from '../exit.ts'
import { plain } from '../output.ts'
import { placeOf } from '../stack.ts'
import { listedIn, lookThere, statusOf } from './copies.ts'
import { isReadLately, readSays } from './remove.ts'
import { type Act, callFor, noReplica, type Plan, type Work } from './work.ts'

/**
 * Has rotations go on without a Region, by a tag that says since when and why. Also without one that the primary lists no
 * replica in: what was promoted there, or follows another Region, stops rotations until then.
 */
export const giveUp: Act = {
  asks: true,
  tags: true,

  async plan(work, found) {
    const { region } = work.request
    const listed = listedIn(found.secret, region)
    if (!listed) return planUnlisted(work, found)
    const before = givenUpIn(found.tags)[region]
    return {
      found,
      about: [
        `rotation and retirement go on without ${region}: once an old credential is closed, applications there that still get it are refused`,
        `${plain(statusOf(listed))}, ${readSays(listed)}${before ? `, given up ${plain(before)}` : ''}`,
      ],
      typed: isReadLately(listed),
    }
  },

  async run({ calls, request: { region, reason } }, found) {
    const day = new Date().toISOString().slice(0, 10)
    await calls.tag(found.arn, { [givenUpTag(region)]: `${day} ${reason}` })
    return {
      code: exit.done,
      result: 'given-up',
      says: `${region} is given up: nothing waits for it. To take that back: ${takingBack(found, region)}`,
    }
  },
}

/** Also where the Region cannot be asked, as one that was lost: the promoted secret gives that up. @throws CommandError */
async function planUnlisted(
  { context, stack, request: { region } }: Work,
  found: FoundSecret,
): Promise<Plan> {
  const { state } = await lookThere(context, found.secret, region)
  if (state === 'empty') throw noReplica(found, region)
  const { region: home } = placeOf(stack)
  const what =
    state === 'unseen'
      ? `it has no replica in ${region}, which cannot be asked`
      : `it has no replica in ${region}, and there is a secret of that name`
  return {
    found,
    about: [
      `${what}: rotation and retirement go on here, whatever becomes of one there`,
      `if that one is of the same origin, only one of the two may rotate: its tag ${HOME} there should say ${home} as well`,
    ],
    typed: true,
  }
}

const takingBack = (found: FoundSecret, region: string): string =>
  listedIn(found.secret, region)
    ? `${callFor('repair', region, found)}; --add and --remove take it back too`
    : `aws secretsmanager untag-resource --secret-id ${plain(found.name)} --tag-keys ${givenUpTag(region)}; --add takes it back too`

/** Whether there is something in a Region that can be given up, among many: not what only cannot be asked. */
export async function isThere(
  { context, request: { region } }: Pick<Work, 'context' | 'request'>,
  secret: DescribeSecretResponse,
): Promise<boolean> {
  return (
    listedIn(secret, region) !== undefined || (await lookThere(context, secret, region)).state === 'alone'
  )
}

import { givenUpIn, givenUpTag } from '../../rotation/tags.ts'
import { exit } from '../exit.ts'
import { plain } from '../output.ts'
import { listedIn, statusOf } from './copies.ts'
import { isReadLately, readSays } from './remove.ts'
import { type Act, callFor, noReplica } from './work.ts'

/** Has rotations go on without a Region, by a tag that says since when and why. */
export const giveUp: Act = {
  asks: true,
  tags: true,

  async plan({ request: { region } }, found) {
    const listed = listedIn(found.secret, region)
    if (!listed) throw noReplica(found, region)
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
      says: `${region} is given up: nothing waits for it. To take that back: ${callFor('repair', region, found)}; --add and --remove take it back too`,
    }
  },
}

import { NotPermitted } from '../errors.ts'
import { AlternatingUsers } from './alternatingUsers.ts'
import type { ChangePreview } from './strategy.ts'

/**
 * The application moves to a clone, the user gets a new password, the application moves back, and the clone goes: two
 * turns of alternating users, of which the second follows by itself when the grace time of the first is over.
 */
export class TemporaryClone extends AlternatingUsers {
  override readonly name = 'temporary-clone'

  /** A clone that cannot be dropped stops no rotation: it stays, closed. */
  override async wouldApply(beforehand: ChangePreview): Promise<string[]> {
    const left = await super.wouldApply(beforehand)
    if (!beforehand.drop) return left
    const pair = this.pairOf(beforehand.current.username)
    const kept = await beforehand.session.wouldDropUser(pair).catch(error => {
      if (!(error instanceof NotPermitted)) throw error
      return [`${pair.clone} could not be dropped: ${error.message}`]
    })
    return [...new Set([...kept, ...left])]
  }

  isOnClone(username: string): boolean {
    return this.pairOf(username).clone === username
  }
}

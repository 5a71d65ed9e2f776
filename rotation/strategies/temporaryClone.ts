import { NotPermitted } from '../errors.ts'
import { AlternatingUsers } from './alternatingUsers.ts'
import type { ChangePreview } from './strategy.ts'

/**
 * The application moves to a clone of its user, the user gets a new password, the application moves back, and the clone is dropped
 * (or closed and kept: tag keyturn:clone). That takes two rotations, each as with alternating users. The state machine starts the
 * second when the grace time of the first is over.
 */
export class TemporaryClone extends AlternatingUsers {
  override readonly name = 'temporary-clone'

  /** As with alternating users. That a clone could not be dropped does not stop a rotation: the clone would be closed and kept. */
  override async wouldApply(beforehand: ChangePreview): Promise<string[]> {
    const left = await super.wouldApply(beforehand)
    if (!beforehand.drop) return left
    const pair = this.pairOf(beforehand.current.username)
    const kept = await beforehand.session.wouldDropClone(pair).catch(error => {
      if (!(error instanceof NotPermitted)) throw error
      return [`${pair.clone} could not be dropped: ${error.message}`]
    })
    return [...new Set([...kept, ...left])]
  }

  isOnClone(username: string): boolean {
    return this.pairOf(username).clone === username
  }
}

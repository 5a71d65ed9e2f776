import { AlternatingUsers } from './alternatingUsers.ts'

/**
 * The application moves to a clone, the user gets a new password, the application moves back, and the clone goes: two
 * turns of alternating users, of which the second follows by itself when the grace time of the first is over.
 */
export class TemporaryClone extends AlternatingUsers {
  override readonly name = 'temporary-clone'

  halfway(username: string): boolean {
    return this.pair(username).clone === username
  }
}

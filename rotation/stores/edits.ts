import { Credential } from '../credential.ts'
import { Superseded } from '../errors.ts'
import type { Store } from './store.ts'

/**
 * An edit of the secret `id`: a new version `token` with the given text becomes current in the place of version `replacing`. User
 * and password stay the same.
 */
export type Edit = { id: string; token: string; replacing: string; text: string }

/**
 * Edits stored values outside of a rotation. Every method may run any number of times. If an edit dies between two calls, the next
 * try completes it, and rotations may run before that.
 */
export interface Edits {
  /**
   * The token of a version that an edit wrote and did not make current. Undefined if there is none, and in Parameter Store: there
   * such a version is the pending one.
   */
  findUnfinished(id: string): Promise<string | undefined>

  /**
   * Makes the new version current, provided that `replacing` is current still (compare-and-set). If it is not, the version does not
   * stay marked as an edit under way.
   * @throws Superseded, RotationInProgress
   */
  make(edit: Edit): Promise<void>

  /**
   * Removes what marks a version as that of an edit under way. In Parameter Store it must be current already.
   * @returns whether there was such a mark
   */
  finish(edit: Omit<Edit, 'text'>): Promise<boolean>
}

/**
 * Edits in Parameter Store. An edit uses the store's pending version and its lock, so no rotation can begin during an edit. If an
 * edit died, a rotation takes its pending version for that of an abandoned rotation, and rolls it back. Parameter Store has no
 * compare-and-set: a version that somebody else writes at the same moment is written again on top of the edit, as in a rotation.
 */
export class LockedEdits implements Edits {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store.withParser(Credential.parseOpaque)
  }

  async findUnfinished(): Promise<undefined> {
    return undefined
  }

  async make({ id, token, replacing, text }: Edit): Promise<void> {
    await this.#store.propose(id, token, Credential.parseOpaque(text))
    try {
      await this.#store.promote(id, token, replacing, true)
    } catch (error) {
      if (error instanceof Superseded) await this.#store.discard(id, token)
      throw error
    }
  }

  async finish({ id, token, replacing }: Omit<Edit, 'text'>): Promise<boolean> {
    const locked = await this.#store.read(id, { token, stage: 'pending' })
    if (!locked) return false
    // The version is current, so this only sets its labels and removes the lock.
    await this.#store.promote(id, token, replacing, true)
    return true
  }
}

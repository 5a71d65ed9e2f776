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
 * try completes it, and rotations go on meanwhile.
 */
export interface Edits {
  /** The token of a version that an edit wrote and did not make current. Undefined if the store keeps it as its pending version. */
  findUnfinished(id: string): Promise<string | undefined>

  /**
   * Makes the new version current, provided that `replacing` still is (compare-and-set). Else nothing is left of the edit.
   * @throws Superseded, RotationInProgress
   */
  make(edit: Edit): Promise<void>

  /** Removes what marks a version as that of an edit under way. @returns whether there was such a mark */
  finish(edit: Omit<Edit, 'text'>): Promise<boolean>
}

/**
 * Edits in Parameter Store. An edit uses the store's pending version and its lock, so no rotation can begin during an edit. A
 * rotation takes the pending version of an edit that died for one of an abandoned rotation, and rolls it back. Parameter Store has
 * no compare-and-set: a version that somebody else writes at the same moment is written again on top of the edit, as in a rotation.
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
    await this.#store.promote(id, token, replacing, true)
    return true
  }
}

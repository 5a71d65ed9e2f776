import { Credential } from '../credential.ts'
import { Superseded } from '../errors.ts'
import type { Store } from './store.ts'

/** A new version, `token`, with this text, in the place of `replacing`, whose user and password it has. */
export type Edit = { id: string; token: string; replacing: string; text: string }

/**
 * Changes a stored value outside of a rotation. Every method may run any number of times, and whatever dies between two calls
 * is completed by the next try, and stops no rotation.
 */
export interface Edits {
  /** The version that an earlier try left behind, where it is none that the store calls pending. */
  findUnfinished(id: string): Promise<string | undefined>

  /**
   * Compare-and-set: makes the new version current if `replacing` still is, and else leaves nothing behind.
   * @throws Superseded, RotationInProgress
   */
  make(edit: Edit): Promise<void>

  /** Takes off what marks a version as an edit's that goes on. @returns whether there was something */
  finish(edit: Omit<Edit, 'text'>): Promise<boolean>
}

/**
 * Edits by a store's own pending value, where that is kept under a lock: Parameter Store. A rotation cannot begin while one goes
 * on, and takes what a dead one left for an abandoned rotation's, which it rolls back. Parameter Store has no compare-and-set:
 * what somebody else writes between the last look and the put is put back on top, as in a rotation.
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

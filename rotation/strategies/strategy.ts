import type { Credential } from '../credential.ts'
import type { Engine, Session, UserPair } from '../engines/engine.ts'
import type { RdsCalls } from '../rds.ts'

/** What a strategy gets for one change. What only some cases need is a function, so that it costs no call in the others. */
export type Change = {
  current: Credential
  pending: Credential
  /** The previous value; undefined if there is none, or it cannot be parsed. */
  readPrevious(): Promise<Credential | undefined>
  /** The admin that `masterarn` names, who must be for the same database. @throws HostMismatch, InvalidCredential */
  readAdmin(): Promise<Credential>
  /** Of the ten newest stored values beside current and pending, those with the same login as current, newest first. */
  storedValues(): AsyncIterable<StoredValue>
  /** The calls of RDS, for a master's password. */
  rds(): Promise<RdsCalls>
  /** Set if the tag `keyturn:pooler` says that a pooler in between asks the database for the password hash at every login. */
  pooler?: 'auth-query' | undefined
}

/** A stored value other than current and pending. */
export type StoredValue = {
  credential: Credential
  /** Whether the rotation that made the value still runs, or the value has become current meanwhile. */
  isInUse(): Promise<boolean>
}

/** A change that failed, and what else may have happened to the secret meanwhile. */
export type FailedChange = Change & {
  /**
   * Another rotation of this secret that still runs; undefined if there is none. `isPending` says whether the version of that
   * rotation is the pending one.
   */
  otherRotation(): Promise<{ isPending: boolean } | undefined>
  /** Whether it is certain that the change never began, so that the pending password was never set. */
  hasChangedNothing(): Promise<boolean>
  /**
   * Whether it is certain that the change was made, after a login had proven the user. Where it is left out, as in tests, that is
   * not known.
   */
  wasSet?(): Promise<boolean>
  /**
   * Of two users: whether the one that is not current may still log in with the previous value, as its grace time runs or never
   * ends.
   */
  isPreviousOpen(): Promise<boolean>
}

/** What a strategy gets to close the user or the password that `current` replaced, after the grace time. */
export type Retirement = Pick<Change, 'current' | 'readAdmin'> & {
  /**
   * The value of a newer version, whichever user it has, if one was stored while the strategy closed the user or password; else
   * undefined. A strategy asks for it after it has closed them. If the newer value uses them, the strategy opens them again.
   */
  reusedBy(): Promise<Credential | undefined>
  /** Whether the user that was replaced, a clone, is dropped after it has been closed. */
  drop: boolean
}

/**
 * How a rollback left the database:
 *
 * - `intact`: current logs in, and its password had not been changed. The other user may have got its previous password back.
 * - `restored`: current's password was set back.
 * - `left`: another rotation is at work. It finishes or rolls back by itself, so this rollback changed nothing. docs/glossary.md
 *   says what else is called `left`.
 * - `open`: current logs in, but the discarded pending password could not be closed and still logs in as well.
 */
export type Outcome = 'intact' | 'restored' | 'left' | 'open'

/**
 * The result of a change. `address` is the server that was changed, as `host:port`. If pending names another server, the change has
 * to be replicated there before pending logs in. `left` has a sentence for each thing that could not be done and does not stop the
 * rotation; it has nothing to do with the outcome `left` of a rollback.
 */
export type Applied = { address: string; left: string[] }

/**
 * The values by which a check previews a change. `session` is of the user by whom `apply` would make the change: the user itself,
 * or the admin. `pending` is a value that no database ever gets.
 */
export type ChangePreview = Pick<Change, 'current' | 'pending' | 'rds'> & {
  session: Session
  /** Whether a temporary clone is dropped after its grace time. */
  drop: boolean
}

/**
 * A strategy: which users and passwords a rotation changes, and how it changes the database. Every method may run any number of
 * times.
 */
export interface Strategy {
  /** The name of the user that the next value logs in as. @throws InvalidCredential if the value allows no such user */
  nextUser(current: Credential): string

  /**
   * Set if the current value is refused from `apply` until pending has become current. A rotation then rehearses the later steps
   * before it changes anything.
   */
  readonly hasOutage?: true

  /**
   * Makes the pending value valid in the database. A value of the user has to log in before an admin's credential is used.
   * @returns which server was changed, and what could not be done; nothing if that is the server that the value names, and all was
   *   done
   * @throws LoginRefused, AdminRefused, HostMismatch, NotPermitted, or what else the engine throws
   */
  apply(engine: Engine, change: Change): Promise<void> | Promise<Applied>

  /**
   * Checks what `apply` would refuse, as far as that shows without the change. Each engine checks its own part.
   * @returns sentences about what would not be done and does not stop a rotation
   * @throws what `apply` would throw
   */
  wouldApply(beforehand: ChangePreview): Promise<string[]>

  /**
   * Makes current valid again, whatever happened to pending, or leaves that to another rotation that is at work (`left`).
   * @throws LockedOut if no stored value can bring it back
   */
  undo(engine: Engine, change: FailedChange): Promise<Outcome>

  /** The user and its clone, by the name of either one. Left out by strategies with one user. */
  pairOf?(username: string): UserPair

  /**
   * Whether `username` is a temporary clone. Left out by other strategies. While a temporary clone is the current user, the
   * rotation is halfway: when the grace time is over, nothing is retired, but a second rotation moves the application back.
   */
  isOnClone?(username: string): boolean

  /**
   * Closes the user or the password that `current` replaced. Left out by strategies that leave nothing open.
   * @returns why a clone is kept that should be dropped; else undefined
   * @throws UserInUse if the clone has open sessions, so that it may be dropped later; else as `apply`
   */
  retire?(engine: Engine, retirement: Retirement): Promise<string | undefined>
}

import type { Credential } from '../credential.ts'
import type { Engine, Session, UserPair } from '../engines/engine.ts'
import type { RdsCalls } from '../rds.ts'

/** The values a step works with. What is read only in some cases is a function, so that it costs no call in others. */
export type Change = {
  current: Credential
  pending: Credential
  readPrevious(): Promise<Credential | undefined>
  /** The admin that `masterarn` names, for the same database. @throws HostMismatch */
  readAdmin(): Promise<Credential>
  /** Every stored value of the same user and server but current and pending, newest first. */
  storedValues(): AsyncIterable<StoredValue>
  /** RDS, for a master's password. */
  rds(): Promise<RdsCalls>
  /** What somebody says of a pooler that stands in between: that it asks the database at every login. */
  pooler?: 'auth-query' | undefined
}

/** A value that is stored beside current and pending. */
export type StoredValue = {
  credential: Credential
  /** Whether a rotation that still runs made it, or it is current by now. */
  isInUse(): Promise<boolean>
}

/** A change that failed, and what else may have happened to the secret meanwhile. */
export type FailedChange = Change & {
  /** Another rotation of this secret whose execution still runs; `pending` if its version is the pending one. */
  otherRotation(): Promise<{ pending: boolean } | undefined>
  /** Whether it is known that the change never began, so that pending was never set. */
  hasChangedNothing(): Promise<boolean>
  /** Whether it is known that the change was made, and whose the user is was proven for it. Left out, it is not. */
  wasSet?(): Promise<boolean>
  /** Whether the user that is not current may still log in with previous: its grace time is not over. */
  isPreviousOpen(): Promise<boolean>
}

/** What is to be closed after the grace time: whatever `current` replaced. */
export type Retirement = Pick<Change, 'current' | 'readAdmin'> & {
  /**
   * Asked when that is closed: the value of another rotation that took it up at the same moment, and is to be opened
   * again for it.
   */
  reusedBy(): Promise<Credential | undefined>
  /** Drop the user that was replaced instead of locking it. */
  drop: boolean
}

/**
 * How a failed change left the database: `intact`, it was never changed or is again as it was; `restored`, current's
 * password was set back; `left`, another rotation is at work and will finish or roll back by itself; `open`, current
 * logs in, but the password that was discarded could not be closed and still logs in as well.
 */
export type Outcome = 'intact' | 'restored' | 'left' | 'open'

/**
 * What an admin has applied. `address` is where, `host:port`: from there it may have still to come to the server that
 * pending names. `left` is what could not be done on the way and is no reason to stop, a sentence each.
 */
export type Applied = { address: string; left: string[] }

/**
 * What a strategy looks with before a change. `session` is the one that `apply` would act with: the user's own, or the
 * admin's where that acts. `pending` is a value that no database ever gets.
 */
export type ChangePreview = Pick<Change, 'current' | 'pending' | 'rds'> & {
  session: Session
  /** Whether a temporary clone is dropped after its grace time. */
  drop: boolean
}

/** Which users a rotation turns, and how the database follows. Every method may run any number of times. */
export interface Strategy {
  /** The user that the next value logs in as. @throws InvalidCredential if there can be none */
  nextUser(current: Credential): string

  /** Set: after `apply` current does not log in until pending is current. So what comes between is rehearsed before. */
  readonly hasOutage?: true

  /** Makes pending valid. Current is proven by a login before an admin's credential is used. */
  apply(engine: Engine, change: Change): Promise<void> | Promise<Applied>

  /**
   * What `apply` would refuse, as far as that shows without the change; each engine's own part is asked of the engine.
   * @returns what stops no rotation, a sentence each
   * @throws what `apply` would, of its first change
   */
  wouldApply(beforehand: ChangePreview): Promise<string[]>

  /** Makes current valid again, whatever became of pending. @throws LockedOut if nothing brings it back */
  undo(engine: Engine, change: FailedChange): Promise<Outcome>

  /** The users that must be equal, if there are two. */
  pairOf?(username: string): UserPair

  /**
   * Whether what `username` is current in is only half of the change: when its grace time is over, another rotation
   * follows instead of a retirement.
   */
  isOnClone?(username: string): boolean

  /**
   * Closes what `current` replaced.
   * @returns why something is kept that was to be dropped
   * @throws UserInUse if that may be dropped later
   */
  retire?(engine: Engine, retirement: Retirement): Promise<string | undefined>
}

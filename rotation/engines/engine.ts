import type { Credential } from '../credential.ts'

/** What must accept a credential: one kind of database server. */
export interface Engine {
  /**
   * Opens a session as the credential's user, in its database, over TLS unless it says `ssl: false`.
   * @throws LoginRefused if the server answered and refused user or password.
   * @throws Unreachable, TlsFailed, NotPermitted, InvalidCredential (no such database)
   */
  login(credential: Credential): Promise<Session>
}

/** A user and the clone that takes turns with it. */
export type Pair = { user: string; clone: string }

/**
 * One login. Each method is idempotent and never shows the server a password in clear text. They throw NotPermitted,
 * Unreachable, Conflict, or DatabaseFailed with the server's code.
 */
export interface Session extends AsyncDisposable {
  /** Gives `user` a new password; other sessions stay. */
  setPassword(user: string, password: string): Promise<void>

  /**
   * Makes the clone able to do exactly what the user may, creating it if absent; whatever the clone owns goes over
   * to the user; then `open`, one of the two, may log in with `password`. All of it or nothing.
   * @throws NotPermitted if the clone exists and is not a clone of this user. Nothing is changed then.
   */
  cloneUser(pair: Pair, open: { user: string; password: string }): Promise<void>

  /** No password logs `user` in any more; what it owns and may do stays, and sessions go on. */
  lockUser(user: string): Promise<void>

  /** What the clone may and the user may not, or the other way round: a sentence each, none if they are equal. */
  differences(pair: Pair): Promise<string[]>

  /** Runs a test query and throws its rows away. @throws TestFailed with the server's code if it is refused. */
  run(query: string): Promise<void>
}

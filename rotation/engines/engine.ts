import type { PeerCertificate } from 'node:tls'
import type { Credential } from '../credential.ts'

/** What every engine is made with. */
export type EngineOptions = {
  /** PEM file with the certificates of the issuers to trust; no others are. */
  caFile: string
  /** Milliseconds until a connection or a statement counts as unanswered. */
  connectTimeout?: number
  statementTimeout?: number
  /** Whether a test query may also write, which is taken back where the server can. */
  testMayWrite?: boolean
  /** Told the server's certificate at each handshake whose issuer is trusted, before its names are compared. */
  onCertificate?: (certificate: PeerCertificate) => void
}

export const DEFAULT_TIMEOUTS_MS = { connectTimeout: 5_000, statementTimeout: 15_000 }

/** What must accept a credential: one kind of database server. */
export interface Engine {
  /**
   * Opens a session as the credential's user, in its database, over TLS unless it says `ssl: false`. An admin's session
   * acts on the accounts of `host`, which is what a session of the user whose account it is to act on gives.
   * @throws LoginRefused if the server answered and refused user or password.
   * @throws Unproven if the server let the user in without looking at its password.
   * @throws Standby, which is Unreachable, if the server takes no changes and for that lets nobody in.
   * @throws Unreachable, TlsFailed, NotPermitted, InvalidCredential (no such database)
   */
  login(credential: Credential, host?: string): Promise<Session>

  /**
   * As login, but also where the server does not look at the password, if it can be changed there all the same: for
   * setting one that is known to be the user's by other means. The session proves nothing.
   */
  loginUnchecked?(credential: Credential): Promise<Session>
}

/** A user and the clone that takes turns with it. */
export type UserPair = { user: string; clone: string }

/** Idempotent, as all of a session. A password that is to log in afterwards logs in at every instant if it did before. */
export interface DualPasswordCalls {
  /** Makes `password` log in beside `current`, and no third one. */
  add(user: string, password: string, current: string): Promise<void>
  /** Makes `password` log in, and no other. */
  keepOnly(user: string, password: string): Promise<void>
  /** What `add` would refuse, as far as that shows without the change. @throws what `add` would */
  wouldAdd(user: string, password: string, current: string): Promise<void>
}

/**
 * One login. Each method is idempotent. It shows the server a verifier instead of a password, where it takes one; where
 * not, the password in clear text, only in a field that the server keeps out of its logs. They throw NotPermitted,
 * Unreachable, Conflict, or DatabaseFailed with the server's code.
 */
export interface Session extends AsyncDisposable {
  /**
   * Which of the user's accounts this is, where a name alone does not say it: MySQL's are `user`@`host`, MongoDB's are a
   * name in a database, Redshift's keep their password in one of two ways.
   */
  readonly accountQualifier?: string

  /**
   * Whether a pooler stands in between, as far as that can be told. It lets in whom it knows, over a connection that it
   * has: such a login proves that the pooler takes the password, and not that the server does.
   */
  readonly behindPooler?: boolean

  /**
   * Gives `user` a new password; other sessions stay. `reversibly`, only if the server's rules would also take the one
   * back that it replaces, and can keep it over a restart; without, what cannot be kept is set all the same, and throws.
   */
  setPassword(user: string, password: string, how?: { reversibly: boolean }): Promise<void>

  /**
   * What setPassword would refuse, as far as that shows without the change. `password` is one that is never used: a server
   * may write it to its log where its rules can be asked in no other way.
   * @throws what setPassword would
   */
  wouldSetPassword(user: string, password: string, how?: { reversibly: boolean }): Promise<void>

  /**
   * Lets `open`, one of the two, log in with `password`. Before that, if it is the clone: it may do exactly what the user
   * may, and is created if absent. If it is the user, the clone may be in use: nothing that could refuse its login is
   * changed, and it is brought up to date when it is opened next. What the clone owns goes over to the user, as far as
   * that can be. All of it; or the next call completes it, and until then `open`'s password does not log in.
   * @returns what stays with the clone, a sentence each; it is no reason not to take turns
   * @throws Stranger if the clone exists and is not a clone of this user. Nothing is changed then.
   */
  cloneUser(pair: UserPair, open: { user: string; password: string }): Promise<string[]>

  /**
   * What cloneUser would refuse if it were to let `open` log in, as far as that shows without the change. PostgreSQL and
   * Redshift make the change in this database in a transaction that is rolled back; the others read privileges.
   * @returns what would stay with the clone, what would keep `open` out all the same, and what could not be looked at, a
   *   sentence each
   * @throws what cloneUser would
   */
  wouldClone(pair: UserPair, open: string): Promise<string[]>

  /**
   * No password logs `user`, one of the pair, in any more; what it owns and may do stays, and sessions go on.
   * @throws Stranger if the clone is not a clone of this user. Nothing is changed then.
   */
  lockUser(user: string, pair: UserPair): Promise<void>

  /** How many sessions of `user` are open, as far as this one sees; undefined if it does not see those of others. */
  countSessions(user: string): Promise<number | undefined>

  /** How many more sessions the server lets `user` open now; undefined if it does not tell. */
  countFreeConnections(user: string): Promise<number | undefined>

  /**
   * There is no clone any more; what it owned is the user's.
   * @throws Stranger if it is not a clone of this user; NotPermitted, naming it, if something of the clone's cannot go
   * over. Nothing is dropped then.
   */
  dropClone(pair: UserPair): Promise<void>

  /**
   * What dropClone would refuse, as far as that shows without it, also of a clone that there is not yet.
   * @returns what could not be looked at, a sentence each
   * @throws what dropClone would
   */
  wouldDropUser(pair: UserPair): Promise<string[]>

  /** Where a user may have two passwords: see `strategies` in traits.ts. */
  readonly dualPassword?: DualPasswordCalls

  /**
   * What the clone may and the user may not, or the other way round: a sentence each, none if they are equal, one if
   * either is gone. `other` is the one of the two that this session is not, for servers that tell a user only about itself.
   */
  differences(pair: UserPair, other: () => Promise<Credential>): Promise<string[]>

  /**
   * Where a login does not show it by itself: that the server has looked at the password, and would refuse another.
   * @throws Unproven
   */
  requirePasswordCheck?(): Promise<void>

  /**
   * Whether an account of this name is let in with a certificate of its client alone, which Keyturn has not: the server
   * refuses such a login as it does a wrong password. It is for words in an alarm alone.
   */
  requiresClientCertificate?(user: string): Promise<boolean>

  /**
   * With how many refused logins in a row the server locks an account of this name, where servers do that: 0 if it
   * never does. For a user that cannot be asked itself, by an admin who may look.
   */
  failedLoginsUntilLock?(user: string): Promise<number>

  /**
   * Whether this server takes no changes, as the copy of a database that has not been promoted: it accepts every login
   * and refuses every change. Some servers show it before they look at a password: then the login throws Standby, or has
   * gone on to the server that takes changes, and this is said of the one that the credential names.
   * @throws NotPermitted if the user may not ask
   */
  isStandby?(): Promise<boolean>

  /**
   * Where a pooler stands in between: that it lets a test query have the transaction it needs. It changes nothing, and a
   * session that is refused is of no further use.
   * @throws NotPermitted
   */
  requireTransactions?(): Promise<void>

  /**
   * Runs a test query, of one statement, and throws its rows away as they come. It may only read, as far as the server
   * can see to that, unless the engine was made with `testMayWrite`.
   * @throws TestFailed with the server's code if it is refused
   */
  runTestQuery(query: string): Promise<void>
}

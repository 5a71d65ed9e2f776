import type { PeerCertificate } from 'node:tls'
import type { Credential } from '../credential.ts'

/** The settings that every engine is constructed with. */
export type EngineOptions = {
  /** The path of a PEM file with CA certificates. Only servers whose certificate one of these CAs signed are trusted. */
  caFile: string
  /** Milliseconds after which a connection attempt counts as unanswered. */
  connectTimeout?: number
  /** Milliseconds after which a statement counts as unanswered. */
  statementTimeout?: number
  /** Whether a test query may write. What it writes is rolled back where the server can roll back. */
  testMayWrite?: boolean
  /** Gets the server's certificate at each handshake, once its issuer is trusted; also if its host names do not fit. */
  onCertificate?: (certificate: PeerCertificate) => void
}

/** The settings of an engine whose options leave them out. */
export const defaultEngineOptions = {
  connectTimeout: 5_000,
  statementTimeout: 15_000,
  testMayWrite: false,
  onCertificate: () => {},
} satisfies Omit<EngineOptions, 'caFile'>

/** One kind of database server, to which a credential logs in. */
export interface Engine {
  /**
   * Opens a session as the credential's user, in the credential's database, over TLS unless the credential says `ssl: false`.
   * @param accountQualifier For an admin's session: the `accountQualifier` of a session of the user whose account the admin's
   *   session changes.
   * @throws LoginRefused if the server answered and refused user or password.
   * @throws PasswordNotChecked if the login shows that the server let the user in without checking the password. Where only a
   *   question shows it, `requirePasswordCheck` asks.
   * @throws Standby, which is an Unreachable, if the server says before it checks a password that it accepts no changes, and no
   *   server that accepts them can be reached instead.
   * @throws Unreachable, TlsFailed, NotPermitted, InvalidCredential (no such database)
   */
  login(credential: Credential, accountQualifier?: string): Promise<Session>

  /**
   * Opens a session as `login` does, and also where the server lets the user in without checking the password. Such a session
   * proves nothing. A rollback uses it to set the user's current password back, where the execution's history proves that the
   * rotation had set another one.
   */
  loginUnchecked?(credential: Credential): Promise<Session>
}

/** The names of a user and of its clone. */
export type UserPair = { user: string; clone: string }

/**
 * The calls that manage two passwords of one user. Each is idempotent. A password that logs in before a call and is to log
 * in after it also logs in at every instant between.
 */
export interface DualPasswordCalls {
  /** Makes `password` log in beside `current`. Any third password stops logging in. */
  add(user: string, password: string, current: string): Promise<void>
  /** Makes `password` the only one that logs in. */
  keepOnly(user: string, password: string): Promise<void>
  /**
   * Checks, without making the change, what `add` would refuse, as far as that can be known beforehand.
   * @throws what `add` would throw
   */
  wouldAdd(user: string, password: string, current: string): Promise<void>
}

/**
 * One login and what it can do. Each method is idempotent. To set a password, a session sends the password's hash where the
 * server accepts a hash; elsewhere it sends the password in clear text, only in a field that the server keeps out of its logs.
 *
 * The methods throw NotPermitted, Unreachable, Conflict, or DatabaseFailed with the server's error code.
 */
export interface Session extends AsyncDisposable {
  /**
   * What an admin's session has to know of the user's account beyond the user's name: in MySQL and MariaDB the host of
   * `user`@`host`, in MongoDB the database that holds the user, and in PostgreSQL and Redshift the form of the stored
   * password hash, such as `md5`.
   */
  readonly accountQualifier?: string

  /**
   * Whether a connection pooler stands between Keyturn and the server, as far as that can be detected. A pooler checks the
   * password itself and may reuse a connection that it has. So the login proves that the pooler accepts the password, but not
   * that the server does.
   */
  readonly isBehindPooler?: boolean

  /**
   * Gives `user` a new password. The user's open sessions go on.
   *
   * With `reversibly`, the change is refused if a rollback might be unable to take it back, because of the server's password
   * rules or of a limit an hour; if the server would lock the account for the application's refused logins; or if the server
   * fails to save its users, so that a restart would undo the change. Without `reversibly`, a change that the server fails to
   * save is made all the same, and the call then throws.
   */
  setPassword(user: string, password: string, how?: { reversibly: boolean }): Promise<void>

  /**
   * Checks, without making the change, what setPassword would refuse, as far as that can be known beforehand. `password` must be
   * one that is never used: the server may get its hash, and may log it or keep it in a history of passwords.
   * @throws what setPassword would throw
   */
  wouldSetPassword(user: string, password: string, how?: { reversibly: boolean }): Promise<void>

  /**
   * Opens one of the pair: makes `open.user` log in with `open.password`. closeUser is the counterpart.
   *
   * If `open.user` is the clone, the clone is created if absent, gets exactly the user's privileges, and hands what it owns to
   * the user as far as the server allows. All of that is done before its password is accepted.
   *
   * If `open.user` is the user, the application may be logged in as the clone. So nothing is changed that could refuse the clone
   * a login, and the clone's privileges are updated the next time that the clone is opened.
   *
   * A call that fails halfway is completed by the next call; until then `open.password` is not accepted.
   * @returns what the clone keeps owning, one sentence each; it does not prevent the two from taking turns
   * @throws NotAClone if the clone exists and is not a clone of this user. Nothing is changed then.
   */
  openUser(pair: UserPair, open: { user: string; password: string }): Promise<string[]>

  /**
   * Checks, without making the change, what openUser would refuse if it had to open `open`, as far as that can be known
   * beforehand. PostgreSQL and Redshift make the change in this database in a transaction that is rolled back. Redis checks the
   * commands and runs none of them. The other servers are asked for privileges.
   * @returns what the clone would keep owning, what would refuse `open` a login nevertheless, and what could not be checked, one
   *   sentence each
   * @throws what openUser would throw
   */
  wouldOpenUser(pair: UserPair, open: string): Promise<string[]>

  /**
   * Closes `user`, one of the pair: no password that anybody knows logs in as this user any more. What the user owns and may do
   * stays, and its open sessions go on. Setting a password is all that opens the user again.
   * @throws NotAClone if the clone is not a clone of this user. Nothing is changed then.
   */
  closeUser(user: string, pair: UserPair): Promise<void>

  /** @returns how many sessions of `user` this session sees; undefined if it may not see those of other users */
  countSessions(user: string): Promise<number | undefined>

  /** @returns how many more connections the server lets `user` open now; undefined if the server does not tell */
  countFreeConnections(user: string): Promise<number | undefined>

  /**
   * Drops the clone, and gives what it owned to the user. An absent clone is a success.
   * @throws NotAClone if it is not a clone of this user; NotPermitted if something that the clone owns cannot go to the user, or
   *   would fail without the clone. Nothing is dropped then.
   */
  dropClone(pair: UserPair): Promise<void>

  /**
   * Checks, without making the change, what dropClone would refuse, as far as that can be known beforehand. The clone need
   * not exist yet.
   * @returns what could not be checked, one sentence each
   * @throws what dropClone would throw
   */
  wouldDropClone(pair: UserPair): Promise<string[]>

  /** The calls for two passwords of one user, where the engine has the strategy `dual-password` (see traits.ts). */
  readonly dualPassword?: DualPasswordCalls

  /**
   * Compares what the user and the clone may do.
   * @param other Reads the credential of the one that this session is not logged in as, for servers that tell a user only about
   *   itself.
   * @returns the differences, one sentence or SQL statement each; none if the two are equal, or if this session may not compare
   *   them; a single one if either of the two is gone
   */
  differences(pair: UserPair, other: () => Promise<Credential>): Promise<string[]>

  /**
   * Makes sure that the server checked the password at the login, where a successful login alone does not prove that.
   * @throws PasswordNotChecked
   */
  requirePasswordCheck?(): Promise<void>

  /**
   * @returns whether the server lets an account of this name in only with a client certificate, which Keyturn does not
   *   have. The server refuses such a login like a wrong password; the answer is used only for the text of an alarm.
   */
  requiresClientCertificate?(user: string): Promise<boolean>

  /**
   * Reads the server's limit of refused logins. It takes an admin's session: the user's own logins may all be refused by then.
   * @returns after how many refused logins in a row the server locks an account of this name; 0 if it never does
   */
  failedLoginsUntilLock?(user: string): Promise<number>

  /**
   * Whether the server that the credential names is a standby: a copy of a database that has not been promoted, which accepts
   * logins and refuses changes. The answer is about the server that the credential names, also if the login has moved on from
   * that server to one that accepts changes.
   * @throws NotPermitted if the user may not ask
   */
  isStandby?(): Promise<boolean>

  /**
   * Checks that a pooler, if there is one, allows the transaction that a test query runs in. Changes nothing. If the pooler
   * refuses, the session must not be used any more.
   * @throws NotPermitted
   */
  requireTransactions?(): Promise<void>

  /**
   * Runs a test query of one statement and discards its rows as they arrive. The query may only read, as far as the server
   * can enforce that, unless the engine has `testMayWrite`.
   * @throws TestFailed with the server's error code if the server refuses the query
   */
  runTestQuery(query: string): Promise<void>
}

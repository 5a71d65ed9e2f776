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
  /** Gets the server's certificate at each handshake, once its issuer is trusted and before its host names are compared. */
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
   * Opens a session as the credential's user, in the credential's database, over TLS unless the credential says
   * `ssl: false`.
   * @param accountQualifier For an admin's session: the `accountQualifier` of a session of the user whose account the
   *   admin's session changes.
   * @throws LoginRefused if the server answered and refused user or password.
   * @throws PasswordNotChecked if the server let the user in without checking the password.
   * @throws Standby, which is an Unreachable, if the server accepts no changes and refuses logins for that reason.
   * @throws Unreachable, TlsFailed, NotPermitted, InvalidCredential (no such database)
   */
  login(credential: Credential, accountQualifier?: string): Promise<Session>

  /**
   * Opens a session as `login` does, and also where the server does not check the password but lets the user change it.
   * A rollback needs that to set a password that is known to be the user's by other means. The session proves nothing.
   */
  loginUnchecked?(credential: Credential): Promise<Session>
}

/** The names of a user and of the clone that takes turns with it. */
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
 * One login and what it can do. Each method is idempotent. To set a password, a session sends its hash where the server
 * accepts a hash; elsewhere it sends the password in clear text, only in a field that the server keeps out of its logs.
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
   * Whether a connection pooler stands between, as far as that can be detected. A pooler checks the password itself and
   * may reuse a connection that it has: such a login proves that the pooler accepts the password, but not that the server does.
   */
  readonly behindPooler?: boolean

  /**
   * Gives `user` a new password. Its open sessions go on. `reversibly` allows the change only if the server's password
   * rules would accept the replaced password again, and if the server can keep the change over a restart. Without
   * `reversibly`, a change that a restart would undo is made nevertheless, and the call then throws.
   */
  setPassword(user: string, password: string, how?: { reversibly: boolean }): Promise<void>

  /**
   * Checks, without making the change, what setPassword would refuse, as far as that can be known beforehand. `password`
   * must be one that is never used: some servers log it, as their rules can be asked in no other way.
   * @throws what setPassword would throw
   */
  wouldSetPassword(user: string, password: string, how?: { reversibly: boolean }): Promise<void>

  /**
   * Opens a user of the pair: makes `open.user` log in with `open.password`. closeUser is its counterpart.
   *
   * If it is the clone, the clone is created if absent, gets exactly the user's privileges, and hands what it owns to the
   * user as far as the server allows. All of that is done before its password is accepted.
   *
   * If it is the user, the application may be logged in as the clone. So nothing is changed that could refuse the clone a
   * login, and the clone's privileges are updated the next time that it is opened.
   *
   * A call that fails halfway is completed by the next call; until then the password of `open` is not accepted.
   * @returns what the clone keeps owning, one sentence each; it does not prevent the two from taking turns
   * @throws NotAClone if the clone exists and is not a clone of this user. Nothing is changed then.
   */
  openUser(pair: UserPair, open: { user: string; password: string }): Promise<string[]>

  /**
   * Checks, without making the change, what openUser would refuse if it had to open `open`, as far as that can be known
   * beforehand. PostgreSQL and Redshift make the change in this database in a transaction that is rolled back; the other
   * servers are asked for privileges.
   * @returns what the clone would keep owning, what would refuse `open` a login nevertheless, and what could not be
   *   checked, one sentence each
   * @throws what openUser would throw
   */
  wouldOpenUser(pair: UserPair, open: string): Promise<string[]>

  /**
   * Makes no known password of `user`, one of the pair, log in. What it owns and may do stays, and its open sessions go on.
   * Setting a password is all that opens the user again.
   * @throws NotAClone if the clone is not a clone of this user. Nothing is changed then.
   */
  closeUser(user: string, pair: UserPair): Promise<void>

  /** @returns how many sessions of `user` this session sees; undefined if it may not see those of other users */
  countSessions(user: string): Promise<number | undefined>

  /** @returns how many more connections the server lets `user` open now; undefined if the server does not tell */
  countFreeConnections(user: string): Promise<number | undefined>

  /**
   * Drops the clone, and gives what it owned to the user. An absent clone is a success.
   * @throws NotAClone if it is not a clone of this user; NotPermitted, naming the object, if something that the clone owns
   * cannot go to the user. Nothing is dropped then.
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
   * @param other Reads the credential of the one that this session is not logged in as, for servers that tell a user only
   *   about itself.
   * @returns the differences, one sentence or SQL statement each; none if the two are equal, one if either is gone
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
   * Asks for the limit as an admin who may read it, as a user that is locked out cannot be asked itself.
   * @returns after how many refused logins in a row the server locks an account of this name; 0 if it never does
   */
  failedLoginsUntilLock?(user: string): Promise<number>

  /**
   * Whether the server that the credential names is a standby: a copy of a database that has not been promoted, which
   * accepts logins and refuses changes. Some servers say so before they check a password. Then the login has thrown
   * Standby, or has moved on to the server that accepts changes; the answer is about the server that the credential names.
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

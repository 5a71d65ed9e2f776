import type pg from 'pg'
import { escapeIdentifier } from 'pg'
import type { Credential } from '../../credential.ts'
import { NotPermitted, RotationError, Unreachable } from '../../errors.ts'
import { generateUnknownPassword } from '../../password.ts'
import { compareFromOwnSessions } from '../compareFromOwnSessions.ts'
import type { UserPair } from '../engine.ts'
import { conflictIfDropped, missingUserSentence } from '../noSuchUser.ts'
import { undefinedIfNotReadable } from '../notReadable.ts'
import { DependentObjectsExist } from '../postgres/postgresErrors.ts'
import { type CompletedLogin, PostgresFamilySession } from '../postgres/postgresFamily.ts'
import { md5PasswordHash } from '../postgres/scram.ts'
import {
  ACCOUNT_STATEMENT_COUNT,
  type Account,
  type AccountRows,
  accountQuery,
  newAccount,
  quoteText,
  readAccount,
} from './redshiftAccount.ts'
import {
  checkPair,
  grantOwnedStatements,
  holdsHere,
  revokeAllStatements,
  syncStatements,
  transferStatements,
} from './redshiftClone.ts'
import { sha256PasswordHash } from './redshiftDigest.ts'

/**
 * Computes what Redshift stores for a password, in each form. A user keeps the form that it has, because only AWS's own drivers
 * can log in by sha256.
 */
const passwordHashers = {
  md5: md5PasswordHash,
  sha256: (_user: string, password: string) => sha256PasswordHash(password),
}

/** A session of Redshift. */
export class RedshiftSession extends PostgresFamilySession {
  /** The form in which new passwords are stored: that of the current password as far as the login of current has shown it. */
  readonly accountQualifier: 'md5' | 'sha256'
  readonly #login: (credential: Credential) => Promise<RedshiftSession>

  constructor(
    completedLogin: CompletedLogin,
    login: (credential: Credential) => Promise<RedshiftSession>,
    accountQualifier?: string,
  ) {
    super(completedLogin)
    this.#login = login
    const form = accountQualifier ?? completedLogin.details.proof
    this.accountQualifier = form === 'sha256' ? 'sha256' : 'md5'
  }

  /** Runs all of the statements in one transaction. */
  protected override async queryAll(text: string, where?: string): Promise<pg.QueryResultRow[][]> {
    return await this.#transaction(`${text}; commit`, this.statementTimeout, where)
  }

  /**
   * Runs statements and rolls them back. Redshift can roll back every statement except TRUNCATE and VACUUM
   * (https://docs.aws.amazon.com/redshift/latest/dg/c_Concurrent_writes.html). It has no lock_timeout, so each statement may take
   * five seconds. None of the statements may set the password of an existing user: the tests do not run on Redshift, so nothing
   * proves that it rolls back a password.
   */
  async #tryOut(statements: string[]): Promise<void> {
    await this.#transaction(`${statements.join('; ')}; rollback`, Math.min(5_000, this.statementTimeout))
  }

  /**
   * Begins a transaction, and sends `text`, which must end it. `timeout` is the milliseconds that a statement may take. The
   * parameters go in a message of their own: Redshift folds quoted names to lower case when it parses a message, unless
   * enable_case_sensitive_identifier is on by then
   * (https://docs.aws.amazon.com/redshift/latest/dg/r_enable_case_sensitive_identifier.html).
   * @returns the rows of each statement but the last one
   */
  async #transaction(text: string, timeout: number, where?: string): Promise<pg.QueryResultRow[][]> {
    try {
      await this.send(
        `begin; set local statement_timeout to ${timeout}; set local search_path to pg_catalog;
         set local timezone to 'UTC'; set local enable_case_sensitive_identifier to true`,
        where,
      )
      return (await this.send(text, where)).slice(0, -1)
    } catch (error) {
      await this.send('rollback').catch(() => {})
      throw error
    }
  }

  override async setPassword(user: string, password: string): Promise<void> {
    await this.query(this.#setPasswordStatement(user, password))
  }

  /**
   * A user may always change its own password (https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_USER.html). For another
   * user's password, this tries out a change of that user which needs the same right.
   */
  override async wouldSetPassword(user: string): Promise<void> {
    if (user === this.credential.username) return
    await this.#tryOut([await this.#unchangedValidityStatement(user)])
  }

  override async openUser(pair: UserPair, open: { user: string; password: string }): Promise<string[]> {
    const { user, clone, statements } = await this.#changesToOpen(pair, open.user)
    const kept = await this.#transferOwnership(user, clone)
    const setPassword = this.#setPasswordStatement(open.user, open.password)
    await this.query([...statements, setPassword].join('; ')).catch(conflictIfDropped)
    return kept
  }

  /**
   * Runs the statements of openUser and rolls them back. None of them sets the password of an existing user. A new user must
   * have a password, and gets one that nobody knows. What the clone owns is not touched, so this does not show whether Redshift
   * would refuse to transfer an object.
   */
  override async wouldOpenUser(pair: UserPair, open: string): Promise<string[]> {
    const { statements } = await this.#changesToOpen(pair, open)
    await this.#tryOut([...statements, await this.#unchangedValidityStatement(open)]).catch(conflictIfDropped)
    return []
  }

  /** A statement that changes nothing of a user, and needs the right to change the user. */
  async #unchangedValidityStatement(user: string): Promise<string> {
    const [row] = await this.query(
      `select valuntil::timestamp::varchar as until from pg_user where usename = ${quoteText(user)}`,
    )
    return `alter user ${escapeIdentifier(user)} valid until ${quoteText(row?.until ?? 'infinity')}`
  }

  /**
   * @returns the two accounts, and the statements that opening takes besides the password; none if the user is opened
   * @throws what checkPair throws
   */
  async #changesToOpen(
    pair: UserPair,
    open: string,
  ): Promise<{ user: Account; clone: Account; statements: string[] }> {
    // When the user is opened, the clone is the current one: the application may be logged in as the clone.
    const isCloneInUse = open === pair.user
    const [existingUser, existingClone] = await this.#readAccounts(pair.user, pair.clone)
    const user = checkPair(pair, existingUser, existingClone, isCloneInUse)
    const clone = existingClone ?? newAccount(pair.clone)
    const statements = [
      ...(existingClone ? [] : [this.#createStatement(pair.clone)]),
      ...grantOwnedStatements(user, clone),
      ...syncStatements(user, clone),
    ]
    return { user, clone, statements: isCloneInUse ? [] : statements }
  }

  /** Gives the user what the clone owns here, one object at a time. @returns what the clone keeps, one sentence each */
  async #transferOwnership(user: Account, clone: Account): Promise<string[]> {
    const kept: string[] = []
    for (const key of clone.owned.keys())
      try {
        await this.query(transferStatements(user, clone, key).join('; '))
      } catch (error) {
        if (!(error instanceof RotationError) || error instanceof Unreachable) throw error
        kept.push(`${clone.name} keeps ${key}: ${error.message}`)
      }
    return kept
  }

  /**
   * Sets a password that nobody knows. PASSWORD DISABLE is not used, as Redshift refuses it for a superuser
   * (https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_USER.html).
   */
  override async closeUser(user: string, pair: UserPair): Promise<void> {
    const [existingUser, clone] = await this.#readAccounts(pair.user, pair.clone)
    if (clone) checkPair(pair, existingUser, clone, user === pair.user)
    await this.query(this.#setPasswordStatement(user, generateUnknownPassword()))
  }

  /** Undefined unless this session is a superuser's, as others see only their own sessions. */
  override async countSessions(user: string): Promise<number | undefined> {
    const sessions = await this.#countSessions(user)
    return sessions?.all ? sessions.count : undefined
  }

  /** Counts by the user's own limit, because Redshift does not show its other limits. A superuser has no limit. */
  override async countFreeConnections(user: string): Promise<number | undefined> {
    const [row] = await this.query(
      `select usesuper as superuser, connection_limit as "limit" from pg_user, svv_user_info
       where usename = ${quoteText(user)} and user_name = usename`,
    )
    const limit = row?.superuser ? Number.NaN : Number.parseInt(row?.limit, 10)
    if (Number.isNaN(limit)) return undefined
    const sessions = await this.#countSessions(user)
    const seesSessions = sessions?.all || user === this.credential.username
    return sessions && seesSessions ? Math.max(0, limit - sessions.count) : undefined
  }

  /**
   * Counts the sessions in stv_sessions (https://docs.aws.amazon.com/redshift/latest/dg/r_STV_SESSIONS.html), which has 50
   * characters of a user's name.
   * @returns the count, and whether this session sees the sessions of all users; undefined if there is no such table, as in
   *   Redshift Serverless
   */
  async #countSessions(user: string): Promise<{ all: boolean; count: number } | undefined> {
    const query = `select (select usesuper from pg_user where usename = current_user) as all,
      (select count(*)::int from stv_sessions where trim(user_name) = left(${quoteText(user)}, 50)) as count`
    const [row] = (await this.query(query).catch(undefinedIfNotReadable)) ?? []
    return row as { all: boolean; count: number } | undefined
  }

  override async dropClone(pair: UserPair): Promise<void> {
    const accounts = await this.#findDroppableClone(pair)
    if (!accounts) return
    await this.query(
      [
        ...revokeAllStatements(accounts.user, accounts.clone),
        `drop user if exists ${escapeIdentifier(pair.clone)}`,
      ].join('; '),
    )
  }

  /**
   * Drops the clone, after creating it if there is none, and rolls that back. What the clone owns or may do here prevents the
   * drop, but is no error: dropClone transfers and revokes it first.
   */
  override async wouldDropClone(pair: UserPair): Promise<string[]> {
    const create = (await this.#findDroppableClone(pair)) ? [] : [this.#createStatement(pair.clone)]
    await this.#tryOut([...create, `drop user if exists ${escapeIdentifier(pair.clone)}`]).catch(error => {
      if (!(error instanceof DependentObjectsExist)) throw error
    })
    return []
  }

  /**
   * @returns the two accounts; undefined if there is no clone
   * @throws NotAClone; NotPermitted if the clone owns or may do something in another database
   */
  async #findDroppableClone(pair: UserPair): Promise<{ user: Account; clone: Account } | undefined> {
    const [existingUser, clone] = await this.#readAccounts(pair.user, pair.clone)
    if (!clone) return undefined
    const user = checkPair(pair, existingUser, clone)
    // DROP USER checks the current database only, and what the dropped user owns in another one then has the owner "unknown"
    // (https://docs.aws.amazon.com/redshift/latest/dg/r_DROP_USER.html).
    for (const dbname of await this.#otherDatabases()) {
      await using elsewhere = await this.#login(this.credential.with({ dbname }))
      const [cloneThere] = await elsewhere.#readAccounts(pair.clone)
      if (cloneThere && holdsHere(cloneThere))
        throw new NotPermitted(
          `${escapeIdentifier(pair.clone)} owns or may do something in the database ${dbname}; take that away first`,
        )
    }
    return { user, clone }
  }

  /** Needs a session of each of the two, as a user sees only its own roles and default privileges. */
  override async differences(pair: UserPair, other: () => Promise<Credential>): Promise<string[]> {
    const { user, clone } = pair
    const own = { name: this.credential.username, session: this }
    return compareFromOwnSessions(pair, own, this.#login(await other()), async sessionOf => {
      const [original] = await sessionOf(user).#readAccounts(user)
      const [copy] = await sessionOf(clone).#readAccounts(clone)
      return original && copy
        ? syncStatements(original, copy)
        : [missingUserSentence(original ? clone : user)]
    })
  }

  /** The statement that creates a user with a password that nobody knows. */
  #createStatement(user: string): string {
    return `create user ${escapeIdentifier(user)} password ${this.#passwordHash(user, generateUnknownPassword())}`
  }

  #setPasswordStatement(user: string, password: string): string {
    return `alter user ${escapeIdentifier(user)} password ${this.#passwordHash(user, password)}`
  }

  #passwordHash(user: string, password: string): string {
    return quoteText(passwordHashers[this.accountQualifier](user, password))
  }

  /** @returns the accounts in the order of the names, each undefined if there is no such user */
  async #readAccounts(...names: string[]): Promise<(Account | undefined)[]> {
    const rows = await this.queryAll(names.map(accountQuery).join('; '))
    return names.map((name, i) =>
      readAccount(
        name,
        rows.slice(i * ACCOUNT_STATEMENT_COUNT, (i + 1) * ACCOUNT_STATEMENT_COUNT) as AccountRows,
      ),
    )
  }

  async #otherDatabases(): Promise<string[]> {
    const rows = await this.query(
      `select database_name as name from svv_redshift_databases
       where database_type = 'local' and database_name <> current_database() order by 1`,
    )
    return rows.map(({ name }) => name)
  }
}

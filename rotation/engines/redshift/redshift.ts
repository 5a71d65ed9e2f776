import type pg from 'pg'
import { escapeIdentifier } from 'pg'
import type { Credential } from '../../credential.ts'
import { NotPermitted, RotationError, Unreachable } from '../../errors.ts'
import { generateUnknownPassword } from '../../password.ts'
import { compareFromOwnSessions } from '../compareFromOwnSessions.ts'
import type { UserPair } from '../engine.ts'
import { conflictIfDropped, missingUserSentence } from '../noSuchUser.ts'
import { DependentObjectsExist } from '../postgres/postgresErrors.ts'
import {
  type CompletedLogin,
  PostgresFamily,
  PostgresFamilySession,
  type PostgresOptions,
} from '../postgres/postgresFamily.ts'
import type { AuthenticationResponder } from '../postgres/postgresProof.ts'
import { md5PasswordHash } from '../postgres/scram.ts'
import { undefinedIfNotReadable } from '../userInUse.ts'
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
import { digestResponder, sha256PasswordHash } from './redshiftDigest.ts'

/** Redshift, provisioned or serverless. */
export class Redshift extends PostgresFamily<RedshiftSession> {
  constructor(options: PostgresOptions) {
    super('redshift', options)
  }

  protected override createSession(login: CompletedLogin, host?: string): RedshiftSession {
    return new RedshiftSession(login, other => this.login(other), host)
  }

  protected override authenticationResponder({ password }: Credential): AuthenticationResponder {
    return digestResponder(password)
  }
}

/** How Redshift keeps a password. Only its own drivers log in by sha256, so a user keeps the one that it has. */
const passwordHashers = {
  md5: md5PasswordHash,
  sha256: (_user: string, password: string) => sha256PasswordHash(password),
}

class RedshiftSession extends PostgresFamilySession {
  /** How the passwords of the users are kept that it acts on. */
  readonly accountQualifier: 'md5' | 'sha256'
  readonly #login: (credential: Credential) => Promise<RedshiftSession>

  constructor(login: CompletedLogin, another: (c: Credential) => Promise<RedshiftSession>, host?: string) {
    super(login)
    this.#login = another
    this.accountQualifier = (host ?? login.details.proof) === 'sha256' ? 'sha256' : 'md5'
  }

  /**
   * All of the statements in one transaction, or none. Its settings also let a quoted name be what it says: else Redshift
   * makes its letters small, as soon as it reads them, so they come in a message before.
   */
  protected override async queryAll(text: string, where?: string): Promise<pg.QueryResultRow[][]> {
    return await this.#transaction(`${text}; commit`, this.statementTimeout, where)
  }

  /**
   * Has the server do it, and undo it: in Redshift all can be rolled back but TRUNCATE and VACUUM, by
   * https://docs.aws.amazon.com/redshift/latest/dg/c_serial_isolation.html. It has no lock_timeout: each statement has five
   * seconds. As nothing was tried on a Redshift, no password of a user that there is is set here, in case it stayed.
   */
  async #tryOut(statements: string[]): Promise<void> {
    await this.#transaction(`${statements.join('; ')}; rollback`, Math.min(5_000, this.statementTimeout))
  }

  async #transaction(text: string, timeout: number, where?: string): Promise<pg.QueryResultRow[][]> {
    try {
      await this.send(
        `begin; set local search_path to pg_catalog; set local statement_timeout to ${timeout};
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
   * Everybody may change its own password, by https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_USER.html; for somebody
   * else's it takes the right to change anything else of that user.
   */
  override async wouldSetPassword(user: string): Promise<void> {
    if (user === this.credential.username) return
    await this.#tryOut([await this.#unchangedValidityStatement(user)])
  }

  override async cloneUser(pair: UserPair, open: { user: string; password: string }): Promise<string[]> {
    const { user, clone, statements } = await this.#changesToOpen(pair, open.user)
    const left = await this.#transferOwnership(user, clone)
    const set = this.#setPasswordStatement(open.user, open.password)
    await this.query([...statements, set].join('; ')).catch(conflictIfDropped)
    return left
  }

  /**
   * Its statements are those of cloneUser in a transaction that is rolled back. None sets the password of a user that
   * there is; a new one has to get one, and gets one that nobody knows, as in cloneUser. What the clone owns is not touched:
   * whether it goes over shows when it does.
   */
  override async wouldClone(pair: UserPair, open: string): Promise<string[]> {
    const { statements } = await this.#changesToOpen(pair, open)
    await this.#tryOut([...statements, await this.#unchangedValidityStatement(open)]).catch(conflictIfDropped)
    return []
  }

  /** A statement that changes nothing of a user, and takes the right to change it. */
  async #unchangedValidityStatement(user: string): Promise<string> {
    const [row] = await this.query(
      `select valuntil::timestamp::varchar as until from pg_user where usename = ${quoteText(user)}`,
    )
    return `alter user ${escapeIdentifier(user)} valid until ${quoteText(row?.until ?? 'infinity')}`
  }

  /** The two accounts, and what makes the clone equal to the user if it is to be opened. @throws as checkPair */
  async #changesToOpen(
    pair: UserPair,
    open: string,
  ): Promise<{ user: Account; clone: Account; statements: string[] }> {
    const inUse = open === pair.user
    const [found, existing] = await this.#readAccounts(pair.user, pair.clone)
    const user = checkPair(pair, found, existing, inUse)
    const clone = existing ?? newAccount(pair.clone)
    const statements = [
      ...(existing ? [] : [this.#createStatement(pair.clone)]),
      ...grantOwnedStatements(user, clone),
      ...syncStatements(user, clone),
    ]
    return { user, clone, statements: inUse ? [] : statements }
  }

  /** Hands what the clone owns to the user, each thing by itself. @returns what stays, a sentence each */
  async #transferOwnership(user: Account, clone: Account): Promise<string[]> {
    const left: string[] = []
    for (const key of clone.owned.keys())
      try {
        await this.query(transferStatements(user, clone, key).join('; '))
      } catch (error) {
        if (!(error instanceof RotationError) || error instanceof Unreachable) throw error
        left.push(`${clone.name} keeps ${key}: ${error.message}`)
      }
    return left
  }

  /** Not by PASSWORD DISABLE, which Redshift refuses for a superuser. */
  override async lockUser(user: string, pair: UserPair): Promise<void> {
    const [found, clone] = await this.#readAccounts(pair.user, pair.clone)
    if (clone) checkPair(pair, found, clone, user === pair.user)
    await this.query(this.#setPasswordStatement(user, generateUnknownPassword()))
  }

  /** Who is no superuser sees its own alone; Redshift Serverless has another table, of sessions that were. */
  override async countSessions(user: string): Promise<number | undefined> {
    const sessions = await this.#countSessions(user)
    return sessions?.all ? sessions.count : undefined
  }

  /** By the user's own limit alone, as Redshift does not tell its others. A superuser has none. */
  override async countFreeConnections(user: string): Promise<number | undefined> {
    const [row] = await this.query(
      `select usesuper as superuser, connection_limit as "limit" from pg_user, svv_user_info
       where usename = ${quoteText(user)} and user_name = usename`,
    )
    const limit = row?.superuser ? Number.NaN : Number.parseInt(row?.limit, 10)
    if (Number.isNaN(limit)) return undefined
    const sessions = await this.#countSessions(user)
    const seen = sessions?.all || user === this.credential.username
    return sessions && seen ? Math.max(0, limit - sessions.count) : undefined
  }

  async #countSessions(user: string): Promise<{ all: boolean; count: number } | undefined> {
    const query = `select (select usesuper from pg_user where usename = current_user) as all,
      (select count(*)::int from stv_sessions where trim(user_name) = left(${quoteText(user)}, 50)) as count`
    const [row] = (await this.query(query).catch(undefinedIfNotReadable)) ?? []
    return row as { all: boolean; count: number } | undefined
  }

  override async dropClone(pair: UserPair): Promise<void> {
    const both = await this.#findDroppableClone(pair)
    if (!both) return
    await this.query(
      [
        ...revokeAllStatements(both.user, both.clone),
        `drop user if exists ${escapeIdentifier(pair.clone)}`,
      ].join('; '),
    )
  }

  /** What the clone owns here, which keeps it from being dropped, is handed over before; whether that goes shows then. */
  override async wouldDropUser(pair: UserPair): Promise<string[]> {
    const making = (await this.#findDroppableClone(pair)) ? [] : [this.#createStatement(pair.clone)]
    await this.#tryOut([...making, `drop user if exists ${escapeIdentifier(pair.clone)}`]).catch(error => {
      if (!(error instanceof DependentObjectsExist)) throw error
    })
    return []
  }

  /** The two, if there is a clone. @throws Stranger; NotPermitted if it holds something in another database */
  async #findDroppableClone(pair: UserPair): Promise<{ user: Account; clone: Account } | undefined> {
    const [found, clone] = await this.#readAccounts(pair.user, pair.clone)
    if (!clone) return undefined
    const user = checkPair(pair, found, clone)
    // Redshift would drop it all the same, and leave what it owns there to nobody.
    for (const dbname of await this.#otherDatabases()) {
      await using elsewhere = await this.#login(this.credential.with({ dbname }))
      const [there] = await elsewhere.#readAccounts(pair.clone)
      if (there && holdsHere(there))
        throw new NotPermitted(
          `${escapeIdentifier(pair.clone)} owns or may do something in the database ${dbname}; take that away first`,
        )
    }
    return { user, clone }
  }

  /** A user sees only its own roles and default privileges. */
  override async differences(pair: UserPair, other: () => Promise<Credential>): Promise<string[]> {
    const { user, clone } = pair
    const us = { name: this.credential.username, session: this }
    return compareFromOwnSessions(pair, us, this.#login(await other()), async of => {
      const [[original], [copy]] = [await of(user).#readAccounts(user), await of(clone).#readAccounts(clone)]
      return original && copy
        ? syncStatements(original, copy)
        : [missingUserSentence(original ? clone : user)]
    })
  }

  #createStatement(user: string): string {
    return `create user ${escapeIdentifier(user)} password ${this.#passwordHash(user, generateUnknownPassword())}`
  }

  #setPasswordStatement(user: string, password: string): string {
    return `alter user ${escapeIdentifier(user)} password ${this.#passwordHash(user, password)}`
  }

  #passwordHash(user: string, password: string): string {
    return quoteText(passwordHashers[this.accountQualifier](user, password))
  }

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

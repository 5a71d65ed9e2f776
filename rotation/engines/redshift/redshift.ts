import type pg from 'pg'
import { escapeIdentifier } from 'pg'
import type { Credential } from '../../credential.ts'
import { NotPermitted, RotationError, Unreachable } from '../../errors.ts'
import { unknownPassword } from '../../password.ts'
import { compareOwn } from '../compareOwn.ts'
import type { Pair } from '../engine.ts'
import { undefinedIfUnseen } from '../inUse.ts'
import { conflictIfDropped, gone } from '../noSuchUser.ts'
import { Held } from '../postgres/postgresErrors.ts'
import {
  type Login,
  PostgresFamily,
  PostgresFamilySession,
  type PostgresOptions,
} from '../postgres/postgresFamily.ts'
import type { Answer } from '../postgres/postgresProof.ts'
import { md5Verifier } from '../postgres/scram.ts'
import {
  ACCOUNT_PARTS,
  type Account,
  type AccountRows,
  accountQuery,
  newAccount,
  quoteText,
  readAccount,
} from './redshiftAccount.ts'
import {
  checkPair,
  followStatements,
  handOverStatements,
  holdsHere,
  leaveStatements,
  shareStatements,
} from './redshiftClone.ts'
import { answerDigest, sha256Verifier } from './redshiftDigest.ts'

/** Redshift, provisioned or serverless. */
export class Redshift extends PostgresFamily<RedshiftSession> {
  constructor(options: PostgresOptions) {
    super('redshift', options)
  }

  protected override session(login: Login, host?: string): RedshiftSession {
    return new RedshiftSession(login, other => this.login(other), host)
  }

  protected override answer({ password }: Credential): Answer {
    return answerDigest(password)
  }
}

/** How Redshift keeps a password. Only its own drivers log in by sha256, so a user keeps the one that it has. */
const verifiers = {
  md5: md5Verifier,
  sha256: (_user: string, password: string) => sha256Verifier(password),
}

class RedshiftSession extends PostgresFamilySession {
  /** How the passwords of the users are kept that it acts on. */
  readonly host: 'md5' | 'sha256'
  readonly #login: (credential: Credential) => Promise<RedshiftSession>

  constructor(login: Login, another: (c: Credential) => Promise<RedshiftSession>, host?: string) {
    super(login)
    this.#login = another
    this.host = (host ?? login.told.proof) === 'sha256' ? 'sha256' : 'md5'
  }

  /**
   * All of the statements in one transaction, or none. Its settings also let a quoted name be what it says: else Redshift
   * makes its letters small, as soon as it reads them, so they come in a message before.
   */
  protected override async queries(text: string, where?: string): Promise<pg.QueryResultRow[][]> {
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
    await this.query(this.#setPassword(user, password))
  }

  /**
   * Everybody may change its own password, by https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_USER.html; for somebody
   * else's it takes the right to change anything else of that user.
   */
  override async wouldSetPassword(user: string): Promise<void> {
    if (user === this.credential.username) return
    await this.#tryOut([await this.#sameValidity(user)])
  }

  override async cloneUser(pair: Pair, open: { user: string; password: string }): Promise<string[]> {
    const { user, clone, statements } = await this.#turn(pair, open.user)
    const left = await this.#handOver(user, clone)
    const set = this.#setPassword(open.user, open.password)
    await this.query([...statements, set].join('; ')).catch(conflictIfDropped)
    return left
  }

  /**
   * Its statements are those of cloneUser in a transaction that is rolled back. None sets the password of a user that
   * there is; a new one has to get one, and gets one that nobody knows, as in cloneUser. What the clone owns is not touched:
   * whether it goes over shows when it does.
   */
  override async wouldClone(pair: Pair, open: string): Promise<string[]> {
    const { statements } = await this.#turn(pair, open)
    await this.#tryOut([...statements, await this.#sameValidity(open)]).catch(conflictIfDropped)
    return []
  }

  /** A statement that changes nothing of a user, and takes the right to change it. */
  async #sameValidity(user: string): Promise<string> {
    const [row] = await this.query(
      `select valuntil::timestamp::varchar as until from pg_user where usename = ${quoteText(user)}`,
    )
    return `alter user ${escapeIdentifier(user)} valid until ${quoteText(row?.until ?? 'infinity')}`
  }

  /** The two accounts, and what makes the clone equal to the user if it is to be opened. @throws as checkPair */
  async #turn(pair: Pair, open: string): Promise<{ user: Account; clone: Account; statements: string[] }> {
    const inUse = open === pair.user
    const [found, existing] = await this.#accounts(pair.user, pair.clone)
    const user = checkPair(pair, found, existing, inUse)
    const clone = existing ?? newAccount(pair.clone)
    const statements = [
      ...(existing ? [] : [this.#create(pair.clone)]),
      ...shareStatements(user, clone),
      ...followStatements(user, clone),
    ]
    return { user, clone, statements: inUse ? [] : statements }
  }

  /** Hands what the clone owns to the user, each thing by itself. @returns what stays, a sentence each */
  async #handOver(user: Account, clone: Account): Promise<string[]> {
    const left: string[] = []
    for (const key of clone.owned.keys())
      try {
        await this.query(handOverStatements(user, clone, key).join('; '))
      } catch (error) {
        if (!(error instanceof RotationError) || error instanceof Unreachable) throw error
        left.push(`${clone.name} keeps ${key}: ${error.message}`)
      }
    return left
  }

  /** Not by PASSWORD DISABLE, which Redshift refuses for a superuser. */
  override async lockUser(user: string, pair: Pair): Promise<void> {
    const [found, clone] = await this.#accounts(pair.user, pair.clone)
    if (clone) checkPair(pair, found, clone, user === pair.user)
    await this.query(this.#setPassword(user, unknownPassword()))
  }

  /** Who is no superuser sees its own alone; Redshift Serverless has another table, of sessions that were. */
  override async sessionsOf(user: string): Promise<number | undefined> {
    const sessions = await this.#sessions(user)
    return sessions?.all ? sessions.count : undefined
  }

  /** By the user's own limit alone, as Redshift does not tell its others. A superuser has none. */
  override async roomFor(user: string): Promise<number | undefined> {
    const [row] = await this.query(
      `select usesuper as superuser, connection_limit as "limit" from pg_user, svv_user_info
       where usename = ${quoteText(user)} and user_name = usename`,
    )
    const limit = row?.superuser ? Number.NaN : Number.parseInt(row?.limit, 10)
    if (Number.isNaN(limit)) return undefined
    const sessions = await this.#sessions(user)
    const seen = sessions?.all || user === this.credential.username
    return sessions && seen ? Math.max(0, limit - sessions.count) : undefined
  }

  async #sessions(user: string): Promise<{ all: boolean; count: number } | undefined> {
    const query = `select (select usesuper from pg_user where usename = current_user) as all,
      (select count(*)::int from stv_sessions where trim(user_name) = left(${quoteText(user)}, 50)) as count`
    const [row] = (await this.query(query).catch(undefinedIfUnseen)) ?? []
    return row as { all: boolean; count: number } | undefined
  }

  override async dropUser(pair: Pair): Promise<void> {
    const both = await this.#droppable(pair)
    if (!both) return
    await this.query(
      [...leaveStatements(both.user, both.clone), `drop user if exists ${escapeIdentifier(pair.clone)}`].join(
        '; ',
      ),
    )
  }

  /** What the clone owns here, which keeps it from being dropped, is handed over before; whether that goes shows then. */
  override async wouldDropUser(pair: Pair): Promise<string[]> {
    const making = (await this.#droppable(pair)) ? [] : [this.#create(pair.clone)]
    await this.#tryOut([...making, `drop user if exists ${escapeIdentifier(pair.clone)}`]).catch(error => {
      if (!(error instanceof Held)) throw error
    })
    return []
  }

  /** The two, if there is a clone. @throws Stranger; NotPermitted if it holds something in another database */
  async #droppable(pair: Pair): Promise<{ user: Account; clone: Account } | undefined> {
    const [found, clone] = await this.#accounts(pair.user, pair.clone)
    if (!clone) return undefined
    const user = checkPair(pair, found, clone)
    // Redshift would drop it all the same, and leave what it owns there to nobody.
    for (const dbname of await this.#otherDatabases()) {
      await using elsewhere = await this.#login(this.credential.with({ dbname }))
      const [there] = await elsewhere.#accounts(pair.clone)
      if (there && holdsHere(there))
        throw new NotPermitted(
          `${escapeIdentifier(pair.clone)} owns or may do something in the database ${dbname}; take that away first`,
        )
    }
    return { user, clone }
  }

  /** A user sees only its own roles and default privileges. */
  override async differences(pair: Pair, other: () => Promise<Credential>): Promise<string[]> {
    const { user, clone } = pair
    const us = { name: this.credential.username, session: this }
    return compareOwn(pair, us, this.#login(await other()), async of => {
      const [[original], [copy]] = [await of(user).#accounts(user), await of(clone).#accounts(clone)]
      return original && copy ? followStatements(original, copy) : [gone(original ? clone : user)]
    })
  }

  #create(user: string): string {
    return `create user ${escapeIdentifier(user)} password ${this.#verifier(user, unknownPassword())}`
  }

  #setPassword(user: string, password: string): string {
    return `alter user ${escapeIdentifier(user)} password ${this.#verifier(user, password)}`
  }

  #verifier(user: string, password: string): string {
    return quoteText(verifiers[this.host](user, password))
  }

  async #accounts(...names: string[]): Promise<(Account | undefined)[]> {
    const rows = await this.queries(names.map(accountQuery).join('; '))
    return names.map((name, i) =>
      readAccount(name, rows.slice(i * ACCOUNT_PARTS, (i + 1) * ACCOUNT_PARTS) as AccountRows),
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

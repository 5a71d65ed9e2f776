import { escapeIdentifier } from 'pg'
import type { Credential } from '../credential.ts'
import { NotPermitted } from '../errors.ts'
import { unknownPassword } from '../password.ts'
import { compareOwn } from './compareOwn.ts'
import type { Pair } from './engine.ts'
import { conflictIfDropped, gone } from './noSuchUser.ts'
import { type Login, PostgresFamily, PostgresFamilySession, type PostgresOptions } from './postgresFamily.ts'
import type { Answer } from './postgresProof.ts'
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
import { md5Verifier } from './scram.ts'

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

  /** Also lets a quoted name be what it says: else Redshift makes its letters small. */
  override async prepare(statementTimeout: number, where: string): Promise<void> {
    await this.queries(
      `set search_path to pg_catalog; set statement_timeout to ${statementTimeout}; set timezone to 'UTC';
       set enable_case_sensitive_identifier to true`,
      where,
    )
  }

  override async setPassword(user: string, password: string): Promise<void> {
    await this.query(this.#setPassword(user, password))
  }

  override async cloneUser(pair: Pair, open: { user: string; password: string }): Promise<string[]> {
    const [found, existing] = await this.#accounts(pair.user, pair.clone)
    const user = checkPair(pair, found, existing, open.user === pair.user)
    const clone = existing ?? newAccount(pair.clone)
    await this.#transaction([
      ...(existing
        ? []
        : [
            `create user ${escapeIdentifier(pair.clone)} password ${this.#verifier(pair.clone, unknownPassword())}`,
          ]),
      ...handOverStatements(user, clone),
      ...shareStatements(user, clone),
      ...followStatements(user, clone),
      this.#setPassword(open.user, open.password),
    ]).catch(conflictIfDropped)
    return []
  }

  /** Not by PASSWORD DISABLE, which Redshift refuses for a superuser. */
  override async lockUser(user: string, pair: Pair): Promise<void> {
    const [found, clone] = await this.#accounts(pair.user, pair.clone)
    if (clone) checkPair(pair, found, clone, user === pair.user)
    await this.query(this.#setPassword(user, unknownPassword()))
  }

  override async dropUser(pair: Pair): Promise<void> {
    const [found, clone] = await this.#accounts(pair.user, pair.clone)
    if (!clone) return
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
    await this.#transaction([
      ...leaveStatements(user, clone),
      `drop user if exists ${escapeIdentifier(pair.clone)}`,
    ])
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

  /** All of the statements, or none. */
  async #transaction(statements: string[]): Promise<void> {
    try {
      await this.query(['begin', ...statements, 'commit'].join('; '))
    } catch (error) {
      await this.query('rollback').catch(() => {})
      throw error
    }
  }
}

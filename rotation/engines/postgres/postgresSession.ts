import type pg from 'pg'
import { escapeIdentifier, escapeLiteral } from 'pg'
import type { Credential } from '../../credential.ts'
import { NotPermitted, RotationError } from '../../errors.ts'
import type { UserPair } from '../engine.ts'
import { conflictIfDropped, missingUserSentence } from '../noSuchUser.ts'
import { PasswordNotChecked } from '../passwordNotChecked.ts'
import { actsAsAnotherRoleSql } from './postgresActsAsAnother.ts'
import {
  checkPair,
  databasesHeldIn,
  grantDifferences,
  inheritsUser,
  inUseSyncStatements,
  loginObstacles,
  requireClone,
  syncStatements,
} from './postgresClone.ts'
import { ReadOnly } from './postgresErrors.ts'
import { type CompletedLogin, PostgresFamilySession } from './postgresFamily.ts'
import { freeConnectionsQuery } from './postgresFreeConnections.ts'
import { isTemporary, OwnershipTransfer } from './postgresOwnershipTransfer.ts'
import { MAX_SCRAM_ITERATIONS_COUNT, scramIterationsOf, tooManyIterationsError } from './postgresProof.ts'
import { type PairRoles, readRoles, rolesQuery } from './postgresRoles.ts'
import { stayingSettings } from './postgresSettings.ts'
import { md5PasswordHash, scramVerifier } from './scram.ts'

type RunStatements = (statements: string) => Promise<unknown>
type TransferOptions = { grants: boolean; all?: boolean; tryOut?: RunStatements }

/** What one login to PostgreSQL can do. */
export class PostgresSession extends PostgresFamilySession {
  /** How the passwords of the users are kept that it acts on: as current's, unless the server does not tell. */
  accountQualifier: string
  readonly #login: (credential: Credential) => Promise<PostgresSession>
  behindPooler = false
  /** What the server may be asked, as this login does not tell it. */
  readonly #mustAsk: { verifier: boolean; method: boolean }
  readonly #version: number
  /** Whether a setting of the database has this user act as another role, by which it could do less. */
  #actsAsAnother = false
  /** Who has checked the password, if that is not the server itself. */
  #passwordCheckedBy: string | undefined

  /** Of this login's verifier: made with it, another one of the same password is the same. */
  readonly #salt: Buffer | undefined

  constructor(from: CompletedLogin, login: (c: Credential) => Promise<PostgresSession>, host?: string) {
    super(from)
    const { details } = from
    this.#login = login
    this.#salt = details.salt
    this.accountQualifier = host ?? details.proof
    this.#version = Number.parseInt(details.version ?? '', 10) || 0
    const inClearText = details.proof === 'password'
    this.#mustAsk = { verifier: inClearText && !host, method: inClearText && this.#version >= 16 }
  }

  /**
   * Who logs in in clear text may have any kind of verifier: the server's own settings say which it is to have. A user's own
   * time for a session that is idle is not for us, but stays as it is where a pooler goes on with the session. Who may
   * create roles acts as itself, unless it is the user's own setting that says otherwise.
   */
  override async prepare(where: string): Promise<void> {
    const { verifier, method } = this.#mustAsk
    const { processID } = this.client as pg.Client & { processID: number | null }
    const ask = `select pg_backend_pid() as process, current_setting('password_encryption') as kind,
      coalesce(current_setting('scram_iterations', true), '4096') as iterations, ${method ? 'system_user' : 'null'} as who,
      ${actsAsAnotherRoleSql(this.credential.username)} as "actsAsAnother",
      ${this.#version >= 14 ? `set_config('idle_session_timeout', '0', pg_backend_pid() <> ${Number(processID)})` : 'null'}`
    const [found] = await this.query(ask, where)
    // A pooler makes up what it says of the process, as it may go on with another one.
    this.behindPooler = found !== undefined && found.process !== processID
    if (verifier) this.accountQualifier = found?.kind === 'md5' ? 'md5' : `scram-sha-256:${found?.iterations}`
    this.#actsAsAnother = found?.actsAsAnother === true
    this.#passwordCheckedBy = /^(ldap|pam|radius|bsd):/.exec(found?.who ?? '')?.[1]
  }

  /** A password that the server has somebody else look at is not in the database. */
  async requirePasswordCheck(): Promise<void> {
    if (this.#passwordCheckedBy)
      throw new PasswordNotChecked(
        `as ${this.credential}: the server leaves this user's password to ${this.#passwordCheckedBy} (pg_hba.conf), so setting another ` +
          'in the database would change nothing; let pg_hba.conf ask this user for scram-sha-256',
      )
  }

  /** Everybody may ask, also through a pooler. */
  async isStandby(): Promise<boolean> {
    const [found] = await this.query('select pg_is_in_recovery() as standby')
    return found?.standby !== false
  }

  /** In statement mode a pooler ends the session of who leaves a transaction open. */
  async requireTransactions(): Promise<void> {
    if (!this.behindPooler) return
    await this.send('begin read only')
    await this.send('rollback')
  }

  override async setPassword(user: string, password: string): Promise<void> {
    await this.#write(await this.#passwordStatement(user, password))
  }

  /**
   * By the statement itself, which is rolled back: that RDS keeps who may change passwords (rds.restrict_password_commands),
   * or that a library of the server does not take this verifier, shows in nothing that can be read.
   */
  override async wouldSetPassword(user: string, password: string): Promise<void> {
    await this.#tryOut(await this.#passwordStatement(user, password))
  }

  override async cloneUser(pair: UserPair, open: { user: string; password: string }): Promise<string[]> {
    return await this.#openUser(pair, open.user, {
      password: async () => ` password ${escapeLiteral(await this.#verifier(open.user, open.password))}`,
      write: statements => this.#write(statements),
    })
  }

  /**
   * Its statements are those of cloneUser, but for the password, in a transaction that is rolled back. What the clone owns
   * is read alone: whether the server hands each thing over shows when it does.
   */
  override async wouldClone(pair: UserPair, open: string): Promise<string[]> {
    const tryOut = (statements: string) => this.#tryOut(statements)
    const password = async () => {
      this.#iterations()
      return ''
    }
    return await this.#openUser(pair, open, { password, write: tryOut, tryOut })
  }

  /** `checkSession`, if nothing is to be handed over. */
  async #openUser(
    pair: UserPair,
    user: string,
    {
      password,
      write,
      tryOut,
    }: { password(): Promise<string>; write: RunStatements; tryOut?: RunStatements },
  ): Promise<string[]> {
    const roles = await this.#readRoles(pair)
    const open = `alter role ${escapeIdentifier(user)} login${await password()}`
    const inUse = user === pair.user
    const statements = inUse ? inUseSyncStatements(pair, roles) : syncStatements(pair, roles)
    const how = { grants: !inUse, ...(tryOut && { tryOut }) }
    const left = inUse && !inheritsUser(roles) ? [] : await this.#transferOwnership(pair, roles, how)
    // One message of several statements is one transaction.
    await write([...statements, open].join('; ')).catch(conflictIfDropped)
    if (inUse) return tryOut && roles.user ? [...left, ...loginObstacles(roles.user)] : left
    return [...left, ...stayingSettings(roles)]
  }

  override async lockUser(user: string, pair: UserPair): Promise<void> {
    const { user: original, clone } = await this.#readRoles(pair)
    if (original && clone) requireClone(original, clone)
    await this.#write(`alter role ${escapeIdentifier(user)} password null`)
  }

  /** Whose a session is, everybody may see. */
  override async countSessions(user: string): Promise<number> {
    const query = `select count(*)::int as count from pg_stat_activity where usename = ${escapeLiteral(user)}`
    const [row] = await this.query(query)
    return row?.count
  }

  /** What a pooler lets in is its own affair. */
  override async countFreeConnections(user: string): Promise<number | undefined> {
    if (this.behindPooler) return undefined
    const [row] = await this.query(freeConnectionsQuery(user, this.#version))
    return row?.room
  }

  override async dropClone(pair: UserPair): Promise<void> {
    if (await this.#emptyClone(pair, { grants: true, all: true }))
      await this.#write(`drop role if exists ${escapeIdentifier(pair.clone)}`)
  }

  /** To drop a role takes the rights by which it is made or changed, which wouldClone tries out. */
  override async wouldDropUser(pair: UserPair): Promise<string[]> {
    await this.#emptyClone(pair, { grants: true, tryOut: statements => this.#tryOut(statements) })
    return []
  }

  /** Whether there is a clone, of which nothing stays. @throws Stranger, NotPermitted */
  async #emptyClone(pair: UserPair, how: TransferOptions): Promise<boolean> {
    const roles = await this.#readRoles(pair)
    if (!roles.clone) return false
    checkPair(pair, roles)
    const left = await this.#transferOwnership(pair, roles, how)
    if (left.length) throw new NotPermitted(`${pair.clone} is not dropped: ${left.join('; ')}`)
    return true
  }

  override async differences(pair: UserPair): Promise<string[]> {
    const roles = await this.#readRoles(pair)
    if (!roles.user || !roles.clone) return [missingUserSentence(roles.user ? pair.clone : pair.user)]
    return [...syncStatements(pair, roles), ...grantDifferences(pair, roles)]
  }

  /**
   * Hands what the clone owns to the user, in every database, and takes back what the clone was granted itself, if
   * `grants`. What it holds in another database is within reach from inside that alone. With `checkSession` it only looks, and
   * tries out here what is no business of one database.
   * @returns what stays with the clone, a sentence each; what may go over later is thrown instead, if `all` is to go
   */
  async #transferOwnership(pair: UserPair, roles: PairRoles, how: TransferOptions): Promise<string[]> {
    const left: string[] = []
    for (const dbname of databasesHeldIn(roles)) {
      try {
        if (dbname === roles.database) {
          left.push(...(await this.#transferOwnershipHere(pair, roles, how)))
        } else {
          await using elsewhere = await this.#login(this.credential.with({ dbname }))
          left.push(...(await elsewhere.#transferOwnershipHere(pair, await elsewhere.#readRoles(pair), how)))
        }
      } catch (error) {
        if (!(error instanceof RotationError) || isTemporary(error)) throw error
        if (how.all && !(error instanceof NotPermitted)) throw error
        left.push(`${pair.clone} keeps what it holds in the database ${dbname}: ${error.message}`)
      }
    }
    return left
  }

  #transferOwnershipHere(pair: UserPair, roles: PairRoles, how: TransferOptions): Promise<string[]> {
    const query = (text: string) => this.query(text)
    const write = how.tryOut ?? (text => this.#write(text))
    const handOver = new OwnershipTransfer({ query, write }, pair, roles)
    return how.tryOut ? handOver.preview(how) : handOver.run(how)
  }

  /**
   * Who reads only, by a setting of the user or the database, changes roles all the same, but runs its test query as it
   * is set. Where the server's own setting says so, or it is a replica, the server refuses.
   */
  async #write(statements: string, run: RunStatements = text => this.query(text)): Promise<void> {
    try {
      await run(statements)
    } catch (error) {
      if (!(error instanceof ReadOnly)) throw error
      const [own] = await this.query(
        `select from pg_settings where name = 'default_transaction_read_only'
         and source in ('user', 'database', 'database user') and not pg_is_in_recovery()`,
      )
      if (!own) throw error
      await run(`set transaction read write; ${statements}`)
    }
  }

  /** Has the server do it, wait no more than a second for who else changes the same role, and undo it. @throws as #write */
  async #tryOut(statements: string): Promise<void> {
    await this.#write(statements, async text => {
      try {
        await this.query(`begin; set local lock_timeout = '1s'; ${text}; rollback`)
      } catch (error) {
        await this.send('rollback').catch(() => {})
        throw error
      }
    })
  }

  /** One message of several statements is one transaction. */
  protected override async queryAll(text: string, where?: string): Promise<pg.QueryResultRow[][]> {
    const settings = [
      'set local search_path = pg_catalog',
      `set local statement_timeout = ${this.statementTimeout}`,
      'set local datestyle = iso',
      // However short a user's own are, they are not for us.
      'set local lock_timeout = 0',
      ...(this.#actsAsAnother ? ['set local role none'] : []),
      ...(this.#version >= 17 ? ['set local transaction_timeout = 0'] : []),
    ]
    return (await this.send([...settings, text].join('; '), where)).slice(settings.length)
  }

  async #readRoles(pair: UserPair): Promise<PairRoles> {
    return readRoles(await this.query(rolesQuery(pair, this.#version)), pair)
  }

  /** A clone acts as its user (SET role), who may not change the clone's password; on oneself the login counts. */
  async #passwordStatement(user: string, password: string): Promise<string> {
    const own = user === this.credential.username ? 'set local role none; ' : ''
    const verifier = escapeLiteral(await this.#verifier(user, password))
    return `${own}alter role ${escapeIdentifier(user)} password ${verifier}`
  }

  /** Of a new verifier, where it has any. @throws NotPermitted if they are more than drivers log in with */
  #iterations(): number {
    const iterations = scramIterationsOf(this.accountQualifier) ?? 4096
    if (iterations > MAX_SCRAM_ITERATIONS_COUNT)
      throw tooManyIterationsError(`as ${this.credential}`, iterations)
    return iterations
  }

  /** @throws NotPermitted as #iterations */
  async #verifier(user: string, password: string): Promise<string> {
    if (this.accountQualifier === 'md5') return md5PasswordHash(user, password)
    const iterations = this.#iterations()
    const same = user === this.credential.username && password === this.credential.password
    return scramVerifier(password, iterations, same ? this.#salt : undefined)
  }
}

import { escapeIdentifier, escapeLiteral } from 'pg'
import type { Credential } from '../../credential.ts'
import { NotPermitted, RotationError } from '../../errors.ts'
import type { UserPair } from '../engine.ts'
import { conflictIfDropped, missingUserSentence } from '../noSuchUser.ts'
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
import type { CompletedLogin } from './postgresFamily.ts'
import { freeConnectionsQuery } from './postgresFreeConnections.ts'
import { isTemporary, OwnershipTransfer } from './postgresOwnershipTransfer.ts'
import { MAX_SCRAM_ITERATIONS_COUNT, scramIterationsOf, tooManyIterationsError } from './postgresProof.ts'
import { type PairRoles, readRoles, rolesQuery } from './postgresRoles.ts'
import { stayingSettings } from './postgresSettings.ts'
import { PostgresStatements, type RunStatements } from './postgresStatements.ts'
import { md5PasswordHash, scramVerifier } from './scram.ts'

type TransferOptions = {
  /** Whether to revoke also what was granted to the clone itself. */
  grants: boolean
  /** Whether nothing may stay with the clone. An object that could only be transferred later is then an error, not a sentence. */
  all?: boolean
  /** Runs statements and rolls them back. If given, the transfer is only checked. */
  tryOut?: RunStatements
}

/** A session of PostgreSQL. */
export class PostgresSession extends PostgresStatements {
  readonly #login: (credential: Credential) => Promise<PostgresSession>

  constructor(
    completedLogin: CompletedLogin,
    login: (credential: Credential) => Promise<PostgresSession>,
    accountQualifier?: string,
  ) {
    super(completedLogin, accountQualifier)
    this.#login = login
  }

  override async setPassword(user: string, password: string): Promise<void> {
    await this.write(await this.#passwordStatement(user, password))
  }

  /**
   * Runs the statement and rolls it back. No query shows whether RDS restricts password changes
   * (rds.restrict_password_commands), or whether a password-checking library of the server refuses this password hash.
   */
  override async wouldSetPassword(user: string, password: string): Promise<void> {
    await this.tryOut(await this.#passwordStatement(user, password))
  }

  override async openUser(pair: UserPair, open: { user: string; password: string }): Promise<string[]> {
    return await this.#openOneOf(pair, open.user, {
      passwordClause: async () =>
        ` password ${escapeLiteral(await this.#passwordHash(open.user, open.password))}`,
      write: statements => this.write(statements),
    })
  }

  /**
   * Runs the statements of openUser without the password and rolls them back. What the clone owns is only read, so this does
   * not show whether the server would refuse to transfer an object.
   */
  override async wouldOpenUser(pair: UserPair, open: string): Promise<string[]> {
    const tryOut = (statements: string) => this.tryOut(statements)
    const passwordClause = async () => {
      // No password is set, but openUser would refuse to hash one with too many iterations.
      this.#chooseIterations()
      return ''
    }
    return await this.#openOneOf(pair, open, { passwordClause, write: tryOut, tryOut })
  }

  /**
   * Opens the user or the clone, or only checks that with `tryOut`. `passwordClause` makes the end of ALTER ROLE that sets the
   * password.
   * @returns see openUser and wouldOpenUser in engine.ts
   */
  async #openOneOf(
    pair: UserPair,
    user: string,
    {
      passwordClause,
      write,
      tryOut,
    }: { passwordClause(): Promise<string>; write: RunStatements; tryOut?: RunStatements },
  ): Promise<string[]> {
    const roles = await this.#readRoles(pair)
    const open = `alter role ${escapeIdentifier(user)} login${await passwordClause()}`
    // When the user is opened, the application may be logged in as the clone.
    const isCloneInUse = user === pair.user
    const statements = isCloneInUse ? inUseSyncStatements(pair, roles) : syncStatements(pair, roles)
    const how = { grants: !isCloneInUse, ...(tryOut && { tryOut }) }
    // A clone in use that does not inherit the user's privileges could no longer use what it hands over.
    const kept = isCloneInUse && !inheritsUser(roles) ? [] : await this.#transferOwnership(pair, roles, how)
    // Several statements in one message are one transaction.
    await write([...statements, open].join('; ')).catch(conflictIfDropped)
    if (isCloneInUse) return tryOut && roles.user ? [...kept, ...loginObstacles(roles.user)] : kept
    return [...kept, ...stayingSettings(roles)]
  }

  override async closeUser(user: string, pair: UserPair): Promise<void> {
    const { user: original, clone } = await this.#readRoles(pair)
    if (original && clone) requireClone(original, clone)
    await this.write(`alter role ${escapeIdentifier(user)} password null`)
  }

  /** Every user may see whose the sessions in pg_stat_activity are. */
  override async countSessions(user: string): Promise<number> {
    const query = `select count(*)::int as count from pg_stat_activity where usename = ${escapeLiteral(user)}`
    const [row] = await this.query(query)
    return row?.count
  }

  /** Behind a pooler the answer is undefined, as the pooler has limits of its own. */
  override async countFreeConnections(user: string): Promise<number | undefined> {
    if (this.isBehindPooler) return undefined
    const [row] = await this.query(freeConnectionsQuery(user, this.version))
    return row?.room
  }

  override async dropClone(pair: UserPair): Promise<void> {
    if (await this.#emptyClone(pair, { grants: true, all: true }))
      await this.write(`drop role if exists ${escapeIdentifier(pair.clone)}`)
  }

  /** Does not try out DROP ROLE: it needs the same rights as creating or changing the role, which wouldOpenUser tries out. */
  override async wouldDropClone(pair: UserPair): Promise<string[]> {
    await this.#emptyClone(pair, { grants: true, tryOut: statements => this.tryOut(statements) })
    return []
  }

  /**
   * Transfers everything that the clone owns and revokes its grants, or only checks that with `how.tryOut`.
   * @returns whether there is a clone
   * @throws NotAClone; NotPermitted if something stays with the clone
   */
  async #emptyClone(pair: UserPair, how: TransferOptions): Promise<boolean> {
    const roles = await this.#readRoles(pair)
    if (!roles.clone) return false
    checkPair(pair, roles)
    const kept = await this.#transferOwnership(pair, roles, how)
    if (kept.length) throw new NotPermitted(`${pair.clone} is not dropped: ${kept.join('; ')}`)
    return true
  }

  override async differences(pair: UserPair): Promise<string[]> {
    const roles = await this.#readRoles(pair)
    if (!roles.user || !roles.clone) return [missingUserSentence(roles.user ? pair.clone : pair.user)]
    return [...syncStatements(pair, roles), ...grantDifferences(pair, roles)]
  }

  /**
   * Gives the user what the clone owns, in every database. Each other database needs a login of its own. With `tryOut`, the
   * transfer is only checked; as roles are the same in every database, `tryOut` runs in this session.
   * @returns what the clone keeps, one sentence each
   * @throws Conflict. With `all`, only NotPermitted becomes a sentence, and every other error is thrown
   */
  async #transferOwnership(pair: UserPair, roles: PairRoles, how: TransferOptions): Promise<string[]> {
    const kept: string[] = []
    for (const dbname of databasesHeldIn(roles)) {
      try {
        if (dbname === roles.database) {
          kept.push(...(await this.#transferOwnershipHere(pair, roles, how)))
        } else {
          await using elsewhere = await this.#login(this.credential.with({ dbname }))
          kept.push(...(await elsewhere.#transferOwnershipHere(pair, await elsewhere.#readRoles(pair), how)))
        }
      } catch (error) {
        if (!(error instanceof RotationError) || isTemporary(error)) throw error
        if (how.all && !(error instanceof NotPermitted)) throw error
        kept.push(`${pair.clone} keeps what it holds in the database ${dbname}: ${error.message}`)
      }
    }
    return kept
  }

  #transferOwnershipHere(pair: UserPair, roles: PairRoles, how: TransferOptions): Promise<string[]> {
    const query = (text: string) => this.query(text)
    const write = how.tryOut ?? (text => this.write(text))
    const transfer = new OwnershipTransfer({ query, write }, pair, roles)
    return how.tryOut ? transfer.preview(how) : transfer.run(how)
  }

  async #readRoles(pair: UserPair): Promise<PairRoles> {
    return readRoles(await this.query(rolesQuery(pair, this.version)), pair)
  }

  /**
   * Makes the statements that set a password. A clone acts as its user by its parameter `role`, and the user may not change the
   * clone's password. So whoever changes its own password first returns to the role that it logged in as.
   */
  async #passwordStatement(user: string, password: string): Promise<string> {
    const returnToOwnRole = user === this.credential.username ? 'set local role none; ' : ''
    const passwordHash = escapeLiteral(await this.#passwordHash(user, password))
    return `${returnToOwnRole}alter role ${escapeIdentifier(user)} password ${passwordHash}`
  }

  /** @returns the iterations of a new SCRAM verifier @throws NotPermitted if drivers do not log in with as many */
  #chooseIterations(): number {
    const iterations = scramIterationsOf(this.accountQualifier) ?? 4096
    if (iterations > MAX_SCRAM_ITERATIONS_COUNT)
      throw tooManyIterationsError(`as ${this.credential}`, iterations)
    return iterations
  }

  /**
   * Computes what the server stores for a password. The password that the session logged in with keeps its salt, so that its
   * verifier is the one that a pooler may have in a list.
   * @throws NotPermitted as #chooseIterations
   */
  async #passwordHash(user: string, password: string): Promise<string> {
    if (this.accountQualifier === 'md5') return md5PasswordHash(user, password)
    const iterations = this.#chooseIterations()
    const isOwnPassword = user === this.credential.username && password === this.credential.password
    return scramVerifier(password, iterations, isOwnPassword ? this.salt : undefined)
  }
}

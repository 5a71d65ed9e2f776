import type pg from 'pg'
import { escapeIdentifier, escapeLiteral } from 'pg'
import type { Credential } from '../credential.ts'
import type { Pair } from './engine.ts'
import { conflictIfDropped, gone } from './noSuchUser.ts'
import {
  handOverStatements,
  heldElsewhere,
  type Roles,
  refuseStranger,
  rolesFrom,
  rolesQuery,
  syncStatements,
} from './postgresClone.ts'
import { ReadOnly } from './postgresErrors.ts'
import { PostgresFamily, PostgresFamilySession, type PostgresOptions } from './postgresFamily.ts'
import { md5Verifier, scramVerifier } from './scram.ts'

/** PostgreSQL, also as RDS and Aurora. */
export class Postgres extends PostgresFamily<PostgresSession> {
  constructor(options: PostgresOptions) {
    super('postgres', options)
  }

  protected override session(client: pg.Client, credential: Credential): PostgresSession {
    return new PostgresSession(client, credential, other => this.login(other))
  }
}

class PostgresSession extends PostgresFamilySession {
  readonly #login: (credential: Credential) => Promise<PostgresSession>
  #server = { passwordEncryption: '', iterations: 4096 }

  constructor(client: pg.Client, credential: Credential, login: (c: Credential) => Promise<PostgresSession>) {
    super(client, credential)
    this.#login = login
  }

  /** Also learns how this server keeps passwords. */
  override async prepare(statementTimeout: number): Promise<void> {
    const results = (await this.client.query(
      `set search_path = pg_catalog; set statement_timeout = ${statementTimeout};
       select current_setting('password_encryption') as "passwordEncryption",
              coalesce(current_setting('scram_iterations', true)::int, 4096) as iterations`,
    )) as unknown as pg.QueryResult[]
    this.#server = results[2]?.rows[0]
  }

  override async setPassword(user: string, password: string): Promise<void> {
    // A clone acts as its user (SET role), who may not change the clone's password; on oneself the login counts.
    const own = user === this.credential.username ? 'set role none; ' : ''
    const verifier = escapeLiteral(await this.#verifier(user, password))
    await this.#write(`${own}alter role ${escapeIdentifier(user)} password ${verifier}`)
  }

  override async cloneUser(
    pair: Pair,
    { user, password }: { user: string; password: string },
  ): Promise<string[]> {
    const roles = await this.#roles(pair)
    const statements = syncStatements(pair, roles)
    await this.#handOverElsewhere(pair, roles)
    const verifier = escapeLiteral(await this.#verifier(user, password))
    // One message of several statements is one transaction.
    const open = `alter role ${escapeIdentifier(user)} login password ${verifier}`
    await this.#write([...statements, open].join('; ')).catch(conflictIfDropped)
    return []
  }

  override async lockUser(user: string, pair: Pair): Promise<void> {
    const { user: original, clone } = await this.#roles(pair)
    if (original && clone) refuseStranger(original, clone)
    await this.#write(`alter role ${escapeIdentifier(user)} password null`)
  }

  override async dropUser(pair: Pair): Promise<void> {
    const roles = await this.#roles(pair)
    if (!roles.clone) return
    const statements = handOverStatements(pair, roles)
    await this.#handOverElsewhere(pair, roles)
    await this.#write([...statements, `drop role if exists ${escapeIdentifier(pair.clone)}`].join('; '))
  }

  override async differences(pair: Pair): Promise<string[]> {
    const roles = await this.#roles(pair)
    if (!roles.user || !roles.clone) return [gone(roles.user ? pair.clone : pair.user)]
    return [
      ...syncStatements(pair, roles),
      ...heldElsewhere(roles).map(
        database => `${pair.clone} holds objects or grants of its own in ${database}`,
      ),
    ]
  }

  /** What the clone holds in other databases can only be handed over from inside them. */
  async #handOverElsewhere(pair: Pair, roles: Roles): Promise<void> {
    for (const dbname of heldElsewhere(roles)) {
      await using elsewhere = await this.#login(this.credential.with({ dbname }))
      await elsewhere.#write(handOverStatements(pair, await elsewhere.#roles(pair)).join('; '))
    }
  }

  /**
   * Who reads only, by a setting of the user or the database, changes roles all the same, but runs its test query as it
   * is set. Where the server's own setting says so, or it is a replica, the server refuses.
   */
  async #write(statements: string): Promise<void> {
    try {
      await this.query(statements)
    } catch (error) {
      if (!(error instanceof ReadOnly)) throw error
      await this.query(
        `select set_config(name, 'off', false) from pg_settings
         where name = 'default_transaction_read_only' and source in ('user', 'database', 'database user')`,
      )
      await this.query(statements)
    }
  }

  async #roles(pair: Pair): Promise<Roles> {
    return rolesFrom((await this.query(rolesQuery(pair))).rows, pair)
  }

  #verifier(user: string, password: string): Promise<string> | string {
    return this.#server.passwordEncryption === 'md5'
      ? md5Verifier(user, password)
      : scramVerifier(password, this.#server.iterations)
  }
}

import { readFileSync } from 'node:fs'
import { createSecureContext, type SecureContext } from 'node:tls'
import pg, { escapeIdentifier, escapeLiteral } from 'pg'
import type { Credential } from '../credential.ts'
import { TlsFailed } from '../errors.ts'
import type { Engine, Pair, Session } from './engine.ts'
import {
  handOverStatements,
  heldElsewhere,
  type Roles,
  rolesFrom,
  rolesQuery,
  syncStatements,
} from './postgresClone.ts'
import { translate } from './postgresErrors.ts'
import { md5Verifier, scramVerifier } from './scram.ts'
import { tested } from './testQuery.ts'
import { traits } from './traits.ts'

export type PostgresOptions = {
  /** PEM file with the certificates of the issuers to trust; no others are. */
  caFile: string
  /** Milliseconds until a connection or a statement counts as unanswered. */
  connectTimeout?: number
  statementTimeout?: number
  /** The driver's client, to be wrapped by tests. */
  Client?: typeof pg.Client
}

/** PostgreSQL, also as RDS and Aurora. The tests run it against 15 and 18. */
export class Postgres implements Engine {
  readonly #options: Required<PostgresOptions>
  #context: SecureContext | undefined

  constructor(options: PostgresOptions) {
    this.#options = { connectTimeout: 5_000, statementTimeout: 15_000, Client: pg.Client, ...options }
  }

  async login(credential: Credential): Promise<PostgresSession> {
    const { Client, connectTimeout, statementTimeout } = this.#options
    const client = new Client({
      host: credential.host,
      port: credential.port ?? traits.postgres.port,
      database: credential.dbname ?? traits.postgres.database,
      user: credential.username,
      password: credential.password,
      ssl: credential.ssl && { secureContext: this.#trust() },
      application_name: 'keyturn',
      connectionTimeoutMillis: connectTimeout,
      query_timeout: statementTimeout + 1_000,
    })
    // A connection that breaks while idle shows at the next statement; without a listener it would end the process.
    client.on('error', () => {})
    const session = new PostgresSession(client, credential, other => this.login(other))
    try {
      await client.connect()
      await session.prepare(statementTimeout)
    } catch (error) {
      await session[Symbol.asyncDispose]()
      throw translate(error, `login as ${credential}`)
    }
    return session
  }

  /** Parsing a bundle of issuers takes milliseconds, so it is done once. */
  #trust(): SecureContext {
    const { caFile } = this.#options
    try {
      this.#context ??= createSecureContext({ ca: readFileSync(caFile, 'utf8') })
      return this.#context
    } catch {
      throw new TlsFailed(`the CA file ${caFile} cannot be read as PEM`)
    }
  }
}

class PostgresSession implements Session {
  readonly #client: pg.Client
  readonly #credential: Credential
  readonly #login: (credential: Credential) => Promise<PostgresSession>
  #server = { passwordEncryption: '', iterations: 4096 }

  constructor(client: pg.Client, credential: Credential, login: (c: Credential) => Promise<PostgresSession>) {
    this.#client = client
    this.#credential = credential
    this.#login = login
  }

  /** Settles what the user's own settings could bend, and learns how this server keeps passwords. */
  async prepare(statementTimeout: number): Promise<void> {
    const results = (await this.#client.query(
      `set search_path = pg_catalog; set statement_timeout = ${statementTimeout};
       select current_setting('password_encryption') as "passwordEncryption",
              coalesce(current_setting('scram_iterations', true)::int, 4096) as iterations`,
    )) as unknown as pg.QueryResult[]
    this.#server = results[2]?.rows[0]
  }

  async setPassword(user: string, password: string): Promise<void> {
    // A clone acts as its user (SET role), who may not change the clone's password; on oneself the login counts.
    const own = user === this.#credential.username ? 'set role none; ' : ''
    const verifier = escapeLiteral(await this.#verifier(user, password))
    await this.#query(`${own}alter role ${escapeIdentifier(user)} password ${verifier}`)
  }

  async cloneUser(pair: Pair, open: { user: string; password: string }): Promise<void> {
    const roles = await this.#roles(pair)
    const statements = syncStatements(pair, roles)
    await this.#handOverElsewhere(pair, roles)
    const verifier = escapeLiteral(await this.#verifier(open.user, open.password))
    // One message of several statements is one transaction.
    await this.#query(
      [...statements, `alter role ${escapeIdentifier(open.user)} login password ${verifier}`].join('; '),
    )
  }

  async lockUser(user: string): Promise<void> {
    await this.#query(`alter role ${escapeIdentifier(user)} password null`)
  }

  async dropUser(pair: Pair): Promise<void> {
    const roles = await this.#roles(pair)
    if (!roles.clone) return
    const statements = handOverStatements(pair, roles)
    await this.#handOverElsewhere(pair, roles)
    await this.#query([...statements, `drop role if exists ${escapeIdentifier(pair.clone)}`].join('; '))
  }

  async differences(pair: Pair): Promise<string[]> {
    const roles = await this.#roles(pair)
    return [
      ...syncStatements(pair, roles),
      ...heldElsewhere(roles).map(
        database => `${pair.clone} holds objects or grants of its own in ${database}`,
      ),
    ]
  }

  run(query: string): Promise<void> {
    return tested(this.#query(query))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end().catch(() => {})
  }

  async #query(text: string): Promise<pg.QueryResult> {
    try {
      return await this.#client.query(text)
    } catch (error) {
      throw translate(error, `as ${this.#credential}`)
    }
  }

  /** What the clone holds in other databases can only be handed over from inside them. */
  async #handOverElsewhere(pair: Pair, roles: Roles): Promise<void> {
    for (const dbname of heldElsewhere(roles)) {
      await using elsewhere = await this.#login(this.#credential.with({ dbname }))
      await elsewhere.#query(handOverStatements(pair, await elsewhere.#roles(pair)).join('; '))
    }
  }

  async #roles(pair: Pair): Promise<Roles> {
    return rolesFrom((await this.#query(rolesQuery(pair))).rows, pair)
  }

  #verifier(user: string, password: string): Promise<string> | string {
    return this.#server.passwordEncryption === 'md5'
      ? md5Verifier(user, password)
      : scramVerifier(password, this.#server.iterations)
  }
}

import pg from 'pg'
import type { Credential } from '../credential.ts'
import { type Engine, type EngineOptions, type Pair, type Session, timeouts } from './engine.ts'
import { translate } from './postgresErrors.ts'
import { tested } from './testQuery.ts'
import { traits } from './traits.ts'
import { trustIn } from './trust.ts'

export type PostgresOptions = EngineOptions & {
  /** The driver's client, to be wrapped by tests. */
  Client?: typeof pg.Client
}

/** PostgreSQL and Redshift, which speak one protocol; `S` is what each does in a session. */
export abstract class PostgresFamily<S extends PostgresFamilySession> implements Engine {
  readonly #engine: 'postgres' | 'redshift'
  readonly #options: Required<PostgresOptions>
  readonly #trust: ReturnType<typeof trustIn>

  constructor(engine: 'postgres' | 'redshift', options: PostgresOptions) {
    this.#engine = engine
    this.#options = { ...timeouts, Client: pg.Client, ...options }
    this.#trust = trustIn(options.caFile)
  }

  protected abstract session(client: pg.Client, credential: Credential, host?: string): S

  async login(credential: Credential, host?: string): Promise<S> {
    const { Client, connectTimeout, statementTimeout } = this.#options
    const { port, database } = traits[this.#engine]
    const client = new Client({
      host: credential.host,
      port: credential.port ?? port,
      database: credential.dbname ?? database,
      user: credential.username,
      password: credential.password,
      ssl: credential.ssl && { secureContext: this.#trust() },
      application_name: 'keyturn',
      connectionTimeoutMillis: connectTimeout,
      query_timeout: statementTimeout + 1_000,
    })
    // A connection that breaks while idle shows at the next statement; without a listener it would end the process.
    client.on('error', () => {})
    const session = this.session(client, credential, host)
    try {
      await client.connect()
      await session.prepare(statementTimeout)
    } catch (error) {
      await session[Symbol.asyncDispose]()
      throw translate(error, `login as ${credential}`)
    }
    return session
  }
}

export abstract class PostgresFamilySession implements Session {
  protected readonly client: pg.Client
  protected readonly credential: Credential

  constructor(client: pg.Client, credential: Credential) {
    this.client = client
    this.credential = credential
  }

  /** Settles what the user's own settings could bend. Driver's errors are not translated: it is part of the login. */
  abstract prepare(statementTimeout: number): Promise<void>

  abstract setPassword(user: string, password: string): Promise<void>
  abstract cloneUser(pair: Pair, open: { user: string; password: string }): Promise<string[]>
  abstract lockUser(user: string, pair: Pair): Promise<void>
  abstract dropUser(pair: Pair): Promise<void>
  abstract differences(pair: Pair, other: () => Promise<Credential>): Promise<string[]>

  run(query: string): Promise<void> {
    return tested(this.query(query))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.end().catch(() => {})
  }

  protected async query(text: string): Promise<pg.QueryResult> {
    try {
      return await this.client.query(text)
    } catch (error) {
      throw translate(error, `as ${this.credential}`)
    }
  }
}

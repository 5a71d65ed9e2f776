import pg from 'pg'
import type { Credential } from '../../credential.ts'
import { type Engine, type EngineOptions, type Pair, type Session, timeouts } from '../engine.ts'
import { mayOnlyRead, tested } from '../testQuery.ts'
import { traits } from '../traits.ts'
import { shownTo, trustIn } from '../trust.ts'
import { Unproven } from '../unproven.ts'
import { ReadOnly, translate } from './postgresErrors.ts'
import { connectionOf, type Rows } from './postgresMessages.ts'
import { type Answer, firstByteOf, listen, MOST_ITERATIONS, type Proof, type Told } from './postgresProof.ts'

export type PostgresOptions = EngineOptions & {
  /** The driver's client, to be wrapped by tests. */
  Client?: typeof pg.Client
}

/** How long a server may take to say goodbye. */
const GOODBYE = 1_000

/** A login that went well: the driver's client, and what the server told meanwhile. */
export type Login = {
  client: pg.Client
  credential: Credential
  told: Told & { proof: Proof }
  /** Whether the client gets the rows that the server sends. */
  rows: Rows
  statementTimeout: number
  testMayWrite: boolean
}

/** PostgreSQL and Redshift, which speak one protocol; `S` is what each does in a session. */
export abstract class PostgresFamily<S extends PostgresFamilySession> implements Engine {
  readonly #engine: 'postgres' | 'redshift'
  readonly #options: Required<PostgresOptions>
  readonly #trust: ReturnType<typeof trustIn>

  constructor(engine: 'postgres' | 'redshift', options: PostgresOptions) {
    this.#engine = engine
    this.#options = {
      ...timeouts,
      testMayWrite: false,
      onCertificate: () => {},
      Client: pg.Client,
      ...options,
    }
    this.#trust = trustIn(options.caFile)
  }

  protected abstract session(login: Login, host?: string): S

  /** Where the server asks for more than the driver can answer. */
  protected answer?(credential: Credential): Answer

  login(credential: Credential, host?: string): Promise<S> {
    return this.open(credential, proven, host)
  }

  /** `prove` says what the login has proven, or refuses it. */
  protected async open(
    credential: Credential,
    prove: (told: Told, where: string) => Login['told'],
    host?: string,
  ): Promise<S> {
    const where = `login as ${credential}`
    const client = this.#client(credential, where)
    const first = firstByteOf(client)
    const rows: Rows = { ignored: false }
    const told = listen(client, where, rows, this.answer?.(credential))
    try {
      await client.connect()
    } catch (error) {
      connectionOf(client).stream.destroy()
      throw translate(error, where, first())
    }
    try {
      const { statementTimeout, testMayWrite } = this.#options
      const login = { client, credential, told: prove(told, where), rows, statementTimeout, testMayWrite }
      const session = this.session(login, host)
      await session.prepare?.(where)
      return session
    } catch (error) {
      await goodbye(client)
      throw error
    }
  }

  #client(credential: Credential, where: string): pg.Client {
    const { Client, connectTimeout, statementTimeout, onCertificate } = this.#options
    const { port, database } = traits[this.#engine]
    const secureContext = credential.ssl && this.#trust()
    try {
      const client = new Client({
        host: credential.host,
        port: credential.port ?? port,
        database: credential.dbname ?? database,
        user: credential.username,
        password: credential.password,
        ssl: secureContext && { secureContext, checkServerIdentity: shownTo(onCertificate) },
        application_name: 'keyturn',
        scramMaxIterations: MOST_ITERATIONS,
        connectionTimeoutMillis: connectTimeout,
        query_timeout: statementTimeout + 1_000,
      } as pg.ClientConfig)
      // A connection that breaks while idle shows at the next statement; without a listener it would end the process.
      client.on('error', () => {})
      return client
    } catch (error) {
      throw translate(error, where)
    }
  }
}

/** @throws Unproven if the server has not asked for a password */
function proven(told: Told, where: string): Login['told'] {
  const { proof } = told
  if (!proof)
    throw new Unproven(
      `${where}: the server asked for no password (trust, peer or cert in pg_hba.conf), so it would let any other in as ` +
        'well and nothing that is set could be tested; let pg_hba.conf ask this user for scram-sha-256 from where Keyturn runs',
    )
  return { ...told, proof }
}

/** Ends a connection, also if the server never hangs up. */
async function goodbye(client: pg.Client): Promise<void> {
  const cut = setTimeout(() => connectionOf(client).stream.destroy(), GOODBYE)
  await client.end().catch(() => {})
  clearTimeout(cut)
}

/**
 * Nothing that a session sets outlives the message or the transaction it is for: behind a pooler the next one may come to
 * another session of the server, and the one after it to the application.
 */
export abstract class PostgresFamilySession implements Session {
  protected readonly client: pg.Client
  protected readonly credential: Credential
  protected readonly statementTimeout: number
  readonly #rows: Rows
  readonly #testMayWrite: boolean

  constructor({ client, credential, rows, statementTimeout, testMayWrite }: Login) {
    this.client = client
    this.credential = credential
    this.statementTimeout = statementTimeout
    this.#rows = rows
    this.#testMayWrite = testMayWrite
  }

  /** What has to be asked before anything else; `where` is for errors: it is part of the login. */
  prepare?(where: string): Promise<void>

  abstract setPassword(user: string, password: string): Promise<void>
  abstract wouldSetPassword(user: string, password: string): Promise<void>
  abstract cloneUser(pair: Pair, open: { user: string; password: string }): Promise<string[]>
  abstract wouldClone(pair: Pair, open: string): Promise<string[]>
  abstract lockUser(user: string, pair: Pair): Promise<void>
  abstract sessionsOf(user: string): Promise<number | undefined>
  abstract roomFor(user: string): Promise<number | undefined>
  abstract dropUser(pair: Pair): Promise<void>
  abstract wouldDropUser(pair: Pair): Promise<string[]>
  abstract differences(pair: Pair, other: () => Promise<Credential>): Promise<string[]>

  /** Only the extended protocol takes exactly one statement. */
  async run(query: string): Promise<void> {
    const begin = this.#testMayWrite ? 'begin' : 'begin read only'
    await this.send(`${begin}; set local statement_timeout to ${this.statementTimeout}`)
    this.#rows.ignored = true
    try {
      await tested(this.send({ text: query, queryMode: 'extended' }))
    } catch (error) {
      throw error instanceof ReadOnly && !this.#testMayWrite ? mayOnlyRead(`as ${this.credential}`) : error
    } finally {
      this.#rows.ignored = false
      await this.send('rollback').catch(() => {})
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await goodbye(this.client)
  }

  /** The rows of the last statement. */
  protected async query(text: string, where = `as ${this.credential}`): Promise<pg.QueryResultRow[]> {
    return (await this.queries(text, where)).at(-1) ?? []
  }

  /** The rows of each statement, all run with settings of ours. */
  protected abstract queries(text: string, where?: string): Promise<pg.QueryResultRow[][]>

  /** Sends a message as it is. @returns the rows of each of its statements */
  protected async send(
    message: string | { text: string; queryMode: 'extended' },
    where = `as ${this.credential}`,
  ): Promise<pg.QueryResultRow[][]> {
    try {
      return [await this.client.query(message)].flat().map(({ rows }) => rows)
    } catch (error) {
      throw translate(error, where)
    }
  }
}

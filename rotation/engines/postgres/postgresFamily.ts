import pg from 'pg'
import type { Credential } from '../../credential.ts'
import {
  defaultEngineOptions,
  type Engine,
  type EngineOptions,
  type Session,
  type UserPair,
} from '../engine.ts'
import { PasswordNotChecked } from '../passwordNotChecked.ts'
import { awaitTestQuery, writingTestQueryError } from '../testQuery.ts'
import { lazySecureContext, reportCertificateTo } from '../tlsTrust.ts'
import { engineTraits } from '../traits.ts'
import { ReadOnly, translate } from './postgresErrors.ts'
import { connectionOf, type RowFilter } from './postgresMessages.ts'
import {
  type AuthenticationResponder,
  type LoginDetails,
  MAX_SCRAM_ITERATIONS_COUNT,
  type PasswordProof,
  watchLogin,
  watchTlsAnswer,
} from './postgresProof.ts'

/** The options of the engines for PostgreSQL and Redshift. */
export type PostgresOptions = EngineOptions & {
  /** The driver's client class, which tests wrap. */
  Client?: typeof pg.Client
}

/** How long the server may take to close a connection, before the socket is destroyed. */
const DISCONNECT_TIMEOUT_MS = 1_000

/** A successful login, from which an engine creates its session. */
export type CompletedLogin = {
  client: pg.Client
  credential: Credential
  /** What the server told during the login. After loginUnchecked, `proof` may be assumed instead. */
  details: LoginDetails & { proof: PasswordProof }
  /** The switch by which the session discards result rows before the client reads them. */
  rows: RowFilter
  /** Milliseconds that a statement may take. */
  statementTimeout: number
  testMayWrite: boolean
}

/** The base of the engines for PostgreSQL and Redshift, which share a protocol. `S` is the engine's session. */
export abstract class PostgresFamily<S extends PostgresFamilySession> implements Engine {
  readonly #engine: 'postgres' | 'redshift'
  readonly #options: Required<PostgresOptions>
  readonly #secureContext: ReturnType<typeof lazySecureContext>

  constructor(engine: 'postgres' | 'redshift', options: PostgresOptions) {
    this.#engine = engine
    this.#options = { ...defaultEngineOptions, Client: pg.Client, ...options }
    this.#secureContext = lazySecureContext(options.caFile)
  }

  protected abstract createSession(login: CompletedLogin, accountQualifier?: string): S

  /** @returns a function that answers the server's authentication requests that the driver cannot answer */
  protected authenticationResponder?(credential: Credential): AuthenticationResponder

  login(credential: Credential, accountQualifier?: string): Promise<S> {
    return this.openSession(credential, requireProof, accountQualifier)
  }

  /** Logs in and creates the session. `prove` returns the details with what the login has proven, or throws. */
  protected async openSession(
    credential: Credential,
    prove: (details: LoginDetails, where: string) => CompletedLogin['details'],
    accountQualifier?: string,
  ): Promise<S> {
    const where = `login as ${credential}`
    const client = this.#createClient(credential, where)
    const tlsAnswer = watchTlsAnswer(client)
    const rows: RowFilter = { discardsRows: false }
    const details = watchLogin(client, where, rows, this.authenticationResponder?.(credential))
    try {
      await client.connect()
    } catch (error) {
      connectionOf(client).stream.destroy()
      throw translate(error, where, tlsAnswer())
    }
    try {
      const { statementTimeout, testMayWrite } = this.#options
      const proven = prove(details, where)
      const login = { client, credential, details: proven, rows, statementTimeout, testMayWrite }
      const session = this.createSession(login, accountQualifier)
      await session.prepare?.(where)
      return session
    } catch (error) {
      await disconnect(client)
      throw error
    }
  }

  #createClient(credential: Credential, where: string): pg.Client {
    const { Client, connectTimeout, statementTimeout, onCertificate } = this.#options
    const { defaultPort, defaultDatabase } = engineTraits[this.#engine]
    const secureContext = credential.ssl && this.#secureContext()
    try {
      const client = new Client({
        host: credential.host,
        port: credential.port ?? defaultPort,
        database: credential.dbname ?? defaultDatabase,
        user: credential.username,
        password: credential.password,
        ssl: secureContext && { secureContext, checkServerIdentity: reportCertificateTo(onCertificate) },
        application_name: 'keyturn',
        scramMaxIterations: MAX_SCRAM_ITERATIONS_COUNT,
        connectionTimeoutMillis: connectTimeout,
        // The server cancels a statement after `statementTimeout`. A second later the driver no longer waits for its answer.
        query_timeout: statementTimeout + 1_000,
      } as pg.ClientConfig)
      // If an idle connection breaks, the next statement fails. Without a listener the event would end the process.
      client.on('error', () => {})
      return client
    } catch (error) {
      throw translate(error, where)
    }
  }
}

/** @throws PasswordNotChecked if the server has not asked for a password */
function requireProof(details: LoginDetails, where: string): CompletedLogin['details'] {
  const { proof } = details
  if (!proof)
    throw new PasswordNotChecked(
      `${where}: the server asked for no password (trust, peer or cert in pg_hba.conf), so it would let any other in as ` +
        'well and nothing that is set could be tested; let pg_hba.conf ask this user for scram-sha-256 from where Keyturn runs',
    )
  return { ...details, proof }
}

/** Closes a connection. If the server does not close its end, the socket is destroyed after a timeout. */
async function disconnect(client: pg.Client): Promise<void> {
  const timer = setTimeout(() => connectionOf(client).stream.destroy(), DISCONNECT_TIMEOUT_MS)
  await client.end().catch(() => {})
  clearTimeout(timer)
}

/**
 * The base of the sessions of PostgreSQL and Redshift.
 *
 * Behind a pooler, a session sets parameters only for one message or one transaction. The next message may go to another session
 * of the server there, and a parameter that is left behind would reach the application.
 */
export abstract class PostgresFamilySession implements Session {
  protected readonly client: pg.Client
  protected readonly credential: Credential
  protected readonly statementTimeout: number
  readonly #rows: RowFilter
  readonly #testMayWrite: boolean

  constructor({ client, credential, rows, statementTimeout, testMayWrite }: CompletedLogin) {
    this.client = client
    this.credential = credential
    this.statementTimeout = statementTimeout
    this.#rows = rows
    this.#testMayWrite = testMayWrite
  }

  /** Asks the server what the session must know before anything else. A part of the login; `where` is for errors. */
  prepare?(where: string): Promise<void>

  abstract setPassword(user: string, password: string): Promise<void>
  abstract wouldSetPassword(user: string, password: string): Promise<void>
  abstract openUser(pair: UserPair, open: { user: string; password: string }): Promise<string[]>
  abstract wouldOpenUser(pair: UserPair, open: string): Promise<string[]>
  abstract closeUser(user: string, pair: UserPair): Promise<void>
  abstract countSessions(user: string): Promise<number | undefined>
  abstract countFreeConnections(user: string): Promise<number | undefined>
  abstract dropClone(pair: UserPair): Promise<void>
  abstract wouldDropClone(pair: UserPair): Promise<string[]>
  abstract differences(pair: UserPair, other: () => Promise<Credential>): Promise<string[]>

  /** The query goes by the extended protocol, as only that refuses more than one statement. */
  async runTestQuery(query: string): Promise<void> {
    const begin = this.#testMayWrite ? 'begin' : 'begin read only'
    await this.send(`${begin}; set local statement_timeout to ${this.statementTimeout}`)
    this.#rows.discardsRows = true
    try {
      await awaitTestQuery(this.send({ text: query, queryMode: 'extended' }))
    } catch (error) {
      throw error instanceof ReadOnly && !this.#testMayWrite
        ? writingTestQueryError(`as ${this.credential}`)
        : error
    } finally {
      this.#rows.discardsRows = false
      await this.send('rollback').catch(() => {})
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await disconnect(this.client)
  }

  /** Sends statements as queryAll does. @returns the rows of the last statement */
  protected async query(text: string, where = `as ${this.credential}`): Promise<pg.QueryResultRow[]> {
    return (await this.queryAll(text, where)).at(-1) ?? []
  }

  /** Sends statements, to run with the parameters that Keyturn needs. @returns the rows of each statement */
  protected abstract queryAll(text: string, where?: string): Promise<pg.QueryResultRow[][]>

  /** Sends one message unchanged. @returns the rows of each of its statements */
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

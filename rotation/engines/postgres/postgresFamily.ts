import pg from 'pg'
import type { Credential } from '../../credential.ts'
import {
  DEFAULT_TIMEOUTS_MS,
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

export type PostgresOptions = EngineOptions & {
  /** The driver's client, to be wrapped by tests. */
  Client?: typeof pg.Client
}

/** How long a server may take to say goodbye. */
const DISCONNECT_TIMEOUT_MS = 1_000

/** A login that went well: the driver's client, and what the server told meanwhile. */
export type CompletedLogin = {
  client: pg.Client
  credential: Credential
  details: LoginDetails & { proof: PasswordProof }
  /** Whether the client gets the rows that the server sends. */
  rows: RowFilter
  statementTimeout: number
  testMayWrite: boolean
}

/** PostgreSQL and Redshift, which speak one protocol; `S` is what each does in a session. */
export abstract class PostgresFamily<S extends PostgresFamilySession> implements Engine {
  readonly #engine: 'postgres' | 'redshift'
  readonly #options: Required<PostgresOptions>
  readonly #trust: ReturnType<typeof lazySecureContext>

  constructor(engine: 'postgres' | 'redshift', options: PostgresOptions) {
    this.#engine = engine
    this.#options = {
      ...DEFAULT_TIMEOUTS_MS,
      testMayWrite: false,
      onCertificate: () => {},
      Client: pg.Client,
      ...options,
    }
    this.#trust = lazySecureContext(options.caFile)
  }

  protected abstract createSession(login: CompletedLogin, host?: string): S

  /** Where the server asks for more than the driver can answer. */
  protected authenticationResponder?(credential: Credential): AuthenticationResponder

  login(credential: Credential, host?: string): Promise<S> {
    return this.openSession(credential, requireProof, host)
  }

  /** `prove` says what the login has proven, or refuses it. */
  protected async openSession(
    credential: Credential,
    prove: (told: LoginDetails, where: string) => CompletedLogin['details'],
    host?: string,
  ): Promise<S> {
    const where = `login as ${credential}`
    const client = this.#client(credential, where)
    const first = watchTlsAnswer(client)
    const rows: RowFilter = { discardsRows: false }
    const told = watchLogin(client, where, rows, this.authenticationResponder?.(credential))
    try {
      await client.connect()
    } catch (error) {
      connectionOf(client).stream.destroy()
      throw translate(error, where, first())
    }
    try {
      const { statementTimeout, testMayWrite } = this.#options
      const login = { client, credential, details: prove(told, where), rows, statementTimeout, testMayWrite }
      const session = this.createSession(login, host)
      await session.prepare?.(where)
      return session
    } catch (error) {
      await disconnect(client)
      throw error
    }
  }

  #client(credential: Credential, where: string): pg.Client {
    const { Client, connectTimeout, statementTimeout, onCertificate } = this.#options
    const { defaultPort, defaultDatabase } = engineTraits[this.#engine]
    const secureContext = credential.ssl && this.#trust()
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
function requireProof(told: LoginDetails, where: string): CompletedLogin['details'] {
  const { proof } = told
  if (!proof)
    throw new PasswordNotChecked(
      `${where}: the server asked for no password (trust, peer or cert in pg_hba.conf), so it would let any other in as ` +
        'well and nothing that is set could be tested; let pg_hba.conf ask this user for scram-sha-256 from where Keyturn runs',
    )
  return { ...told, proof }
}

/** Ends a connection, also if the server never hangs up. */
async function disconnect(client: pg.Client): Promise<void> {
  const cut = setTimeout(() => connectionOf(client).stream.destroy(), DISCONNECT_TIMEOUT_MS)
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
  readonly #rows: RowFilter
  readonly #testMayWrite: boolean

  constructor({ client, credential, rows, statementTimeout, testMayWrite }: CompletedLogin) {
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
  abstract cloneUser(pair: UserPair, open: { user: string; password: string }): Promise<string[]>
  abstract wouldClone(pair: UserPair, open: string): Promise<string[]>
  abstract lockUser(user: string, pair: UserPair): Promise<void>
  abstract countSessions(user: string): Promise<number | undefined>
  abstract countFreeConnections(user: string): Promise<number | undefined>
  abstract dropClone(pair: UserPair): Promise<void>
  abstract wouldDropUser(pair: UserPair): Promise<string[]>
  abstract differences(pair: UserPair, other: () => Promise<Credential>): Promise<string[]>

  /** Only the extended protocol takes exactly one statement. */
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

  /** The rows of the last statement. */
  protected async query(text: string, where = `as ${this.credential}`): Promise<pg.QueryResultRow[]> {
    return (await this.queryAll(text, where)).at(-1) ?? []
  }

  /** The rows of each statement, all run with settings of ours. */
  protected abstract queryAll(text: string, where?: string): Promise<pg.QueryResultRow[][]>

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

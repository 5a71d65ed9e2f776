import type { Connection, ConnectionOptions } from 'mysql2/promise'
import type { Credential } from '../../credential.ts'
import { defaultEngineOptions, type Engine, type EngineOptions } from '../engine.ts'
import { readCaFile } from '../tlsTrust.ts'
import { engineTraits } from '../traits.ts'
import { connect } from './mysqlConnection.ts'
import { translateLogin } from './mysqlErrors.ts'
import type { Flavour } from './mysqlFlavour.ts'
import { MysqlSession } from './mysqlSession.ts'
import { MysqlWire } from './mysqlWire.ts'

/** The options of the engines for MySQL and MariaDB. */
export type MysqlOptions = EngineOptions & {
  /** Opens a connection of the driver. Tests wrap it. */
  connect?: (
    config: ConnectionOptions,
    onCertificate: NonNullable<EngineOptions['onCertificate']>,
  ) => Promise<Connection>
}

/** The base of the engines for MySQL and MariaDB, which share a protocol. */
export abstract class MysqlFamily implements Engine {
  readonly #flavour: Flavour
  readonly #options: Required<MysqlOptions>
  #tlsOptions: { ca: string; verifyIdentity: true; minVersion: 'TLSv1.2' } | undefined

  constructor(flavour: Flavour, options: MysqlOptions) {
    this.#flavour = flavour
    this.#options = { ...defaultEngineOptions, connect, ...options }
  }

  async login(credential: Credential, accountQualifier?: string): Promise<MysqlSession> {
    const { connect, connectTimeout, statementTimeout, testMayWrite, onCertificate } = this.#options
    let connection: Connection
    try {
      connection = await connect(
        {
          host: credential.host,
          port: credential.port ?? engineTraits[this.#flavour.engine].defaultPort,
          user: credential.username,
          password: credential.password,
          ...(credential.dbname && { database: credential.dbname }),
          ...(credential.ssl && { ssl: this.#tls() }),
          ...(this.#flavour.authPlugins && { authPlugins: this.#flavour.authPlugins }),
          charset: 'utf8mb4',
          connectTimeout,
        },
        onCertificate,
      )
    } catch (error) {
      throw translateLogin(error, credential)
    }
    // If an idle connection breaks, the next statement fails. Without a listener the event would end the process.
    connection.on('error', () => {})
    const wire = new MysqlWire(connection, `as ${credential}`, { statementTimeout, testMayWrite })
    const session = new MysqlSession(this.#flavour, wire, credential, other => this.login(other))
    try {
      await session.setUp(accountQualifier)
      return session
    } catch (error) {
      await session[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Returns the same object for every login, because the driver caches the certificates that it has parsed by the object. */
  #tls() {
    const { caFile } = this.#options
    this.#tlsOptions ??= { ca: readCaFile(caFile), verifyIdentity: true, minVersion: 'TLSv1.2' }
    return this.#tlsOptions
  }
}

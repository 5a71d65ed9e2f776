import type { Connection, ConnectionOptions } from 'mysql2/promise'
import type { Credential } from '../../credential.ts'
import { DEFAULT_TIMEOUTS_MS, type Engine, type EngineOptions } from '../engine.ts'
import { readCaFile } from '../tlsTrust.ts'
import { engineTraits } from '../traits.ts'
import { connect } from './mysqlConnection.ts'
import { translateLogin } from './mysqlErrors.ts'
import type { Flavour } from './mysqlFlavour.ts'
import { MysqlSession } from './mysqlSession.ts'
import { MysqlWire } from './mysqlWire.ts'

export type MysqlOptions = EngineOptions & {
  /** Opens the driver's connection, to be wrapped by tests. */
  connect?: (
    config: ConnectionOptions,
    onCertificate: NonNullable<EngineOptions['onCertificate']>,
  ) => Promise<Connection>
}

/** MySQL and MariaDB, which speak one protocol. */
export abstract class MysqlFamily implements Engine {
  readonly #flavour: Flavour
  readonly #options: Required<MysqlOptions>
  #tlsOptions: { ca: string; verifyIdentity: true; minVersion: 'TLSv1.2' } | undefined

  constructor(flavour: Flavour, options: MysqlOptions) {
    this.#flavour = flavour
    this.#options = {
      ...DEFAULT_TIMEOUTS_MS,
      testMayWrite: false,
      onCertificate: () => {},
      connect,
      ...options,
    }
  }

  async login(credential: Credential, host?: string): Promise<MysqlSession> {
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
    // A connection that breaks while idle shows at the next statement; without a listener it would end the process.
    connection.on('error', () => {})
    const wire = new MysqlWire(connection, `as ${credential}`, { statementTimeout, testMayWrite })
    const session = new MysqlSession(this.#flavour, wire, credential, other => this.login(other))
    try {
      await session.setUp(host)
      return session
    } catch (error) {
      await session[Symbol.asyncDispose]()
      throw error
    }
  }

  /** One object for all logins: the driver keeps what it parsed by it. */
  #tls() {
    const { caFile } = this.#options
    this.#tlsOptions ??= { ca: readCaFile(caFile), verifyIdentity: true, minVersion: 'TLSv1.2' }
    return this.#tlsOptions
  }
}

import { ConnectionTimeoutError } from '@redis/client'
import type { Credential } from '../../credential.ts'
import { Unreachable } from '../../errors.ts'
import { defaultEngineOptions, type Engine, type EngineOptions } from '../engine.ts'
import { lazySecureContext, reportCertificateTo } from '../tlsTrust.ts'
import { engineTraits } from '../traits.ts'
import { connect } from './redisConnection.ts'
import { translate } from './redisErrors.ts'
import { RedisSession } from './redisSession.ts'
import { RedisWire } from './redisWire.ts'

type RedisOptions = EngineOptions & {
  /** Opens a connection of the driver. Tests wrap it. */
  connect?: typeof connect
}

/** The engine for the ACL users of Redis and Valkey. */
export class Redis implements Engine {
  readonly #options: Required<RedisOptions>
  readonly #secureContext: ReturnType<typeof lazySecureContext>

  constructor(options: RedisOptions) {
    this.#options = { ...defaultEngineOptions, connect, ...options }
    this.#secureContext = lazySecureContext(options.caFile)
  }

  /** The same as `login`: a login does not show whether the server checked the password. requirePasswordCheck asks for that. */
  loginUnchecked(credential: Credential): Promise<RedisSession> {
    return this.login(credential)
  }

  async login(credential: Credential): Promise<RedisSession> {
    const { connect, connectTimeout, statementTimeout, testMayWrite, onCertificate } = this.#options
    const { host, port = engineTraits.redis.defaultPort, username, password, dbname, ssl } = credential
    const tls = ssl && {
      secureContext: this.#secureContext(),
      checkServerIdentity: reportCertificateTo(onCertificate),
    }
    try {
      const connection = await connect({
        host,
        port,
        username,
        password,
        // Database 0 needs no SELECT, which not every user may run.
        database: Number(dbname ?? 0),
        connectTimeout,
        commandTimeout: statementTimeout,
        ...(tls && { tls }),
      })
      return new RedisSession(new RedisWire(connection, `as ${credential}`), credential, testMayWrite)
    } catch (error) {
      if (ssl && error instanceof ConnectionTimeoutError)
        throw new Unreachable(
          `login as ${credential}: no answer, or none to TLS: a Redis without TLS does not answer either; to log in without TLS, store "ssl": false`,
        )
      throw translate(error, `login as ${credential}`)
    }
  }
}

import { ConnectionTimeoutError } from '@redis/client'
import type { Credential } from '../../credential.ts'
import { Unreachable } from '../../errors.ts'
import { DEFAULT_TIMEOUTS_MS, type Engine, type EngineOptions } from '../engine.ts'
import { lazySecureContext, reportCertificateTo } from '../tlsTrust.ts'
import { engineTraits } from '../traits.ts'
import { connect } from './redisConnection.ts'
import { translate } from './redisErrors.ts'
import { RedisSession } from './redisSession.ts'
import { RedisWire } from './redisWire.ts'

type RedisOptions = EngineOptions & {
  /** Opens the connection, to be wrapped by tests. */
  connect?: typeof connect
}

/** Redis and Valkey, by ACL users. */
export class Redis implements Engine {
  readonly #options: Required<RedisOptions>
  readonly #secureContext: ReturnType<typeof lazySecureContext>

  constructor(options: RedisOptions) {
    this.#options = {
      ...DEFAULT_TIMEOUTS_MS,
      testMayWrite: false,
      onCertificate: () => {},
      connect,
      ...options,
    }
    this.#secureContext = lazySecureContext(options.caFile)
  }

  /** Whether the password was looked at is not seen before that is asked for. */
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
        // Every connection begins in 0, and not every user may run SELECT.
        database: Number(dbname ?? 0),
        connectTimeout,
        commandTimeout: statementTimeout,
        ...(tls && { tls }),
      })
      return new RedisSession(new RedisWire(connection, `as ${credential}`), credential, testMayWrite)
    } catch (error) {
      if (ssl && error instanceof ConnectionTimeoutError)
        throw new Unreachable(
          `login as ${credential}: no answer, or none to TLS; Redis without it is silent like this: to accept that, store "ssl": false`,
        )
      throw translate(error, `login as ${credential}`)
    }
  }
}

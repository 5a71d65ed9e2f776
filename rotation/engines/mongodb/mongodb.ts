import { isIPv6 } from 'node:net'
import { MongoClient } from 'mongodb'
import type { Credential } from '../../credential.ts'
import { InvalidCredential, LoginRefused, Unreachable } from '../../errors.ts'
import { DEFAULT_TIMEOUTS_MS, type Engine, type EngineOptions } from '../engine.ts'
import { lazySecureContext } from '../tlsTrust.ts'
import { engineTraits } from '../traits.ts'
import { connect, NotPrimary } from './mongodbConnection.ts'
import { UnsupportedMechanism } from './mongodbErrors.ts'
import { ADMIN_DATABASE, MongodbSession } from './mongodbSession.ts'

type MongodbOptions = EngineOptions & {
  /** The driver's client, to be wrapped by tests. */
  Client?: typeof MongoClient
}

/** Amazon DocumentDB and MongoDB. */
export class Mongodb implements Engine {
  readonly #options: Required<MongodbOptions>
  readonly #trust: ReturnType<typeof lazySecureContext>

  constructor(options: MongodbOptions) {
    this.#options = {
      ...DEFAULT_TIMEOUTS_MS,
      testMayWrite: false,
      onCertificate: () => {},
      Client: MongoClient,
      ...options,
    }
    this.#trust = lazySecureContext(options.caFile)
  }

  /** `host` is the database whose users the session acts on: a user of MongoDB is a name in a database. */
  async login(credential: Credential, host?: string): Promise<MongodbSession> {
    const { dbname = engineTraits.mongo.defaultDatabase } = credential
    try {
      return await this.#loginInDatabase(ADMIN_DATABASE, credential, host)
    } catch (error) {
      // AWS's templates look for the user in `dbname`, and MongoDB may have it there.
      if (!(error instanceof LoginRefused) || dbname === ADMIN_DATABASE) throw error
      return await this.#loginInDatabase(dbname, credential, host)
    }
  }

  /** As the user of this name in the database `source`. */
  async #loginInDatabase(source: string, credential: Credential, host = source): Promise<MongodbSession> {
    const { Client, connectTimeout, statementTimeout, onCertificate } = this.#options
    const options = { Client, connectTimeout, statementTimeout, onCertificate, trust: this.#trust }
    const reach = (server: string) =>
      connect({ server, source, credential }, options).catch(error => {
        // Most clusters of Amazon DocumentDB know no other, and do not tell; the driver then takes SCRAM-SHA-256.
        if (!(error instanceof UnsupportedMechanism)) throw error
        // The driver makes the proof of the escaped name, and no server does.
        if (/[=,]/.test(credential.username))
          throw new InvalidCredential(
            'username',
            'should have no = and no comma: the server knows SCRAM-SHA-1 alone',
          )
        return connect({ server, source, credential, authMechanism: 'SCRAM-SHA-1' }, options)
      })
    const there = await reachPrimary(addressOf(credential), reach, `login as ${credential}`)
    return new MongodbSession(
      there.client,
      credential,
      { ...there, database: host, statementTimeout },
      other => this.login(other),
    )
  }
}

/**
 * Reaches a server, or the primary that it names if it is a replica.
 * @throws Secondary if it is one, and names none or none that can be reached
 */
async function reachPrimary(
  server: string,
  reach: (server: string) => Promise<MongoClient>,
  where: string,
): Promise<{ client: MongoClient; isStandby: boolean }> {
  try {
    return { client: await reach(server), isStandby: false }
  } catch (error) {
    const primary = error instanceof NotPrimary ? error.primary : undefined
    // It becomes part of a URL.
    if (typeof primary !== 'string' || !/^[\w.[\]:-]+:\d+$/.test(primary)) throw error
    const client = await reach(primary).catch(failure => {
      if (!(failure instanceof Unreachable)) throw failure
      throw new NotPrimary(where, primary, failure.message.replace(`${where}: `, ''))
    })
    return { client, isStandby: true }
  }
}

/** `host:port`, which becomes part of a URL. */
const addressOf = ({ host, port = engineTraits.mongo.defaultPort }: Credential) =>
  `${isIPv6(host) ? `[${host}]` : host}:${port}`

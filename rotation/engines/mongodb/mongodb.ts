import { isIPv6 } from 'node:net'
import { MongoClient } from 'mongodb'
import type { Credential } from '../../credential.ts'
import { InvalidCredential, LoginRefused, Unreachable } from '../../errors.ts'
import { defaultEngineOptions, type Engine, type EngineOptions } from '../engine.ts'
import { lazySecureContext } from '../tlsTrust.ts'
import { engineTraits } from '../traits.ts'
import { connect, NotPrimary } from './mongodbConnection.ts'
import { UnsupportedMechanism } from './mongodbErrors.ts'
import { ADMIN_DATABASE, MongodbSession } from './mongodbSession.ts'

type MongodbOptions = EngineOptions & {
  /** The driver's client class, which tests wrap. */
  Client?: typeof MongoClient
}

/** The engine for Amazon DocumentDB and MongoDB. */
export class Mongodb implements Engine {
  readonly #options: Required<MongodbOptions>
  readonly #secureContext: ReturnType<typeof lazySecureContext>

  constructor(options: MongodbOptions) {
    this.#options = { ...defaultEngineOptions, Client: MongoClient, ...options }
    this.#secureContext = lazySecureContext(options.caFile)
  }

  /** `accountQualifier` is the database that holds the users that the session acts on. */
  async login(credential: Credential, accountQualifier?: string): Promise<MongodbSession> {
    const { dbname = engineTraits.mongo.defaultDatabase } = credential
    try {
      return await this.#loginInDatabase(ADMIN_DATABASE, credential, accountQualifier)
    } catch (error) {
      // MongoDB may hold the user in `dbname`, where AWS's rotation templates look for it.
      if (!(error instanceof LoginRefused) || dbname === ADMIN_DATABASE) throw error
      return await this.#loginInDatabase(dbname, credential, accountQualifier)
    }
  }

  /** Logs in as the user that the database `source` holds. The session acts on the users of the database `usersIn`. */
  async #loginInDatabase(source: string, credential: Credential, usersIn = source): Promise<MongodbSession> {
    const { Client, connectTimeout, statementTimeout, onCertificate } = this.#options
    const secureContext = this.#secureContext
    const options = { Client, connectTimeout, statementTimeout, onCertificate, secureContext }
    const connectTo = (server: string) =>
      connect({ server, source, credential }, options).catch(error => {
        // Most clusters of Amazon DocumentDB know only SCRAM-SHA-1 and do not say so, and the driver tries SCRAM-SHA-256.
        if (!(error instanceof UnsupportedMechanism)) throw error
        // For SCRAM-SHA-1 the driver computes the proof from the escaped name, while servers use the name itself.
        if (/[=,]/.test(credential.username))
          throw new InvalidCredential(
            'username',
            'should have no = and no comma: the server knows SCRAM-SHA-1 alone',
          )
        return connect({ server, source, credential, authMechanism: 'SCRAM-SHA-1' }, options)
      })
    const { client, isStandby } = await reachPrimary(
      addressOf(credential),
      connectTo,
      `login as ${credential}`,
    )
    const context = { database: usersIn, statementTimeout, isStandby }
    return new MongodbSession(client, credential, context, other => this.login(other))
  }
}

/**
 * Connects to a server or, if it is a replica, to the primary that it names.
 * @param where The login, for errors.
 * @returns the client, and whether the server is a replica
 * @throws NotPrimary if it is a replica, and names no primary or one that cannot be reached
 */
async function reachPrimary(
  server: string,
  connectTo: (server: string) => Promise<MongoClient>,
  where: string,
): Promise<{ client: MongoClient; isStandby: boolean }> {
  try {
    return { client: await connectTo(server), isStandby: false }
  } catch (error) {
    const primary = error instanceof NotPrimary ? error.primary : undefined
    // The primary's address becomes part of a URL, so it must be nothing but a host and a port.
    if (typeof primary !== 'string' || !/^[\w.[\]:-]+:\d+$/.test(primary)) throw error
    const client = await connectTo(primary).catch(failure => {
      if (!(failure instanceof Unreachable)) throw failure
      throw new NotPrimary(where, primary, failure.message.replace(`${where}: `, ''))
    })
    return { client, isStandby: true }
  }
}

/** The server's `host:port`, with an IPv6 address in brackets, as it stands in a URL. */
const addressOf = ({ host, port = engineTraits.mongo.defaultPort }: Credential) =>
  `${isIPv6(host) ? `[${host}]` : host}:${port}`

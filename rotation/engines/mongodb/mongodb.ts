import { isIPv6 } from 'node:net'
import { MongoClient } from 'mongodb'
import type { Credential } from '../../credential.ts'
import { InvalidCredential, LoginRefused, Unreachable } from '../../errors.ts'
import { type Engine, type EngineOptions, timeouts } from '../engine.ts'
import { traits } from '../traits.ts'
import { trustIn } from '../trust.ts'
import { connect, Secondary } from './mongodbConnection.ts'
import { OtherMechanism } from './mongodbErrors.ts'
import { ADMIN, MongodbSession } from './mongodbSession.ts'

type MongodbOptions = EngineOptions & {
  /** The driver's client, to be wrapped by tests. */
  Client?: typeof MongoClient
}

/** Amazon DocumentDB and MongoDB. */
export class Mongodb implements Engine {
  readonly #options: Required<MongodbOptions>
  readonly #trust: ReturnType<typeof trustIn>

  constructor(options: MongodbOptions) {
    this.#options = {
      ...timeouts,
      testMayWrite: false,
      onCertificate: () => {},
      Client: MongoClient,
      ...options,
    }
    this.#trust = trustIn(options.caFile)
  }

  /** `host` is the database whose users the session acts on: a user of MongoDB is a name in a database. */
  async login(credential: Credential, host?: string): Promise<MongodbSession> {
    const { dbname = traits.mongo.database } = credential
    try {
      return await this.#loginFrom(ADMIN, credential, host)
    } catch (error) {
      // AWS's templates look for the user in `dbname`, and MongoDB may have it there.
      if (!(error instanceof LoginRefused) || dbname === ADMIN) throw error
      return await this.#loginFrom(dbname, credential, host)
    }
  }

  /** As the user of this name in the database `source`. */
  async #loginFrom(source: string, credential: Credential, host = source): Promise<MongodbSession> {
    const { Client, connectTimeout, statementTimeout, onCertificate } = this.#options
    const options = { Client, connectTimeout, statementTimeout, onCertificate, trust: this.#trust }
    const reach = (server: string) =>
      connect({ server, source, credential }, options).catch(error => {
        // Most clusters of Amazon DocumentDB know no other, and do not tell; the driver then takes SCRAM-SHA-256.
        if (!(error instanceof OtherMechanism)) throw error
        // The driver makes the proof of the escaped name, and no server does.
        if (/[=,]/.test(credential.username))
          throw new InvalidCredential(
            'username',
            'should have no = and no comma: the server knows SCRAM-SHA-1 alone',
          )
        return connect({ server, source, credential, authMechanism: 'SCRAM-SHA-1' }, options)
      })
    const there = await leaveReplica(address(credential), reach, `login as ${credential}`)
    return new MongodbSession(there.client, credential, { ...there, host, statementTimeout }, other =>
      this.login(other),
    )
  }
}

/**
 * Reaches a server, or the primary that it names if it is a replica.
 * @throws Secondary if it is one, and names none or none that can be reached
 */
async function leaveReplica(
  server: string,
  reach: (server: string) => Promise<MongoClient>,
  where: string,
): Promise<{ client: MongoClient; isStandby: boolean }> {
  try {
    return { client: await reach(server), isStandby: false }
  } catch (error) {
    const primary = error instanceof Secondary ? error.primary : undefined
    // It becomes part of a URL.
    if (typeof primary !== 'string' || !/^[\w.[\]:-]+:\d+$/.test(primary)) throw error
    const client = await reach(primary).catch(failure => {
      if (!(failure instanceof Unreachable)) throw failure
      throw new Secondary(where, primary, failure.message.replace(`${where}: `, ''))
    })
    return { client, isStandby: true }
  }
}

/** `host:port`, which becomes part of a URL. */
const address = ({ host, port = traits.mongo.port }: Credential) =>
  `${isIPv6(host) ? `[${host}]` : host}:${port}`

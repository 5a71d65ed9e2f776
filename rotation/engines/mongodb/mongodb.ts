import { isIPv6 } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Document, MongoClient } from 'mongodb'
import type { Credential } from '../../credential.ts'
import {
  DatabaseFailed,
  InvalidCredential,
  LoginRefused,
  NotPermitted,
  TestFailed,
  Unreachable,
} from '../../errors.ts'
import { unknownPassword } from '../../password.ts'
import { compareOwn } from '../compareOwn.ts'
import { type Engine, type EngineOptions, type Pair, type Session, timeouts } from '../engine.ts'
import { undefinedIfUnseen } from '../inUse.ts'
import './mongodbMessages.ts'
import { conflictIfDropped, NoSuchUser, undefinedIfAbsent } from '../noSuchUser.ts'
import { tested } from '../testQuery.ts'
import { traits } from '../traits.ts'
import { trustIn } from '../trust.ts'
import { differences, isUsers, refuseStranger, syncFields, type User } from './mongodbClone.ts'
import { noUrl, OtherMechanism, translate, translateLogin } from './mongodbErrors.ts'

type MongodbOptions = EngineOptions & {
  /** The driver's client, to be wrapped by tests. */
  Client?: typeof MongoClient
}

/** Where DocumentDB keeps every user, and MongoDB most. */
const ADMIN = 'admin'

/** Amazon DocumentDB and MongoDB. */
export class Mongodb implements Engine {
  readonly #options: Required<MongodbOptions>
  readonly #trust: ReturnType<typeof trustIn>

  constructor(options: MongodbOptions) {
    this.#options = { ...timeouts, testMayWrite: false, Client: MongoClient, ...options }
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
    const { statementTimeout } = this.#options
    const connect = (server: string) =>
      this.#connect(server, source, credential).catch(error => {
        // Most clusters of Amazon DocumentDB know no other, and do not tell; the driver then takes SCRAM-SHA-256.
        if (!(error instanceof OtherMechanism)) throw error
        // The driver makes the proof of the escaped name, and no server does.
        if (/[=,]/.test(credential.username))
          throw new InvalidCredential(
            'username',
            'should have no = and no comma: the server knows SCRAM-SHA-1 alone',
          )
        return this.#connect(server, source, credential, 'SCRAM-SHA-1')
      })
    const client = await connect(address(credential)).catch(error => {
      const primary = error instanceof Secondary ? error.primary : undefined
      // It becomes part of a URL.
      if (typeof primary !== 'string' || !/^[\w.[\]:-]+:\d+$/.test(primary)) throw error
      return connect(primary)
    })
    return new MongodbSession(client, credential, host, statementTimeout, other => this.login(other))
  }

  /** @throws Secondary before the password is tried: a replica may not have heard of a new one yet */
  async #connect(
    server: string,
    source: string,
    credential: Credential,
    authMechanism?: 'SCRAM-SHA-1',
  ): Promise<MongoClient> {
    const { connectTimeout, statementTimeout } = this.#options
    const where = `login as ${credential}`
    const client = this.#client(server, source, credential, authMechanism)
    // By itself the driver would try again until its time is over, and then tell no reason.
    const unfit = Promise.withResolvers<never>()
    client.once('serverHeartbeatFailed', ({ failure }) => unfit.reject(failure))
    client.on('serverHeartbeatSucceeded', ({ reply }) => {
      if (!reply.isWritablePrimary) unfit.reject(new Secondary(where, reply.primary))
      // Read next outside any promise, where one that is of another type would end the process.
      for (const field of ofItsSet) delete reply[field]
    })
    const late = setTimeout(
      () => unfit.reject(new Unreachable(`${where}: no whole answer in time`)),
      connectTimeout + statementTimeout,
    )
    try {
      return await Promise.race([client.connect(), unfit.promise])
    } catch (error) {
      await close(client)
      throw translateLogin(error, where, credential.ssl)
    } finally {
      clearTimeout(late)
    }
  }

  /** @throws InvalidCredential if the server's name makes no URL */
  #client(
    server: string,
    source: string,
    credential: Credential,
    authMechanism?: 'SCRAM-SHA-1',
  ): MongoClient {
    const { Client, connectTimeout, statementTimeout } = this.#options
    const secureContext = credential.ssl ? this.#trust() : undefined
    try {
      return new Client(`mongodb://${server}/`, {
        auth: { username: credential.username, password: credential.password },
        authSource: source,
        ...(authMechanism && { authMechanism }),
        // This one server, and not whatever others of its set it names.
        directConnection: true,
        tls: credential.ssl,
        ...(secureContext && { secureContext }),
        appName: 'keyturn',
        maxPoolSize: 1,
        serverMonitoringMode: 'poll',
        retryReads: false,
        retryWrites: false,
        connectTimeoutMS: connectTimeout,
        serverSelectionTimeoutMS: connectTimeout,
        socketTimeoutMS: statementTimeout + 1_000,
      })
    } catch {
      throw noUrl(`login as ${credential}`)
    }
  }
}

/** The driver says goodbye to the server, and would wait for an answer that does not come. */
async function close(client: MongoClient): Promise<void> {
  await Promise.race([client.close().catch(() => {}), sleep(1_000, undefined, { ref: false })])
}

/** What a server tells of the others of its set, and when; it is of no use to who stays with this one. */
const ofItsSet = ['hosts', 'passives', 'arbiters', 'me', 'electionId', 'topologyVersion', '$clusterTime']

/** What answers takes no writes. `primary` is the host and port that it names as the one that does. */
class Secondary extends Unreachable {
  readonly primary: unknown
  constructor(where: string, primary: unknown) {
    super(`${where}: the server is a replica, or a failover is under way`)
    this.primary = primary
  }
}

/** `host:port`, which becomes part of a URL. */
const address = ({ host, port = traits.mongo.port }: Credential) =>
  `${isIPv6(host) ? `[${host}]` : host}:${port}`

/** The server tells of users what nobody knows how to read. */
class Unknown extends DatabaseFailed {}

class MongodbSession implements Session {
  readonly host: string
  readonly #client: MongoClient
  readonly #credential: Credential
  readonly #timeout: number
  readonly #login: (credential: Credential) => Promise<MongodbSession>
  /** Asked for until the server says that it has none. */
  #restrictions = true

  constructor(
    client: MongoClient,
    credential: Credential,
    host: string,
    timeout: number,
    login: (credential: Credential) => Promise<MongodbSession>,
  ) {
    this.#client = client
    this.#credential = credential
    this.host = host
    this.#timeout = timeout
    this.#login = login
  }

  async setPassword(user: string, password: string): Promise<void> {
    const { mechanisms } = await this.#user(user)
    try {
      await this.#change({ updateUser: user, pwd: password, ...(mechanisms && { mechanisms }) })
    } catch (error) {
      if (!(error instanceof NotPermitted) || user !== this.#credential.username) throw error
      throw new NotPermitted(
        `${error.message}; to change its own password a user of MongoDB needs a role with the action changeOwnPassword`,
      )
    }
  }

  async cloneUser({ user, clone }: Pair, open: { user: string; password: string }): Promise<string[]> {
    const original = await this.#user(user)
    const found = await this.#found(clone)
    if (found) refuseStranger(original, found, open.user === user)
    try {
      // The clone may be in use, and is left as it is.
      if (open.user === user) await this.setPassword(user, open.password)
      else await this.#renew(clone, original, found, open.password)
    } catch (error) {
      conflictIfDropped(error)
    }
    return []
  }

  /** One command changes one user as a whole or not at all. */
  async #renew(clone: string, original: User, found: User | undefined, pwd: string): Promise<void> {
    const { mechanisms } = original
    const fields = { ...syncFields(original, found), pwd, ...(mechanisms && { mechanisms }) }
    await this.#change(found ? { updateUser: clone, ...fields } : { createUser: clone, ...fields })
  }

  async lockUser(user: string, pair: Pair): Promise<void> {
    const found = await this.#found(pair.clone)
    if (found) refuseStranger(await this.#user(pair.user), found, user === pair.user)
    await this.setPassword(user, unknownPassword())
  }

  /** It takes the action inprog. Not every server of this protocol tells whose a connection is. */
  async sessionsOf(user: string): Promise<number | undefined> {
    const found = await this.#command({ currentOp: 1, $all: true }, ADMIN).catch(undefinedIfUnseen)
    const all: Document[] = Array.isArray(found?.inprog) ? found.inprog : []
    const known = all.filter(({ effectiveUsers }) => Array.isArray(effectiveUsers) && effectiveUsers.length)
    const isUser = (other: Document) => other.user === user && other.db === this.host
    return known.length ? known.filter(({ effectiveUsers }) => effectiveUsers.some(isUser)).length : undefined
  }

  async dropUser({ user, clone }: Pair): Promise<void> {
    const found = await this.#found(clone)
    if (!found) return
    refuseStranger(await this.#user(user), found, false)
    await this.#change({ dropUser: clone }).catch(undefinedIfAbsent)
  }

  async differences(pair: Pair, other: () => Promise<Credential>): Promise<string[]> {
    const { user, clone } = pair
    const us = { name: this.#credential.username, session: this }
    return compareOwn(pair, us, this.#login(await other()), async of => {
      if (of(user).host !== of(clone).host) return [`${user} and ${clone} are users of different databases`]
      return differences(await of(user).#user(user), await of(clone).#user(clone))
    })
  }

  /** The query is the name of a collection, with its database; one document of it is read. */
  async run(query: string): Promise<void> {
    const [, database, find] = /^([^.]+)\.(.+)$/.exec(query) ?? []
    if (!find)
      throw new TestFailed('the test query should be a collection with its database, such as shop.orders')
    await tested(this.#command({ find, limit: 1, singleBatch: true, maxTimeMS: this.#timeout }, database))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await close(this.#client)
  }

  /** Changes users so that a failover cannot undo it. */
  #change(command: Document): Promise<Document> {
    return this.#command({ ...command, writeConcern: { w: 'majority', wtimeout: this.#timeout } })
  }

  async #command(command: Document, database = this.host): Promise<Document> {
    try {
      return await this.#client.db(database).command(command)
    } catch (error) {
      throw translate(error, `${Object.keys(command)[0]} as ${this.#credential}`)
    }
  }

  /** @throws NoSuchUser */
  async #user(name: string): Promise<User> {
    const usersInfo = { user: name, db: this.host }
    const show = this.#restrictions && { showAuthenticationRestrictions: true }
    try {
      const { users = [] } = await this.#command({ usersInfo, ...show })
      if (!isUsers(users))
        throw new Unknown(`usersInfo as ${this.#credential}: the answer is no list of users and their roles`)
      if (users[0]) return users[0]
    } catch (error) {
      if (!show || error instanceof Unknown) throw error
      if (!(error instanceof DatabaseFailed || error instanceof NotPermitted)) throw error
      this.#restrictions = false
      return this.#user(name)
    }
    throw new NoSuchUser(`there is no user ${JSON.stringify(name)} in the database ${this.host}`)
  }

  #found(user: string): Promise<User | undefined> {
    return this.#user(user).catch(undefinedIfAbsent)
  }
}

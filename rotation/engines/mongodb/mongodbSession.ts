import type { Document, MongoClient } from 'mongodb'
import type { Credential } from '../../credential.ts'
import { DatabaseFailed, NotPermitted, TestFailed } from '../../errors.ts'
import { generateUnknownPassword } from '../../password.ts'
import { compareFromOwnSessions } from '../compareFromOwnSessions.ts'
import type { Session, UserPair } from '../engine.ts'
import { conflictIfDropped, NoSuchUser, undefinedIfNoSuchUser } from '../noSuchUser.ts'
import { undefinedIfNotReadable } from '../notReadable.ts'
import { awaitTestQuery } from '../testQuery.ts'
import { differences, isUserList, requireClone, syncFields, type User } from './mongodbClone.ts'
import { close } from './mongodbConnection.ts'
import { translate } from './mongodbErrors.ts'
import { missingPrivileges, readPrivileges } from './mongodbRights.ts'

/** The database that holds every user of Amazon DocumentDB, and most users of MongoDB. */
export const ADMIN_DATABASE = 'admin'

/** The answer to usersInfo is no list of users. */
class UnreadableUsers extends DatabaseFailed {}

type SessionContext = {
  /** The database that holds the users that the session acts on. */
  database: string
  /** Milliseconds that a command may take. */
  statementTimeout: number
  /** Whether the server that the credential names is a replica, so that the session is one of its primary. */
  isStandby: boolean
}

/** A session of Amazon DocumentDB or MongoDB. */
export class MongodbSession implements Session {
  /** The database that holds the users that the session acts on. */
  readonly accountQualifier: string
  readonly #client: MongoClient
  readonly #credential: Credential
  readonly #timeoutMs: number
  readonly #isStandby: boolean
  readonly #login: (credential: Credential) => Promise<MongodbSession>
  /** Whether the server shows authentication restrictions, as far as is known. Some servers refuse to be asked for them. */
  #showsRestrictions = true

  constructor(
    client: MongoClient,
    credential: Credential,
    { database, statementTimeout, isStandby }: SessionContext,
    login: (credential: Credential) => Promise<MongodbSession>,
  ) {
    this.#client = client
    this.#credential = credential
    this.accountQualifier = database
    this.#timeoutMs = statementTimeout
    this.#isStandby = isStandby
    this.#login = login
  }

  async setPassword(user: string, password: string): Promise<void> {
    await this.#change(await this.#passwordCommand(user, password)).catch(error => this.#explain(error, user))
  }

  async wouldSetPassword(user: string, password: string): Promise<void> {
    await this.#wouldChange(await this.#passwordCommand(user, password)).catch(error =>
      this.#explain(error, user),
    )
  }

  /** The command that sets a user's password and keeps the user's mechanisms. */
  async #passwordCommand(user: string, pwd: string): Promise<Document> {
    const { mechanisms } = await this.#readUser(user)
    return { updateUser: user, pwd, ...(mechanisms && { mechanisms }) }
  }

  /** Adds to NotPermitted which action a user needs to change its own password. */
  #explain(error: unknown, user: string): never {
    if (!(error instanceof NotPermitted) || user !== this.#credential.username) throw error
    throw new NotPermitted(
      `${error.message}; to change its own password a user of MongoDB needs a role with the action changeOwnPassword`,
    )
  }

  async wouldOpenUser(pair: UserPair, open: string): Promise<string[]> {
    const { original, existing } = await this.#readPair(pair, open)
    const pwd = generateUnknownPassword()
    const command =
      open === pair.user
        ? await this.#passwordCommand(open, pwd)
        : cloneCommand(pair.clone, original, existing, pwd)
    return await this.#wouldChange(command)
  }

  /** @returns the user, and the clone if there is one @throws NotAClone, NoSuchUser */
  async #readPair(
    { user, clone }: UserPair,
    open: string,
  ): Promise<{ original: User; existing: User | undefined }> {
    const original = await this.#readUser(user)
    const existing = await this.#findUser(clone)
    if (existing) requireClone(original, existing, open === user)
    return { original, existing }
  }

  async openUser({ user, clone }: UserPair, open: { user: string; password: string }): Promise<string[]> {
    const { original, existing } = await this.#readPair({ user, clone }, open.user)
    try {
      // When the user is opened, the application may be using the clone, which stays as it is.
      if (open.user === user) await this.setPassword(user, open.password)
      else await this.#change(cloneCommand(clone, original, existing, open.password))
    } catch (error) {
      conflictIfDropped(error)
    }
    return []
  }

  async closeUser(user: string, pair: UserPair): Promise<void> {
    const existing = await this.#findUser(pair.clone)
    if (existing) requireClone(await this.#readUser(pair.user), existing, user === pair.user)
    await this.setPassword(user, generateUnknownPassword())
  }

  /** Needs the action inprog. Some servers of this protocol do not show the users of their connections. */
  async countSessions(user: string): Promise<number | undefined> {
    const answer = await this.#command({ currentOp: 1, $all: true }, ADMIN_DATABASE).catch(
      undefinedIfNotReadable,
    )
    const connections: Document[] = Array.isArray(answer?.inprog) ? answer.inprog : []
    const withUsers = connections.filter(
      ({ effectiveUsers }) => Array.isArray(effectiveUsers) && effectiveUsers.length,
    )
    if (!withUsers.length) return undefined
    const isUser = (other: Document) => other.user === user && other.db === this.accountQualifier
    return withUsers.filter(({ effectiveUsers }) => effectiveUsers.some(isUser)).length
  }

  /** Needs the action serverStatus. Counts for the whole server, as a user has no limit of its own. */
  async countFreeConnections(): Promise<number | undefined> {
    const omittedSections = { metrics: 0, wiredTiger: 0, tcmalloc: 0, locks: 0, repl: 0 }
    const status = await this.#command({ serverStatus: 1, ...omittedSections }, ADMIN_DATABASE).catch(
      undefinedIfNotReadable,
    )
    const available: unknown = status?.connections?.available
    return typeof available === 'number' ? available : undefined
  }

  async dropClone({ user, clone }: UserPair): Promise<void> {
    const existing = await this.#findUser(clone)
    if (!existing) return
    requireClone(await this.#readUser(user), existing, false)
    await this.#change({ dropUser: clone }).catch(undefinedIfNoSuchUser)
  }

  async wouldDropClone({ user, clone }: UserPair): Promise<string[]> {
    const existing = await this.#findUser(clone)
    if (existing) requireClone(await this.#readUser(user), existing, false)
    return await this.#wouldChange({ dropUser: clone })
  }

  async differences(pair: UserPair, other: () => Promise<Credential>): Promise<string[]> {
    const { user, clone } = pair
    const own = { name: this.#credential.username, session: this }
    return compareFromOwnSessions(pair, own, this.#login(await other()), async sessionOf => {
      const [userSession, cloneSession] = [sessionOf(user), sessionOf(clone)]
      if (userSession.accountQualifier !== cloneSession.accountQualifier)
        return [`${user} and ${clone} are users of different databases`]
      return differences(await userSession.#readUser(user), await cloneSession.#readUser(clone))
    })
  }

  /** The query is the name of a collection with its database, such as `shop.orders`. One document of the collection is read. */
  async runTestQuery(query: string): Promise<void> {
    const [, database, find] = /^([^.]+)\.(.+)$/.exec(query) ?? []
    if (!find)
      throw new TestFailed('the test query should be a collection with its database, such as shop.orders')
    await awaitTestQuery(
      this.#command({ find, limit: 1, singleBatch: true, maxTimeMS: this.#timeoutMs }, database),
    )
  }

  /** The login has found it out, by the server's answer to `hello`. */
  async isStandby(): Promise<boolean> {
    return this.#isStandby
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await close(this.#client)
  }

  /** Changes a user. The change is confirmed by a majority of the replica set, so that a failover cannot undo it. */
  #change(command: Document): Promise<Document> {
    return this.#command({ ...command, writeConcern: { w: 'majority', wtimeout: this.#timeoutMs } })
  }

  /**
   * Checks whether this user's privileges allow a change, without making the change.
   * @returns a sentence that this could not be checked, if the server does not tell privileges
   * @throws NotPermitted as the change would, naming the missing privileges
   */
  async #wouldChange(command: Document): Promise<string[]> {
    const { username } = this.#credential
    const ask = { connectionStatus: 1, showPrivileges: true }
    const privileges = readPrivileges(await this.#command(ask, ADMIN_DATABASE).catch(undefinedIfNotReadable))
    const [verb = ''] = Object.keys(command)
    if (!privileges)
      return [
        `could not be looked at: whether ${username} may run ${verb}, as the server does not tell privileges`,
      ]
    const missing = missingPrivileges(privileges, command, this.accountQualifier, command[verb] === username)
    if (missing.length)
      throw new NotPermitted(
        `${verb} as ${this.#credential}: not authorized: for ${command[verb]} it lacks ${missing.join(', ')}`,
      )
    return []
  }

  async #command(command: Document, database = this.accountQualifier): Promise<Document> {
    try {
      return await this.#client.db(database).command(command)
    } catch (error) {
      throw translate(error, `${Object.keys(command)[0]} as ${this.#credential}`)
    }
  }

  /**
   * Reads a user. If the server refuses to show authentication restrictions, it is asked again without them.
   * @throws NoSuchUser, UnreadableUsers
   */
  async #readUser(name: string): Promise<User> {
    const usersInfo = { user: name, db: this.accountQualifier }
    const show = this.#showsRestrictions && { showAuthenticationRestrictions: true }
    try {
      const { users = [] } = await this.#command({ usersInfo, ...show })
      if (!isUserList(users))
        throw new UnreadableUsers(
          `usersInfo as ${this.#credential}: the answer is no list of users and their roles`,
        )
      if (users[0]) return users[0]
    } catch (error) {
      if (!show || error instanceof UnreadableUsers) throw error
      if (!(error instanceof DatabaseFailed || error instanceof NotPermitted)) throw error
      this.#showsRestrictions = false
      return this.#readUser(name)
    }
    throw new NoSuchUser(`there is no user ${JSON.stringify(name)} in the database ${this.accountQualifier}`)
  }

  #findUser(user: string): Promise<User | undefined> {
    return this.#readUser(user).catch(undefinedIfNoSuchUser)
  }
}

/** The one command that creates or updates the clone and sets its password. The server runs all of it or nothing. */
function cloneCommand(clone: string, original: User, existing: User | undefined, pwd: string): Document {
  const { mechanisms } = original
  const fields = { ...syncFields(original, existing), pwd, ...(mechanisms && { mechanisms }) }
  return existing ? { updateUser: clone, ...fields } : { createUser: clone, ...fields }
}

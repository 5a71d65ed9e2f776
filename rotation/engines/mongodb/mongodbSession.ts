import type { Document, MongoClient } from 'mongodb'
import type { Credential } from '../../credential.ts'
import { DatabaseFailed, NotPermitted, TestFailed } from '../../errors.ts'
import { generateUnknownPassword } from '../../password.ts'
import { compareFromOwnSessions } from '../compareFromOwnSessions.ts'
import type { Session, UserPair } from '../engine.ts'
import { conflictIfDropped, NoSuchUser, undefinedIfNoSuchUser } from '../noSuchUser.ts'
import { awaitTestQuery } from '../testQuery.ts'
import { undefinedIfNotReadable } from '../userInUse.ts'
import { differences, isUserList, requireClone, syncFields, type User } from './mongodbClone.ts'
import { close } from './mongodbConnection.ts'
import { translate } from './mongodbErrors.ts'
import { missingPrivileges, readPrivileges } from './mongodbRights.ts'

/** Where DocumentDB keeps every user, and MongoDB most. */
export const ADMIN_DATABASE = 'admin'

/** The server tells of users what nobody knows how to read. */
class UnreadableUsers extends DatabaseFailed {}

type SessionContext = {
  /** The database whose users the session acts on. */
  database: string
  /** Milliseconds. */
  statementTimeout: number
  /** Whether the server that the credential names was left for its primary. */
  isStandby: boolean
}

/** What one login to MongoDB can do with users. */
export class MongodbSession implements Session {
  readonly accountQualifier: string
  readonly #client: MongoClient
  readonly #credential: Credential
  readonly #timeout: number
  readonly #isStandby: boolean
  readonly #login: (credential: Credential) => Promise<MongodbSession>
  /** Asked for until the server says that it has none. */
  #showsRestrictions = true

  constructor(
    client: MongoClient,
    credential: Credential,
    { database: host, statementTimeout, isStandby }: SessionContext,
    login: (credential: Credential) => Promise<MongodbSession>,
  ) {
    this.#client = client
    this.#credential = credential
    this.accountQualifier = host
    this.#timeout = statementTimeout
    this.#isStandby = isStandby
    this.#login = login
  }

  async setPassword(user: string, password: string): Promise<void> {
    await this.#change(await this.#openCommand(user, password)).catch(error => this.#explain(error, user))
  }

  async wouldSetPassword(user: string, password: string): Promise<void> {
    await this.#wouldChange(await this.#openCommand(user, password)).catch(error =>
      this.#explain(error, user),
    )
  }

  async #openCommand(user: string, pwd: string): Promise<Document> {
    const { mechanisms } = await this.#readUser(user)
    return { updateUser: user, pwd, ...(mechanisms && { mechanisms }) }
  }

  #explain(error: unknown, user: string): never {
    if (!(error instanceof NotPermitted) || user !== this.#credential.username) throw error
    throw new NotPermitted(
      `${error.message}; to change its own password a user of MongoDB needs a role with the action changeOwnPassword`,
    )
  }

  async wouldClone(pair: UserPair, open: string): Promise<string[]> {
    const { original, found } = await this.#readPair(pair, open)
    const pwd = generateUnknownPassword()
    const command =
      open === pair.user ? await this.#openCommand(open, pwd) : cloneCommand(pair.clone, original, found, pwd)
    return await this.#wouldChange(command)
  }

  /** @throws Stranger, NoSuchUser */
  async #readPair(
    { user, clone }: UserPair,
    open: string,
  ): Promise<{ original: User; found: User | undefined }> {
    const original = await this.#readUser(user)
    const found = await this.#findUser(clone)
    if (found) requireClone(original, found, open === user)
    return { original, found }
  }

  async cloneUser({ user, clone }: UserPair, open: { user: string; password: string }): Promise<string[]> {
    const { original, found } = await this.#readPair({ user, clone }, open.user)
    try {
      // The clone may be in use, and is left as it is.
      if (open.user === user) await this.setPassword(user, open.password)
      else await this.#change(cloneCommand(clone, original, found, open.password))
    } catch (error) {
      conflictIfDropped(error)
    }
    return []
  }

  async lockUser(user: string, pair: UserPair): Promise<void> {
    const found = await this.#findUser(pair.clone)
    if (found) requireClone(await this.#readUser(pair.user), found, user === pair.user)
    await this.setPassword(user, generateUnknownPassword())
  }

  /** It takes the action inprog. Not every server of this protocol tells whose a connection is. */
  async countSessions(user: string): Promise<number | undefined> {
    const found = await this.#command({ currentOp: 1, $all: true }, ADMIN_DATABASE).catch(
      undefinedIfNotReadable,
    )
    const all: Document[] = Array.isArray(found?.inprog) ? found.inprog : []
    const known = all.filter(({ effectiveUsers }) => Array.isArray(effectiveUsers) && effectiveUsers.length)
    const isUser = (other: Document) => other.user === user && other.db === this.accountQualifier
    return known.length ? known.filter(({ effectiveUsers }) => effectiveUsers.some(isUser)).length : undefined
  }

  /** It takes the action serverStatus. Nobody has a limit of its own. */
  async countFreeConnections(): Promise<number | undefined> {
    const rest = { metrics: 0, wiredTiger: 0, tcmalloc: 0, locks: 0, repl: 0 }
    const told = await this.#command({ serverStatus: 1, ...rest }, ADMIN_DATABASE).catch(
      undefinedIfNotReadable,
    )
    const available: unknown = told?.connections?.available
    return typeof available === 'number' ? available : undefined
  }

  async dropClone({ user, clone }: UserPair): Promise<void> {
    const found = await this.#findUser(clone)
    if (!found) return
    requireClone(await this.#readUser(user), found, false)
    await this.#change({ dropUser: clone }).catch(undefinedIfNoSuchUser)
  }

  async wouldDropUser({ user, clone }: UserPair): Promise<string[]> {
    const found = await this.#findUser(clone)
    if (found) requireClone(await this.#readUser(user), found, false)
    return await this.#wouldChange({ dropUser: clone })
  }

  async differences(pair: UserPair, other: () => Promise<Credential>): Promise<string[]> {
    const { user, clone } = pair
    const us = { name: this.#credential.username, session: this }
    return compareFromOwnSessions(pair, us, this.#login(await other()), async of => {
      if (of(user).accountQualifier !== of(clone).accountQualifier)
        return [`${user} and ${clone} are users of different databases`]
      return differences(await of(user).#readUser(user), await of(clone).#readUser(clone))
    })
  }

  /** The query is the name of a collection, with its database; one document of it is read. */
  async runTestQuery(query: string): Promise<void> {
    const [, database, find] = /^([^.]+)\.(.+)$/.exec(query) ?? []
    if (!find)
      throw new TestFailed('the test query should be a collection with its database, such as shop.orders')
    await awaitTestQuery(
      this.#command({ find, limit: 1, singleBatch: true, maxTimeMS: this.#timeout }, database),
    )
  }

  /** As its answer to `hello` said, by which the login went on to the primary. */
  async isStandby(): Promise<boolean> {
    return this.#isStandby
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await close(this.#client)
  }

  /** Changes users so that a failover cannot undo it. */
  #change(command: Document): Promise<Document> {
    return this.#command({ ...command, writeConcern: { w: 'majority', wtimeout: this.#timeout } })
  }

  /**
   * That this user may make a change, by the privileges that it has.
   * @returns that it could not be looked at, where the server does not tell them
   * @throws NotPermitted as the change would, naming what is missing
   */
  async #wouldChange(command: Document): Promise<string[]> {
    const { username } = this.#credential
    const ask = { connectionStatus: 1, showPrivileges: true }
    const rights = readPrivileges(await this.#command(ask, ADMIN_DATABASE).catch(undefinedIfNotReadable))
    const [verb = ''] = Object.keys(command)
    if (!rights)
      return [
        `could not be looked at: whether ${username} may run ${verb}, as the server does not tell privileges`,
      ]
    const missing = missingPrivileges(rights, command, this.accountQualifier, command[verb] === username)
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

  /** @throws NoSuchUser */
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

/** One command changes one user as a whole or not at all. */
function cloneCommand(clone: string, original: User, found: User | undefined, pwd: string): Document {
  const { mechanisms } = original
  const fields = { ...syncFields(original, found), pwd, ...(mechanisms && { mechanisms }) }
  return found ? { updateUser: clone, ...fields } : { createUser: clone, ...fields }
}

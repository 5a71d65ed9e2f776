import { ConnectionTimeoutError, ErrorReply } from '@redis/client'
import type { Credential } from '../credential.ts'
import { Conflict, DatabaseFailed, NotPermitted, Unreachable } from '../errors.ts'
import {
  byDefault,
  type Engine,
  type EngineOptions,
  type Pair,
  type Session,
  type TwoPasswords,
} from './engine.ts'
import { gone, NoSuchUser } from './noSuchUser.ts'
import { type AclUser, differences, digest, findUser, refuseStranger } from './redisAcl.ts'
import { connect, type RedisConnection } from './redisConnection.ts'
import { NoFile, NotWritten, translate } from './redisErrors.ts'
import { tested } from './testQuery.ts'
import { traits } from './traits.ts'
import { trustIn } from './trust.ts'

type RedisOptions = EngineOptions & {
  /** Opens the connection, to be wrapped by tests. */
  connect?: typeof connect
}

/** Redis and Valkey, by ACL users. */
export class Redis implements Engine {
  readonly #options: Required<RedisOptions>
  readonly #trust: ReturnType<typeof trustIn>

  constructor(options: RedisOptions) {
    this.#options = {
      ...byDefault,
      connect,
      ...options,
    }
    this.#trust = trustIn(options.caFile)
  }

  async login(credential: Credential): Promise<RedisSession> {
    const { connect, connectTimeout, statementTimeout } = this.#options
    const { host, port = traits.redis.port, username, password, dbname, ssl } = credential
    const secureContext = ssl ? this.#trust() : undefined
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
        ...(secureContext && { secureContext }),
      })
      return new RedisSession(connection, credential)
    } catch (error) {
      if (ssl && error instanceof ConnectionTimeoutError)
        throw new Unreachable(
          `login as ${credential}: no answer, or none to TLS; Redis without it is silent like this: to accept that, store "ssl": false`,
        )
      throw translate(error, `login as ${credential}`)
    }
  }
}

class RedisSession implements Session {
  readonly #connection: RedisConnection
  readonly #credential: Credential
  /** The command that saves the users, once it is known. */
  #save: string[] | undefined

  constructor(connection: RedisConnection, credential: Credential) {
    this.#connection = connection
    this.#credential = credential
  }

  async setPassword(user: string, password: string, { reversibly = false } = {}): Promise<void> {
    const rules = ['resetpass', `#${digest(password)}`]
    try {
      await this.#alter(user, ...rules)
    } catch (error) {
      const unsaved = error instanceof NotWritten || error instanceof DatabaseFailed
      // What is set back comes into force all the same, until a restart; the error says that it does no longer.
      if (unsaved && !reversibly) await this.#send(['ACL', 'SETUSER', user, ...rules])
      throw error
    }
  }

  async cloneUser({ user, clone }: Pair, open: { user: string; password: string }): Promise<string[]> {
    const before = await this.#list()
    const original = theUser(before, user)
    const found = findUser(before, clone)
    if (found) refuseStranger(original, found, open.user === user)
    const password = `#${digest(open.password)}`
    const passwords = open.user === clone ? [password] : (found?.passwords ?? [])
    const [, after] = await this.#change(
      // Also on if the user is off: the clone may be the one that is in use.
      ['ACL', 'SETUSER', clone, 'reset', 'on', ...original.rules, ...passwords],
      ['ACL', 'LIST'],
    )
    // Later there may be nobody who can tell: see differences.
    const now = after as string[]
    if (differences(theUser(now, user), theUser(now, clone)).length)
      throw new Conflict(`as ${this.#credential}: the rules of ${user} changed meanwhile`)
    if (open.user === user) await this.#change(['ACL', 'SETUSER', user, 'on', 'resetpass', password])
    return []
  }

  /** Not `off`: setting a password is all that opens the user again. */
  async lockUser(user: string, pair: Pair): Promise<void> {
    const users = await this.#list()
    theUser(users, user)
    const found = findUser(users, pair.clone)
    if (found) refuseStranger(theUser(users, pair.user), found, user === pair.user)
    await this.#change(['ACL', 'SETUSER', user, 'resetpass'])
  }

  /** It closes the open sessions of the clone. */
  async dropUser({ user, clone }: Pair): Promise<void> {
    const users = await this.#list()
    const found = findUser(users, clone)
    if (!found) return
    refuseStranger(theUser(users, user), found, false)
    await this.#change(['ACL', 'DELUSER', clone])
  }

  readonly passwords: TwoPasswords = {
    add: (user, password, current) =>
      this.#alter(user, 'resetpass', `#${digest(password)}`, `#${digest(current)}`),
    keep: (user, password) => this.setPassword(user, password),
  }

  /**
   * None too if this user may not look, which takes the right to read everybody's rules and digests: cloneUser has
   * then proven it, with the admin's.
   */
  async differences({ user, clone }: Pair): Promise<string[]> {
    const users = await this.#list().catch(error => {
      if (error instanceof NotPermitted) return undefined
      throw error
    })
    if (!users) return []
    const [original, copy] = [findUser(users, user), findUser(users, clone)]
    if (!original || !copy) return [gone(original ? clone : user)]
    return differences(original, copy)
  }

  async run(query: string): Promise<void> {
    const words = [...query.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)]
    await tested(this.#send(words.map(([, double, single, bare]) => double ?? single ?? bare ?? '')))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection.destroy()
  }

  /** Changes a user that there is: the server would make any other. */
  async #alter(user: string, ...rules: string[]): Promise<void> {
    if (user !== this.#credential.username) theUser(await this.#list(), user)
    await this.#change(['ACL', 'SETUSER', user, ...rules])
  }

  /**
   * Runs commands, and saves what they changed, in one transaction.
   * @returns what each was answered
   * @throws NotPermitted if it could not be saved, so that a restart would bring the old password back
   */
  async #change(...commands: string[][]): Promise<unknown[]> {
    this.#save ??= await this.#tryToSave(['ACL', 'SAVE'], ['CONFIG', 'REWRITE'])
    await this.#send(['MULTI'])
    // All at once: whatever was refused, EXEC ends the transaction.
    const queued = [...commands, this.#save, ['EXEC']].map(command => this.#send<unknown[]>(command))
    for (const answer of await Promise.allSettled(queued))
      if (answer.status === 'rejected') throw answer.reason
    const replies = (await queued.at(-1)) ?? []
    for (const reply of replies) if (reply instanceof ErrorReply) throw this.#translate(reply)
    return replies
  }

  /** Saves the users as they are, in the first way that the server has: the proof that a change can be. */
  async #tryToSave(first: string[], ...others: string[][]): Promise<string[]> {
    try {
      await this.#send(first)
      return first
    } catch (error) {
      const [second, ...more] = others
      if (error instanceof NoFile && second) return this.#tryToSave(second, ...more)
      throw error
    }
  }

  async #list(): Promise<string[]> {
    return await this.#send(['ACL', 'LIST'])
  }

  async #send<T>(command: string[]): Promise<T> {
    try {
      return await this.#connection.sendCommand<T>(command)
    } catch (error) {
      throw this.#translate(error)
    }
  }

  #translate(error: unknown): unknown {
    return translate(error, `as ${this.#credential}`)
  }
}

function theUser(lines: string[], name: string): AclUser {
  const found = findUser(lines, name)
  if (!found) throw new NoSuchUser(`there is no user ${JSON.stringify(name)}`)
  return found
}

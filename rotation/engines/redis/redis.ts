import { ConnectionTimeoutError, ErrorReply } from '@redis/client'
import type { Credential } from '../../credential.ts'
import {
  Conflict,
  DatabaseFailed,
  LoginRefused,
  NotPermitted,
  type RotationError,
  Unreachable,
} from '../../errors.ts'
import { unknownPassword } from '../../password.ts'
import {
  type Engine,
  type EngineOptions,
  type Pair,
  type Session,
  type TwoPasswords,
  timeouts,
} from '../engine.ts'
import { undefinedIfUnseen } from '../inUse.ts'
import { gone, NoSuchUser } from '../noSuchUser.ts'
import { mayOnlyRead, tested } from '../testQuery.ts'
import { traits } from '../traits.ts'
import { trustIn } from '../trust.ts'
import { Unproven } from '../unproven.ts'
import {
  type AclUser,
  differences,
  digest,
  findUser,
  lookFor,
  refuseStranger,
  takesAnyPassword,
} from './redisAcl.ts'
import { connect, type RedisConnection } from './redisConnection.ts'
import { NoFile, NoRoom, NotWritten, translate } from './redisErrors.ts'

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
      ...timeouts,
      testMayWrite: false,
      connect,
      ...options,
    }
    this.#trust = trustIn(options.caFile)
  }

  /** Whether the password was looked at is not seen before that is asked for. */
  enter(credential: Credential): Promise<RedisSession> {
    return this.login(credential)
  }

  async login(credential: Credential): Promise<RedisSession> {
    const { connect, connectTimeout, statementTimeout, testMayWrite } = this.#options
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
      return new RedisSession(connection, credential, testMayWrite)
    } catch (error) {
      if (ssl && error instanceof ConnectionTimeoutError)
        throw new Unreachable(
          `login as ${credential}: no answer, or none to TLS; Redis without it is silent like this: to accept that, store "ssl": false`,
        )
      throw translate(error, `login as ${credential}`)
    }
  }
}

/** Where COMMAND INFO has what it tells of the commands within one, such as XINFO STREAM. */
const SUBCOMMANDS = 9
/** Where each has its flags. */
const FLAGS = 2

class RedisSession implements Session {
  readonly #connection: RedisConnection
  readonly #credential: Credential
  readonly #testMayWrite: boolean
  /** The command that saves the users, once it is known. */
  #save: string[] | undefined

  constructor(connection: RedisConnection, credential: Credential, testMayWrite: boolean) {
    this.#connection = connection
    this.#credential = credential
    this.#testMayWrite = testMayWrite
  }

  async setPassword(user: string, password: string, { reversibly = false } = {}): Promise<void> {
    const rules = ['resetpass', `#${digest(password)}`]
    try {
      await this.#alter(user, ...rules)
    } catch (error) {
      if (reversibly || !unsaved.some(kind => error instanceof kind)) throw error
      // What is set back comes into force all the same, until a restart; the error says that it does no longer.
      await this.#send(['ACL', 'SETUSER', user, ...rules])
      if (!(error instanceof NoRoom && this.#save)) throw error
      await this.#send(this.#save)
    }
  }

  async cloneUser({ user, clone }: Pair, open: { user: string; password: string }): Promise<string[]> {
    const before = await this.#list()
    const found = lookFor(before, clone)
    const original = theUser(before, user)
    if (found) refuseStranger(original, found, open.user === user)
    const inUse = open.user === user ? found : original
    if (inUse && takesAnyPassword(inUse)) throw this.#unproven(inUse.name)
    const password = `#${digest(open.password)}`
    // The clone may be in use, and is left as it is.
    if (open.user === user) await this.#change(['ACL', 'SETUSER', user, 'on', 'resetpass', password])
    else await this.#renew(clone, writable(before, user), password)
    return []
  }

  /** Gives the clone the user's rules and this password, in place of whatever it had. */
  async #renew(clone: string, { name: user, rules }: AclUser, password: string): Promise<void> {
    const [, after] = await this.#change(
      ['ACL', 'SETUSER', clone, 'reset', 'on', ...rules, password],
      ['ACL', 'LIST'],
    )
    // Later there may be nobody who can tell: see differences.
    const now = this.#lines(after)
    const missing = differences(theUser(now, user), theUser(now, clone))
    if (!missing.length) return
    if (String(theUser(now, user).rules) !== String(rules))
      throw new Conflict(`as ${this.#credential}: the rules of ${user} changed meanwhile`)
    throw new DatabaseFailed(
      `as ${this.#credential}: the server made other rules of those that it told of ${user}; still to be done: ${missing.join('; ')}`,
    )
  }

  /** Not `off`: setting a password is all that opens the user again. */
  async lockUser(user: string, pair: Pair): Promise<void> {
    const users = await this.#list()
    theUser(users, user)
    const found = lookFor(users, pair.clone)
    if (found) refuseStranger(theUser(users, pair.user), found, user === pair.user)
    await this.#change(['ACL', 'SETUSER', user, 'resetpass'])
  }

  async sessionsOf(user: string): Promise<number | undefined> {
    const told = await this.#send(['CLIENT', 'LIST']).catch(undefinedIfUnseen)
    if (typeof told !== 'string') return undefined
    return told.split('\n').filter(line => line.split(' ').includes(`user=${user}`)).length
  }

  /** It closes the open sessions of the clone. */
  async dropUser({ user, clone }: Pair): Promise<void> {
    const users = await this.#list()
    const found = lookFor(users, clone)
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
    const [original, copy] = [lookFor(users, user), lookFor(users, clone)]
    if (!original || !copy) return [gone(original ? clone : user)]
    return differences(original, copy)
  }

  /**
   * By what the server tells the user of itself, if it may ask that. Else by a wrong password, which the server notes
   * in ACL LOG and leaves the session as it is.
   */
  async proven(): Promise<void> {
    const { username } = this.#credential
    if ((await this.#ownFlags())?.includes('nopass') ?? (await this.#admits(unknownPassword())))
      throw this.#unproven(username)
  }

  /** Undefined if this user may not ask for them, or the server tells something else. */
  async #ownFlags(): Promise<unknown[] | undefined> {
    const told = await this.#send(['ACL', 'GETUSER', this.#credential.username]).catch(undefinedIfRefused)
    const flags = listed(told)[listed(told).indexOf('flags') + 1]
    return Array.isArray(flags) ? flags : undefined
  }

  async #admits(password: string): Promise<boolean> {
    const answer = this.#send(['AUTH', this.#credential.username, password])
    return (await answer.catch(undefinedIfRefused)) !== undefined
  }

  #unproven(user: string): Unproven {
    return new Unproven(
      `as ${this.#credential}: the server takes any password of ${user} (nopass); give it one, by ACL SETUSER`,
    )
  }

  async run(query: string): Promise<void> {
    const words = [...query.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
      ([, double, single, bare]) => double ?? single ?? bare ?? '',
    )
    if (!this.#testMayWrite) await this.#requireReading(words)
    await tested(this.#send(words))
  }

  /** @throws TestFailed unless the server itself says that the command only reads */
  async #requireReading([name = '', subcommand]: string[]): Promise<void> {
    const told = await tested(this.#send(['COMMAND', 'INFO', name]))
    const [info] = listed(told)
    // It does not know the command, and will say so.
    if (info === null) return
    const isMeant = (one: unknown) =>
      `${listed(one)[0]}`.toLowerCase() === `${name}|${subcommand}`.toLowerCase()
    const meant = listed(listed(info)[SUBCOMMANDS]).find(isMeant) ?? info
    const flags = listed(meant)[FLAGS]
    if (!listed(flags).includes('readonly')) throw mayOnlyRead(`as ${this.#credential}`)
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
   * @throws DatabaseFailed if the server did not say what became of each
   */
  async #change(...commands: string[][]): Promise<unknown[]> {
    this.#save ??= await this.#tryToSave(['ACL', 'SAVE'], ['CONFIG', 'REWRITE'])
    await this.#send(['MULTI'])
    // All at once: whatever was refused, EXEC ends the transaction.
    const all = [...commands, this.#save]
    const queued = [...all, ['EXEC']].map(command => this.#send(command))
    for (const answer of await Promise.allSettled(queued))
      if (answer.status === 'rejected') throw answer.reason
    const replies = await queued.at(-1)
    if (!Array.isArray(replies) || replies.length !== all.length)
      throw new DatabaseFailed(
        `as ${this.#credential}: EXEC was not answered with an answer for each command`,
      )
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
    return this.#lines(await this.#send(['ACL', 'LIST']))
  }

  #lines(told: unknown): string[] {
    if (Array.isArray(told) && told.every(line => typeof line === 'string')) return told
    throw new DatabaseFailed(`as ${this.#credential}: ACL LIST was not answered with lines`)
  }

  async #send(command: string[]): Promise<unknown> {
    try {
      return await this.#connection.sendCommand<unknown>(command)
    } catch (error) {
      throw this.#translate(error)
    }
  }

  #translate(error: unknown): RotationError {
    return translate(error, `as ${this.#credential}`)
  }
}

/** What a change ends with that could not be saved. */
const unsaved = [NotWritten, DatabaseFailed, NoRoom]

function theUser(lines: string[], name: string): AclUser {
  return there(lookFor(lines, name), name)
}

/** @throws DatabaseFailed if its rules could not be written again */
function writable(lines: string[], name: string): AclUser {
  return there(findUser(lines, name), name)
}

function there(user: AclUser | undefined, name: string): AclUser {
  if (!user) throw new NoSuchUser(`there is no user ${JSON.stringify(name)}`)
  return user
}

/** A list that the server told; empty if it told something else. */
function listed(told: unknown): unknown[] {
  return Array.isArray(told) ? told : []
}

function undefinedIfRefused(error: unknown): undefined {
  if (!(error instanceof LoginRefused || error instanceof NotPermitted)) throw error
}

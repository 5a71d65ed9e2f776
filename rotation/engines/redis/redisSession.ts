import type { Credential } from '../../credential.ts'
import { Conflict, DatabaseFailed, LoginRefused, NotPermitted } from '../../errors.ts'
import { generateUnknownPassword } from '../../password.ts'
import type { DualPasswordCalls, Session, UserPair } from '../engine.ts'
import { missingUserSentence, NoSuchUser } from '../noSuchUser.ts'
import { PasswordNotChecked } from '../passwordNotChecked.ts'
import { undefinedIfNotReadable } from '../userInUse.ts'
import {
  type AclUser,
  differences,
  findAclUser,
  findWritableUser,
  passwordDigest,
  requireClone,
  takesAnyPassword,
} from './redisAcl.ts'
import { OutOfMemory, SaveFailed } from './redisErrors.ts'
import { runTestQuery } from './redisTestQuery.ts'
import { listOrEmpty, type RedisWire } from './redisWire.ts'

/** What one login to Redis or Valkey can do with users. */
export class RedisSession implements Session {
  readonly #wire: RedisWire
  readonly #credential: Credential
  readonly #testMayWrite: boolean

  constructor(wire: RedisWire, credential: Credential, testMayWrite: boolean) {
    this.#wire = wire
    this.#credential = credential
    this.#testMayWrite = testMayWrite
  }

  async setPassword(user: string, password: string, { reversibly = false } = {}): Promise<void> {
    const rules = ['resetpass', `#${passwordDigest(password)}`]
    try {
      await this.#alter(user, ...rules)
    } catch (error) {
      if (reversibly || !saveErrors.some(kind => error instanceof kind)) throw error
      // What is set back comes into force all the same, until a restart; the error says that it does no longer.
      await this.#wire.send(['ACL', 'SETUSER', user, ...rules])
      if (!(error instanceof OutOfMemory && this.#wire.saveCommand)) throw error
      await this.#wire.send(this.#wire.saveCommand)
    }
  }

  async wouldSetPassword(user: string, password: string): Promise<void> {
    await this.#wouldAlter(user, 'resetpass', `#${passwordDigest(password)}`)
  }

  async cloneUser({ user, clone }: UserPair, open: { user: string; password: string }): Promise<string[]> {
    const original = await this.#userToClone({ user, clone }, open.user)
    const password = `#${passwordDigest(open.password)}`
    if (open.user === user) await this.#wire.changeAndSave(openCommand(user, password))
    else await this.#renewClone(clone, original, password)
    return []
  }

  async wouldClone(pair: UserPair, open: string): Promise<string[]> {
    const { rules } = await this.#userToClone(pair, open)
    const password = `#${passwordDigest(generateUnknownPassword())}`
    return open === pair.user
      ? await this.#wire.wouldChange(openCommand(open, password))
      : await this.#wire.wouldChange(renewCommand(open, rules, password), ['ACL', 'LIST'])
  }

  /** The user, whose clone may be opened, or made, or be in use. @throws Stranger, Unproven, NoSuchUser */
  async #userToClone({ user, clone }: UserPair, open: string): Promise<AclUser> {
    const before = await this.#listUsers()
    const found = findAclUser(before, clone)
    const original = requireUser(before, user)
    if (found) requireClone(original, found, open === user)
    const inUse = open === user ? found : original
    if (inUse && takesAnyPassword(inUse)) throw this.#notCheckedError(inUse.name)
    return open === user ? original : requireWritableUser(before, user)
  }

  /** Gives the clone the user's rules and this password, in place of whatever it had. */
  async #renewClone(clone: string, { name: user, rules }: AclUser, password: string): Promise<void> {
    const [, after] = await this.#wire.changeAndSave(renewCommand(clone, rules, password), ['ACL', 'LIST'])
    // Later there may be nobody who can tell: see differences.
    const now = this.#lines(after)
    const missing = differences(requireUser(now, user), requireUser(now, clone))
    if (!missing.length) return
    if (String(requireUser(now, user).rules) !== String(rules))
      throw new Conflict(`as ${this.#credential}: the rules of ${user} changed meanwhile`)
    throw new DatabaseFailed(
      `as ${this.#credential}: the server made other rules of those that it told of ${user}; still to be done: ${missing.join('; ')}`,
    )
  }

  /** Not `off`: setting a password is all that opens the user again. */
  async lockUser(user: string, pair: UserPair): Promise<void> {
    const users = await this.#listUsers()
    requireUser(users, user)
    const found = findAclUser(users, pair.clone)
    if (found) requireClone(requireUser(users, pair.user), found, user === pair.user)
    await this.#wire.changeAndSave(['ACL', 'SETUSER', user, 'resetpass'])
  }

  async countSessions(user: string): Promise<number | undefined> {
    const told = await this.#wire.send(['CLIENT', 'LIST']).catch(undefinedIfNotReadable)
    if (typeof told !== 'string') return undefined
    return told.split('\n').filter(line => line.split(' ').includes(`user=${user}`)).length
  }

  /** By what INFO tells of all: a user has no limit of its own. */
  async countFreeConnections(): Promise<number | undefined> {
    const told = String(await this.#wire.send(['INFO', 'clients']).catch(undefinedIfNotReadable))
    const [most, open] = ['maxclients', 'connected_clients'].map(field =>
      Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(told)?.[1] ?? Number.NaN),
    ) as [number, number]
    return Number.isNaN(most - open) ? undefined : Math.max(0, most - open)
  }

  /** It closes the open sessions of the clone. */
  async dropClone({ user, clone }: UserPair): Promise<void> {
    const users = await this.#listUsers()
    const found = findAclUser(users, clone)
    if (!found) return
    requireClone(requireUser(users, user), found, false)
    await this.#wire.changeAndSave(['ACL', 'DELUSER', clone])
  }

  /** With a name that nobody has: should it be run all the same, it drops nobody. */
  async wouldDropUser({ user, clone }: UserPair): Promise<string[]> {
    const users = await this.#listUsers()
    const found = findAclUser(users, clone)
    if (found) requireClone(requireUser(users, user), found, false)
    return await this.#wire.wouldChange(['ACL', 'DELUSER', generateUnknownPassword()])
  }

  readonly dualPassword: DualPasswordCalls = {
    add: (user, password, current) =>
      this.#alter(user, 'resetpass', `#${passwordDigest(password)}`, `#${passwordDigest(current)}`),
    keepOnly: (user, password) => this.setPassword(user, password),
    wouldAdd: (user, password, current) =>
      this.#wouldAlter(user, 'resetpass', `#${passwordDigest(password)}`, `#${passwordDigest(current)}`),
  }

  /**
   * None too if this user may not look, which takes the right to read everybody's rules and digests: cloneUser has
   * then proven it, with the admin's.
   */
  async differences({ user, clone }: UserPair): Promise<string[]> {
    const users = await this.#listUsers().catch(error => {
      if (error instanceof NotPermitted) return undefined
      throw error
    })
    if (!users) return []
    const [original, copy] = [findAclUser(users, user), findAclUser(users, clone)]
    if (!original || !copy) return [missingUserSentence(original ? clone : user)]
    return differences(original, copy)
  }

  /**
   * By what the server tells the user of itself, if it may ask that. Else by a wrong password, which the server notes
   * in ACL LOG and leaves the session as it is.
   */
  async requirePasswordCheck(): Promise<void> {
    const { username } = this.#credential
    if ((await this.#ownFlags())?.includes('nopass') ?? (await this.#admits(generateUnknownPassword())))
      throw this.#notCheckedError(username)
  }

  /** Undefined if this user may not ask for them, or the server tells something else. */
  async #ownFlags(): Promise<unknown[] | undefined> {
    const told = await this.#wire
      .send(['ACL', 'GETUSER', this.#credential.username])
      .catch(undefinedIfNotPermitted)
    const flags = listOrEmpty(told)[listOrEmpty(told).indexOf('flags') + 1]
    return Array.isArray(flags) ? flags : undefined
  }

  async #admits(password: string): Promise<boolean> {
    const answer = this.#wire.send(['AUTH', this.#credential.username, password])
    return (await answer.catch(undefinedIfNotPermitted)) !== undefined
  }

  /**
   * By what HELLO tells of the server, which since Redis 6.2 everybody may ask; else by ROLE. It asks for the protocol
   * that the connection has.
   */
  async isStandby(): Promise<boolean> {
    const told = listOrEmpty(await this.#wire.send(['HELLO', '2']).catch(undefinedIfNotPermitted))
    const at = told.indexOf('role')
    const [role] = at < 0 ? listOrEmpty(await this.#wire.send(['ROLE'])) : told.slice(at + 1)
    const standby = IS_REPLICA_BY_ROLE.get(role)
    if (standby !== undefined) return standby
    throw new DatabaseFailed(`as ${this.#credential}: the server does not say whether it is a replica`)
  }

  #notCheckedError(user: string): PasswordNotChecked {
    return new PasswordNotChecked(
      `as ${this.#credential}: the server takes any password of ${user} (nopass); give it one, by ACL SETUSER`,
    )
  }

  async runTestQuery(query: string): Promise<void> {
    await runTestQuery(this.#wire, query, { where: `as ${this.#credential}`, mayWrite: this.#testMayWrite })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#wire.close()
  }

  /** Changes a user that there is: the server would make any other. */
  async #alter(user: string, ...rules: string[]): Promise<void> {
    if (user !== this.#credential.username) requireUser(await this.#listUsers(), user)
    await this.#wire.changeAndSave(['ACL', 'SETUSER', user, ...rules])
  }

  async #wouldAlter(user: string, ...rules: string[]): Promise<void> {
    if (user !== this.#credential.username) requireUser(await this.#listUsers(), user)
    await this.#wire.wouldChange(['ACL', 'SETUSER', user, ...rules])
  }

  async #listUsers(): Promise<string[]> {
    return this.#lines(await this.#wire.send(['ACL', 'LIST']))
  }

  #lines(told: unknown): string[] {
    if (Array.isArray(told) && told.every(line => typeof line === 'string')) return told
    throw new DatabaseFailed(`as ${this.#credential}: ACL LIST was not answered with lines`)
  }
}

/** The clone may be in use, and is left as it is. */
const openCommand = (user: string, password: string) => ['ACL', 'SETUSER', user, 'on', 'resetpass', password]

const renewCommand = (clone: string, rules: string[], password: string) => [
  ...['ACL', 'SETUSER', clone, 'reset', 'on'],
  ...[...rules, password],
]

/** What HELLO and ROLE call a server, and whether that is a replica. */
const IS_REPLICA_BY_ROLE = new Map<unknown, boolean>([
  ['master', false],
  ['replica', true],
  ['slave', true],
])

/** What a change ends with that could not be saved. */
const saveErrors = [SaveFailed, DatabaseFailed, OutOfMemory]

function requireUser(lines: string[], name: string): AclUser {
  return requireFound(findAclUser(lines, name), name)
}

/** @throws DatabaseFailed if its rules could not be written again */
function requireWritableUser(lines: string[], name: string): AclUser {
  return requireFound(findWritableUser(lines, name), name)
}

function requireFound(user: AclUser | undefined, name: string): AclUser {
  if (!user) throw new NoSuchUser(`there is no user ${JSON.stringify(name)}`)
  return user
}

function undefinedIfNotPermitted(error: unknown): undefined {
  if (!(error instanceof LoginRefused || error instanceof NotPermitted)) throw error
}

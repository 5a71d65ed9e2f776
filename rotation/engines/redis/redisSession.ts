import type { Credential } from '../../credential.ts'
import { Conflict, DatabaseFailed, LoginRefused, NotPermitted } from '../../errors.ts'
import { unknownPassword } from '../../password.ts'
import type { Pair, Session, TwoPasswords } from '../engine.ts'
import { undefinedIfUnseen } from '../inUse.ts'
import { gone, NoSuchUser } from '../noSuchUser.ts'
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
import { NoRoom, NotWritten } from './redisErrors.ts'
import { runTestQuery } from './redisTestQuery.ts'
import { listed, type RedisWire } from './redisWire.ts'

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
    const rules = ['resetpass', `#${digest(password)}`]
    try {
      await this.#alter(user, ...rules)
    } catch (error) {
      if (reversibly || !unsaved.some(kind => error instanceof kind)) throw error
      // What is set back comes into force all the same, until a restart; the error says that it does no longer.
      await this.#wire.send(['ACL', 'SETUSER', user, ...rules])
      if (!(error instanceof NoRoom && this.#wire.save)) throw error
      await this.#wire.send(this.#wire.save)
    }
  }

  async wouldSetPassword(user: string, password: string): Promise<void> {
    await this.#wouldAlter(user, 'resetpass', `#${digest(password)}`)
  }

  async cloneUser({ user, clone }: Pair, open: { user: string; password: string }): Promise<string[]> {
    const original = await this.#turn({ user, clone }, open.user)
    const password = `#${digest(open.password)}`
    if (open.user === user) await this.#wire.change(opening(user, password))
    else await this.#renew(clone, original, password)
    return []
  }

  async wouldClone(pair: Pair, open: string): Promise<string[]> {
    const { rules } = await this.#turn(pair, open)
    const password = `#${digest(unknownPassword())}`
    return open === pair.user
      ? await this.#wire.wouldChange(opening(open, password))
      : await this.#wire.wouldChange(renewing(open, rules, password), ['ACL', 'LIST'])
  }

  /** The user, whose clone may be opened, or made, or be in use. @throws Stranger, Unproven, NoSuchUser */
  async #turn({ user, clone }: Pair, open: string): Promise<AclUser> {
    const before = await this.#list()
    const found = lookFor(before, clone)
    const original = theUser(before, user)
    if (found) refuseStranger(original, found, open === user)
    const inUse = open === user ? found : original
    if (inUse && takesAnyPassword(inUse)) throw this.#unproven(inUse.name)
    return open === user ? original : writable(before, user)
  }

  /** Gives the clone the user's rules and this password, in place of whatever it had. */
  async #renew(clone: string, { name: user, rules }: AclUser, password: string): Promise<void> {
    const [, after] = await this.#wire.change(renewing(clone, rules, password), ['ACL', 'LIST'])
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
    await this.#wire.change(['ACL', 'SETUSER', user, 'resetpass'])
  }

  async sessionsOf(user: string): Promise<number | undefined> {
    const told = await this.#wire.send(['CLIENT', 'LIST']).catch(undefinedIfUnseen)
    if (typeof told !== 'string') return undefined
    return told.split('\n').filter(line => line.split(' ').includes(`user=${user}`)).length
  }

  /** By what INFO tells of all: a user has no limit of its own. */
  async roomFor(): Promise<number | undefined> {
    const told = String(await this.#wire.send(['INFO', 'clients']).catch(undefinedIfUnseen))
    const [most, open] = ['maxclients', 'connected_clients'].map(field =>
      Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(told)?.[1] ?? Number.NaN),
    ) as [number, number]
    return Number.isNaN(most - open) ? undefined : Math.max(0, most - open)
  }

  /** It closes the open sessions of the clone. */
  async dropUser({ user, clone }: Pair): Promise<void> {
    const users = await this.#list()
    const found = lookFor(users, clone)
    if (!found) return
    refuseStranger(theUser(users, user), found, false)
    await this.#wire.change(['ACL', 'DELUSER', clone])
  }

  /** With a name that nobody has: should it be run all the same, it drops nobody. */
  async wouldDropUser({ user, clone }: Pair): Promise<string[]> {
    const users = await this.#list()
    const found = lookFor(users, clone)
    if (found) refuseStranger(theUser(users, user), found, false)
    return await this.#wire.wouldChange(['ACL', 'DELUSER', unknownPassword()])
  }

  readonly passwords: TwoPasswords = {
    add: (user, password, current) =>
      this.#alter(user, 'resetpass', `#${digest(password)}`, `#${digest(current)}`),
    keep: (user, password) => this.setPassword(user, password),
    wouldAdd: (user, password, current) =>
      this.#wouldAlter(user, 'resetpass', `#${digest(password)}`, `#${digest(current)}`),
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
    const told = await this.#wire
      .send(['ACL', 'GETUSER', this.#credential.username])
      .catch(undefinedIfRefused)
    const flags = listed(told)[listed(told).indexOf('flags') + 1]
    return Array.isArray(flags) ? flags : undefined
  }

  async #admits(password: string): Promise<boolean> {
    const answer = this.#wire.send(['AUTH', this.#credential.username, password])
    return (await answer.catch(undefinedIfRefused)) !== undefined
  }

  /**
   * By what HELLO tells of the server, which since Redis 6.2 everybody may ask; else by ROLE. It asks for the protocol
   * that the connection has.
   */
  async isStandby(): Promise<boolean> {
    const told = listed(await this.#wire.send(['HELLO', '2']).catch(undefinedIfRefused))
    const at = told.indexOf('role')
    const [role] = at < 0 ? listed(await this.#wire.send(['ROLE'])) : told.slice(at + 1)
    const standby = isReplica.get(role)
    if (standby !== undefined) return standby
    throw new DatabaseFailed(`as ${this.#credential}: the server does not say whether it is a replica`)
  }

  #unproven(user: string): Unproven {
    return new Unproven(
      `as ${this.#credential}: the server takes any password of ${user} (nopass); give it one, by ACL SETUSER`,
    )
  }

  async run(query: string): Promise<void> {
    await runTestQuery(this.#wire, query, { where: `as ${this.#credential}`, mayWrite: this.#testMayWrite })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#wire.close()
  }

  /** Changes a user that there is: the server would make any other. */
  async #alter(user: string, ...rules: string[]): Promise<void> {
    if (user !== this.#credential.username) theUser(await this.#list(), user)
    await this.#wire.change(['ACL', 'SETUSER', user, ...rules])
  }

  async #wouldAlter(user: string, ...rules: string[]): Promise<void> {
    if (user !== this.#credential.username) theUser(await this.#list(), user)
    await this.#wire.wouldChange(['ACL', 'SETUSER', user, ...rules])
  }

  async #list(): Promise<string[]> {
    return this.#lines(await this.#wire.send(['ACL', 'LIST']))
  }

  #lines(told: unknown): string[] {
    if (Array.isArray(told) && told.every(line => typeof line === 'string')) return told
    throw new DatabaseFailed(`as ${this.#credential}: ACL LIST was not answered with lines`)
  }
}

/** The clone may be in use, and is left as it is. */
const opening = (user: string, password: string) => ['ACL', 'SETUSER', user, 'on', 'resetpass', password]

const renewing = (clone: string, rules: string[], password: string) => [
  ...['ACL', 'SETUSER', clone, 'reset', 'on'],
  ...[...rules, password],
]

/** What HELLO and ROLE call a server, and whether that is a replica. */
const isReplica = new Map<unknown, boolean>([
  ['master', false],
  ['replica', true],
  ['slave', true],
])

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

function undefinedIfRefused(error: unknown): undefined {
  if (!(error instanceof LoginRefused || error instanceof NotPermitted)) throw error
}

import type { Credential } from '../../credential.ts'
import { Conflict, DatabaseFailed, LoginRefused, NotPermitted } from '../../errors.ts'
import { generateUnknownPassword } from '../../password.ts'
import type { DualPasswordCalls, Session, UserPair } from '../engine.ts'
import { missingUserSentence, NoSuchUser } from '../noSuchUser.ts'
import { undefinedIfNotReadable } from '../notReadable.ts'
import { PasswordNotChecked } from '../passwordNotChecked.ts'
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

/** A session of Redis or Valkey. */
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
      // A rollback needs the old password even if it cannot be saved. It is then valid until the next restart, as the error says.
      await this.#wire.send(['ACL', 'SETUSER', user, ...rules])
      if (!(error instanceof OutOfMemory && this.#wire.saveCommand)) throw error
      await this.#wire.send(this.#wire.saveCommand)
    }
  }

  async wouldSetPassword(user: string, password: string): Promise<void> {
    await this.#wouldAlter(user, 'resetpass', `#${passwordDigest(password)}`)
  }

  async openUser({ user, clone }: UserPair, open: { user: string; password: string }): Promise<string[]> {
    const original = await this.#userToClone({ user, clone }, open.user)
    const password = `#${passwordDigest(open.password)}`
    if (open.user === user) await this.#wire.changeAndSave(openCommand(user, password))
    else await this.#renewClone(clone, original, password)
    return []
  }

  async wouldOpenUser(pair: UserPair, open: string): Promise<string[]> {
    const { rules } = await this.#userToClone(pair, open)
    const password = `#${passwordDigest(generateUnknownPassword())}`
    return open === pair.user
      ? await this.#wire.wouldChange(openCommand(open, password))
      : await this.#wire.wouldChange(renewCommand(open, rules, password), ['ACL', 'LIST'])
  }

  /**
   * Reads the user of a pair and checks the clone, if there is one.
   * @throws NotAClone, NoSuchUser; PasswordNotChecked if the one of the two that is in use logs in with any password
   */
  async #userToClone({ user, clone }: UserPair, open: string): Promise<AclUser> {
    const users = await this.#listUsers()
    const existing = findAclUser(users, clone)
    const original = requireUser(users, user)
    if (existing) requireClone(original, existing, open === user)
    const inUse = open === user ? existing : original
    if (inUse && takesAnyPassword(inUse)) throw this.#notCheckedError(inUse.name)
    return open === user ? original : requireWritableUser(users, user)
  }

  /** Creates or resets the clone, with the user's rules and this password. @throws Conflict, DatabaseFailed */
  async #renewClone(clone: string, { name: user, rules }: AclUser, password: string): Promise<void> {
    const [, answer] = await this.#wire.changeAndSave(renewCommand(clone, rules, password), ['ACL', 'LIST'])
    // The result is compared here, because `differences` runs in sessions that may not be allowed to read it.
    const users = this.#requireLines(answer)
    const missing = differences(requireUser(users, user), requireUser(users, clone))
    if (!missing.length) return
    if (String(requireUser(users, user).rules) !== String(rules))
      throw new Conflict(`as ${this.#credential}: the rules of ${user} changed meanwhile`)
    throw new DatabaseFailed(
      `as ${this.#credential}: the server stored other rules than those that it shows for ${user}; still to be done: ${missing.join('; ')}`,
    )
  }

  /** Removes the passwords and leaves the user `on`, so that setting a password is all that opens the user again. */
  async closeUser(user: string, pair: UserPair): Promise<void> {
    const users = await this.#listUsers()
    requireUser(users, user)
    const existing = findAclUser(users, pair.clone)
    if (existing) requireClone(requireUser(users, pair.user), existing, user === pair.user)
    await this.#wire.changeAndSave(['ACL', 'SETUSER', user, 'resetpass'])
  }

  async countSessions(user: string): Promise<number | undefined> {
    const list = await this.#wire.send(['CLIENT', 'LIST']).catch(undefinedIfNotReadable)
    if (typeof list !== 'string') return undefined
    return list.split('\n').filter(line => line.split(' ').includes(`user=${user}`)).length
  }

  /** Counts for the whole server, as a user has no limit of its own. */
  async countFreeConnections(): Promise<number | undefined> {
    const info = String(await this.#wire.send(['INFO', 'clients']).catch(undefinedIfNotReadable))
    const [most, open] = ['maxclients', 'connected_clients'].map(field =>
      Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(info)?.[1] ?? Number.NaN),
    ) as [number, number]
    return Number.isNaN(most - open) ? undefined : Math.max(0, most - open)
  }

  /** Also closes the open sessions of the clone: https://redis.io/docs/latest/commands/acl-deluser/ */
  async dropClone({ user, clone }: UserPair): Promise<void> {
    const users = await this.#listUsers()
    const existing = findAclUser(users, clone)
    if (!existing) return
    requireClone(requireUser(users, user), existing, false)
    await this.#wire.changeAndSave(['ACL', 'DELUSER', clone])
  }

  /** Asks with a name that no user has, so that the command drops nobody even if the server should run it. */
  async wouldDropClone({ user, clone }: UserPair): Promise<string[]> {
    const users = await this.#listUsers()
    const existing = findAclUser(users, clone)
    if (existing) requireClone(requireUser(users, user), existing, false)
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
   * Returns no difference either if this user may not run ACL LIST, which shows everybody's rules and digests. openUser has
   * compared the two before, in the admin's session.
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
   * Asks the server for the user's own flags, if the user may ask. If not, tries a wrong password: the server then adds an
   * entry to ACL LOG, and the session stays logged in.
   */
  async requirePasswordCheck(): Promise<void> {
    const { username } = this.#credential
    if ((await this.#ownFlags())?.includes('nopass') ?? (await this.#admits(generateUnknownPassword())))
      throw this.#notCheckedError(username)
  }

  /** @returns the flags of this user; undefined if it may not ask for them, or if the server answers something else */
  async #ownFlags(): Promise<unknown[] | undefined> {
    const answer = listOrEmpty(
      await this.#wire.send(['ACL', 'GETUSER', this.#credential.username]).catch(undefinedIfNotPermitted),
    )
    const flags = answer[answer.indexOf('flags') + 1]
    return Array.isArray(flags) ? flags : undefined
  }

  /** Whether this user logs in with this password. */
  async #admits(password: string): Promise<boolean> {
    const answer = this.#wire.send(['AUTH', this.#credential.username, password])
    return (await answer.catch(undefinedIfNotPermitted)) !== undefined
  }

  /**
   * Reads the server's role from HELLO, which every user may run since Redis 6.2, or else from ROLE. HELLO names the protocol
   * version that the connection already has, so it changes nothing.
   */
  async isStandby(): Promise<boolean> {
    const fields = listOrEmpty(await this.#wire.send(['HELLO', '2']).catch(undefinedIfNotPermitted))
    const at = fields.indexOf('role')
    const [role] = at < 0 ? listOrEmpty(await this.#wire.send(['ROLE'])) : fields.slice(at + 1)
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

  /** Changes an existing user. It is looked up first, because ACL SETUSER creates a user that does not exist. */
  async #alter(user: string, ...rules: string[]): Promise<void> {
    if (user !== this.#credential.username) requireUser(await this.#listUsers(), user)
    await this.#wire.changeAndSave(['ACL', 'SETUSER', user, ...rules])
  }

  async #wouldAlter(user: string, ...rules: string[]): Promise<void> {
    if (user !== this.#credential.username) requireUser(await this.#listUsers(), user)
    await this.#wire.wouldChange(['ACL', 'SETUSER', user, ...rules])
  }

  async #listUsers(): Promise<string[]> {
    return this.#requireLines(await this.#wire.send(['ACL', 'LIST']))
  }

  /** @returns the lines of an answer to ACL LIST @throws DatabaseFailed if it has another form */
  #requireLines(answer: unknown): string[] {
    if (Array.isArray(answer) && answer.every(line => typeof line === 'string')) return answer
    throw new DatabaseFailed(`as ${this.#credential}: ACL LIST was not answered with lines`)
  }
}

/** The command that opens the user of a pair. The clone may be in use and stays as it is. */
const openCommand = (user: string, password: string) => ['ACL', 'SETUSER', user, 'on', 'resetpass', password]

/** The command that creates or resets the clone. */
const renewCommand = (clone: string, rules: string[], password: string) => [
  ...['ACL', 'SETUSER', clone, 'reset', 'on'],
  ...[...rules, password],
]

/** The roles that HELLO and ROLE report, and whether each is a replica's. */
const IS_REPLICA_BY_ROLE = new Map<unknown, boolean>([
  ['master', false],
  ['replica', true],
  ['slave', true],
])

/**
 * The errors after which a rollback makes its change without saving it. NoFileToSaveTo is not among them: a server without a file
 * has refused the rotation's own change already, so there is nothing to roll back.
 */
const saveErrors = [SaveFailed, DatabaseFailed, OutOfMemory]

function requireUser(lines: string[], name: string): AclUser {
  return requireFound(findAclUser(lines, name), name)
}

/** @throws NoSuchUser; DatabaseFailed if a rule is not UTF-8, so that it cannot be sent unchanged */
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

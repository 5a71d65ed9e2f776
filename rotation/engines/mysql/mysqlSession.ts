import type { Credential } from '../../credential.ts'
import { InvalidCredential, NotPermitted } from '../../errors.ts'
import { unknownPassword } from '../../password.ts'
import { compareOwn } from '../compareOwn.ts'
import type { Pair, Session, TwoPasswords } from '../engine.ts'
import { undefinedIfUnseen } from '../inUse.ts'
import { conflictIfDropped, undefinedIfAbsent } from '../noSuchUser.ts'
import { Unproven } from '../unproven.ts'
import {
  type Account,
  accountName,
  newAccount,
  quoteText,
  readAccount,
  readAttributes,
} from './mysqlAccount.ts'
import { type Change, refuseStranger, syncChanges, syncStatements } from './mysqlClone.ts'
import { refuseDefiner } from './mysqlDefiner.ts'
import { notUnderstood } from './mysqlErrors.ts'
import type { Flavour, Method, Statements } from './mysqlFlavour.ts'
import { foresee, foreseeOwn, readOnlySettings, refuseIfCounted } from './mysqlForesight.ts'
import type { Plan } from './mysqlRights.ts'
import { roomFor, sessionsOf } from './mysqlRoom.ts'
import type { MysqlWire } from './mysqlWire.ts'

/** What a server that reads no accounts takes everybody for: MariaDB, and MySQL. */
const unchecked = ['@', 'skip-grants user@skip-grants host']

/** What one login to MySQL or MariaDB can do with accounts. */
export class MysqlSession implements Session {
  host = ''
  readonly passwords: TwoPasswords = {
    add: async (user, password, current) =>
      this.#flavour.add(this.#statements(), await this.#method(user), password, current),
    wouldAdd: async (user, password, current) => {
      const method = await this.#method(user)
      await this.#flavour.refuseToAdd?.(this.#statements(), method, password, current)
      if (this.#flavour.addsBy) await foreseeOwn(this.#flavour, this.#statements(), password, true)
      else await this.#foresee(await this.#account(user), [])
    },
    keep: async (user, password) => {
      await this.#flavour.keep(this.#statements(), await this.#method(user), password)
      if (user === this.#credential.username) this.#password = password
    },
  }
  readonly #flavour: Flavour
  readonly #wire: MysqlWire
  readonly #credential: Credential
  readonly #login: (credential: Credential) => Promise<MysqlSession>
  /** What the user logs in with now, as far as this session knows. */
  #password: string

  constructor(
    flavour: Flavour,
    wire: MysqlWire,
    credential: Credential,
    login: (credential: Credential) => Promise<MysqlSession>,
  ) {
    this.#flavour = flavour
    this.#wire = wire
    this.#credential = credential
    this.#login = login
    this.#password = credential.password
  }

  /** Settles what would bend statements, and learns which account this is; `host` is that of the accounts to act on. */
  async prepare(host?: string): Promise<void> {
    const { engine, prepare } = this.#flavour
    const { account, version } = await this.#wire.row(
      'select current_user() as account, version() as version',
    )
    if (typeof account !== 'string' || typeof version !== 'string')
      throw notUnderstood(`as ${this.#credential}`)
    const found = version.includes('MariaDB') ? 'mariadb' : 'mysql'
    if (found !== engine)
      throw new InvalidCredential('engine', `should be ${found}: that is what the server is`)
    if (unchecked.includes(account))
      throw new Unproven(
        `login as ${this.#credential}: the server lets everybody in, as it was started with skip-grant-tables`,
      )
    const at = account.lastIndexOf('@')
    if (account.slice(0, at) !== this.#credential.username)
      throw new NotPermitted(`login as ${this.#credential}: the server takes it for ${account}`)
    await this.#wire.query(prepare(this.#wire.timeout / 1000))
    this.host = host ?? account.slice(at + 1)
  }

  async setPassword(user: string, password: string, { reversibly = false } = {}): Promise<void> {
    const { name, plugin, verify } = await this.#settable(user, password, reversibly)
    if (user === this.#credential.username) {
      await this.#wire.query(this.#flavour.changeOwn(plugin, { old: this.#password, new: password }))
      this.#password = password
    } else
      await this.#wire.query(
        `alter user ${name} ${this.#flavour.identified(plugin, verify(password))} account unlock`,
      )
  }

  async wouldSetPassword(user: string, password: string, { reversibly = false } = {}): Promise<void> {
    await this.#settable(user, password, reversibly)
    if (user === this.#credential.username) await foreseeOwn(this.#flavour, this.#statements(), password)
    else await this.#foresee(await this.#account(user), [])
  }

  /** How the user keeps its password. @throws NotPermitted for what setPassword refuses by itself */
  async #settable(user: string, password: string, reversibly: boolean): Promise<Method> {
    const method = await this.#method(user)
    const { name, plugins } = method
    if (user !== this.#credential.username) return method
    if (plugins.length > 1)
      throw new NotPermitted(`${name} has several passwords, of which a user can change the first only`)
    if (reversibly) {
      refuseIfCounted(method)
      await this.#flavour.refuseIrreversible?.(this.#statements(), method, password)
    }
    return method
  }

  async cloneUser(pair: Pair, open: { user: string; password: string }): Promise<string[]> {
    const { plugin, verify, found, changes } = await this.#turn(pair, open.user)
    const flavour = this.#flavour
    const opening = `alter user ${this.#name(open.user)} ${flavour.identified(plugin, verify(open.password))} account unlock`
    // With a password that nobody knows, until the clone is complete.
    const making = `create user if not exists ${this.#name(pair.clone)} ${this.#unknown(plugin)}`
    const following = [
      ...(open.user === pair.user || found ? [] : [making]),
      ...changes.map(({ sql }) => sql),
    ]
    for (const statement of [...following, opening])
      await this.#wire.query(statement).catch(conflictIfDropped)
    return []
  }

  async wouldClone(pair: Pair, open: string): Promise<string[]> {
    const { original, found, changes } = await this.#turn(pair, open)
    const target = open === pair.user ? original : (found ?? newAccount(this.#flavour, open, this.host))
    return await this.#foresee(target, changes, { creates: target !== original && !found })
  }

  /** What there is of the two, and what makes the clone equal to the user, if it is to be opened. @throws Stranger */
  async #turn({ user, clone }: Pair, open: string) {
    const method = await this.#method(user)
    const original = await this.#account(user)
    const found = await this.#found(clone)
    if (found) refuseStranger(original, found, open === user)
    // The clone may be in use when the user is opened: what is made of it now could keep it from logging in.
    const changes =
      open === user
        ? []
        : syncChanges(this.#flavour, original, found ?? newAccount(this.#flavour, clone, this.host))
    return { ...method, original, found, changes }
  }

  /** @throws NotPermitted if this session may not do to an account what these changes and a new password are */
  #foresee({ name, grants }: Account, changes: Change[], how: Pick<Plan, 'creates' | 'drops'> = {}) {
    const isSystemUser = grants.has('SYSTEM_USER ON *.*')
    return foresee(this.#flavour, this.#statements(), { account: name, isSystemUser, changes, ...how })
  }

  /** The account is left as it is, but for a password that nobody knows: setting one is all that opens it. */
  async lockUser(user: string, pair: Pair): Promise<void> {
    const { name, plugin } = await this.#method(user)
    const found = await this.#found(pair.clone)
    if (found) refuseStranger(await this.#account(pair.user), found, user === pair.user)
    await this.#wire.query(`alter user ${name} ${this.#unknown(plugin)}`)
    const after = this.#flavour.afterLock?.(name)
    if (after) await this.#wire.query(after)
  }

  async sessionsOf(user: string): Promise<number | undefined> {
    return (await sessionsOf(this.#statements(), user))?.all
  }

  async roomFor(user: string): Promise<number | undefined> {
    const account = await this.#created(user).catch(undefinedIfUnseen)
    return account && roomFor(this.#statements(), user, account)
  }

  async dropUser(pair: Pair): Promise<void> {
    if (await this.#droppable(pair)) await this.#wire.query(`drop user if exists ${this.#name(pair.clone)}`)
  }

  async wouldDropUser(pair: Pair): Promise<string[]> {
    const found = await this.#droppable(pair)
    return await this.#foresee(found ?? newAccount(this.#flavour, pair.clone, this.host), [], { drops: true })
  }

  /** The clone, if there is one. @throws Stranger; NotPermitted if something would fail without it */
  async #droppable({ user, clone }: Pair): Promise<Account | undefined> {
    const found = await this.#found(clone)
    if (!found) return undefined
    refuseStranger(await this.#account(user), found, false)
    await refuseDefiner(this.#statements(), clone, this.host)
    return found
  }

  async differences(pair: Pair, other: () => Promise<Credential>): Promise<string[]> {
    const { user, clone } = pair
    const us = { name: this.#credential.username, session: this }
    return compareOwn(pair, us, this.#login(await other()), async of => {
      if (of(user).host !== of(clone).host)
        return [`${user} and ${clone} come in by accounts of different hosts`]
      return syncStatements(this.#flavour, await of(user).#account(user), await of(clone).#account(clone))
    })
  }

  /** Whatever its host is: who is refused does not tell which of the accounts that was. */
  async wantsCertificate(user: string): Promise<boolean> {
    const { accounts } = await this.#wire.row(
      `select count(*) as accounts from mysql.user where user = ${quoteText(user)}
       and (ssl_type = 'X509' or length(x509_issuer) > 0 or length(x509_subject) > 0)`,
    )
    return Number(accounts) > 0
  }

  async locksAfter(user: string): Promise<number> {
    const row = await this.#wire.row(this.#flavour.locksAfter(quoteText(user)))
    return Number(Object.values(row)[0])
  }

  /** Everybody may ask. */
  async isStandby(): Promise<boolean> {
    const told = await this.#wire.query(readOnlySettings)
    if (!told.length) throw notUnderstood(`as ${this.#credential}`)
    return told.some(({ Value }) => Value !== 'OFF')
  }

  run(query: string): Promise<void> {
    return this.#wire.run(query)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#wire.close()
  }

  #name(user: string): string {
    return accountName(user, this.host)
  }

  /** @throws NoSuchUser if there is none of this name and the session's host */
  async #account(user: string): Promise<Account> {
    const created = await this.#wire.show(`create user ${this.#name(user)}`)
    const grants = await this.#wire.show(`grants for ${this.#name(user)}`)
    const account = readAccount(this.#flavour, user, this.host, created, grants)
    // MySQL shows question marks for characters of four bytes.
    if (JSON.stringify(account.attributes).includes('????')) account.attributes = await this.#attributes(user)
    return account
  }

  /** All that SHOW CREATE USER says. @throws NoSuchUser */
  async #created(user: string): Promise<Account> {
    const created = await this.#wire.show(`create user ${this.#name(user)}`)
    return readAccount(this.#flavour, user, this.host, created)
  }

  async #attributes(user: string): Promise<Account['attributes']> {
    const { attribute } = await this.#wire.row(
      `select attribute as attribute from information_schema.user_attributes
       where user = ${quoteText(user)} and host = ${quoteText(this.host)}`,
    )
    return readAttributes(String(attribute))
  }

  #found(user: string): Promise<Account | undefined> {
    return this.#account(user).catch(undefinedIfAbsent)
  }

  /**
   * How the account keeps its password.
   * @throws NotPermitted if it does not log in by passwords alone, of one kind that can be made here
   */
  async #method(user: string): Promise<Method> {
    const { name, plugins, clauses } = await this.#created(user)
    const { verifiers } = this.#flavour
    const [plugin = '', ...more] = new Set(plugins)
    const verify = verifiers[plugin]
    if (!verify || more.length)
      throw new NotPermitted(
        `${name} logs in by ${[plugin, ...more].join(' or ')}; what can be rotated is one of ${Object.keys(verifiers).join(', ')}`,
      )
    return { name, user, plugin, plugins, clauses, verify }
  }

  #statements(): Statements {
    return {
      query: sql => this.#wire.query(sql),
      where: `as ${this.#credential}`,
      user: this.#credential.username,
      password: this.#password,
    }
  }

  #unknown(plugin: string): string {
    return this.#flavour.identified(plugin, this.#flavour.verifiers[plugin]?.(unknownPassword()) ?? '')
  }
}

import type { Credential } from '../../credential.ts'
import { InvalidCredential, NotPermitted } from '../../errors.ts'
import { generateUnknownPassword } from '../../password.ts'
import { compareFromOwnSessions } from '../compareFromOwnSessions.ts'
import type { DualPasswordCalls, Session, UserPair } from '../engine.ts'
import { conflictIfDropped } from '../noSuchUser.ts'
import { undefinedIfNotReadable } from '../notReadable.ts'
import { PasswordNotChecked } from '../passwordNotChecked.ts'
import { type Account, newAccount, quoteText } from './mysqlAccount.ts'
import { AccountReader } from './mysqlAccountReader.ts'
import {
  checkChanges,
  checkOwnPasswordChange,
  READ_ONLY_SETTINGS_QUERY,
  refuseIfHourlyLimited,
} from './mysqlChangeChecks.ts'
import { type AccountChange, requireClone, syncChanges, syncStatements } from './mysqlClone.ts'
import { refuseDefiner } from './mysqlDefiner.ts'
import { unreadableAnswerError } from './mysqlErrors.ts'
import type { Flavour, RotatableAccount, SessionAccess } from './mysqlFlavour.ts'
import type { AccountPlan } from './mysqlRights.ts'
import { countFreeConnections, countSessions } from './mysqlSessionCounts.ts'
import type { MysqlWire } from './mysqlWire.ts'

/** The account of every session of a server that runs with skip-grant-tables: in MariaDB, and in MySQL. */
const SKIP_GRANT_TABLES_ACCOUNTS = ['@', 'skip-grants user@skip-grants host']

/** A session of MySQL or MariaDB. */
export class MysqlSession implements Session {
  /** The host of the accounts that the session acts on. `setUp` sets it. */
  accountQualifier = ''
  readonly dualPassword: DualPasswordCalls = {
    add: async (user, password, current) =>
      this.#flavour.addPassword(this.#access(), await this.#accounts.readRotatable(user), password, current),
    wouldAdd: async (user, password, current) => {
      const account = await this.#accounts.readRotatable(user)
      await this.#flavour.checkBeforeAddingPassword?.(this.#access(), account, password, current)
      if (this.#flavour.addPasswordPrivileges)
        await checkOwnPasswordChange(this.#flavour, this.#access(), password, true)
      else await this.#checkChanges(await this.#accounts.read(user), [])
    },
    keepOnly: async (user, password) => {
      await this.#flavour.keepOnlyPassword(this.#access(), await this.#accounts.readRotatable(user), password)
      if (user === this.#credential.username) this.#password = password
    },
  }
  readonly #flavour: Flavour
  readonly #wire: MysqlWire
  readonly #credential: Credential
  readonly #login: (credential: Credential) => Promise<MysqlSession>
  /** The user's password: the one of the login, or the one that this session has set since. */
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

  /**
   * Prepares the session: checks the server and the account that it took the login for, and sets the session's variables.
   * @param accountQualifier The host of the accounts to act on; by default the session's own.
   * @throws InvalidCredential, PasswordNotChecked, NotPermitted
   */
  async setUp(accountQualifier?: string): Promise<void> {
    const { engine, setUpStatement } = this.#flavour
    const { account, version } = await this.#wire.row(
      'select current_user() as account, version() as version',
    )
    if (typeof account !== 'string' || typeof version !== 'string')
      throw unreadableAnswerError(`as ${this.#credential}`)
    const found = version.includes('MariaDB') ? 'mariadb' : 'mysql'
    if (found !== engine)
      throw new InvalidCredential('engine', `should be ${found}: that is what the server is`)
    if (SKIP_GRANT_TABLES_ACCOUNTS.includes(account))
      throw new PasswordNotChecked(
        `login as ${this.#credential}: the server lets everybody in, as it was started with skip-grant-tables`,
      )
    const at = account.lastIndexOf('@')
    if (account.slice(0, at) !== this.#credential.username)
      throw new NotPermitted(`login as ${this.#credential}: the server takes it for ${account}`)
    await this.#wire.query(setUpStatement(this.#wire.statementTimeoutMs / 1000))
    this.accountQualifier = accountQualifier ?? account.slice(at + 1)
  }

  async setPassword(user: string, password: string, { reversibly = false } = {}): Promise<void> {
    const { name, plugin, hashPassword } = await this.#readChangeable(user, password, reversibly)
    if (user === this.#credential.username) {
      await this.#wire.query(
        this.#flavour.changeOwnPasswordStatement(plugin, { old: this.#password, new: password }),
      )
      this.#password = password
    } else
      await this.#wire.query(
        `alter user ${name} ${this.#flavour.identifiedClause(plugin, hashPassword(password))} account unlock`,
      )
  }

  async wouldSetPassword(user: string, password: string, { reversibly = false } = {}): Promise<void> {
    await this.#readChangeable(user, password, reversibly)
    if (user === this.#credential.username)
      await checkOwnPasswordChange(this.#flavour, this.#access(), password)
    else await this.#checkChanges(await this.#accounts.read(user), [])
  }

  /** @returns the user's account @throws NotPermitted if setPassword refuses to change its password */
  async #readChangeable(user: string, password: string, reversibly: boolean): Promise<RotatableAccount> {
    const account = await this.#accounts.readRotatable(user)
    const { name, plugins } = account
    if (user !== this.#credential.username) return account
    if (plugins.length > 1)
      throw new NotPermitted(`${name} has several passwords, of which a user can change the first only`)
    if (reversibly) {
      refuseIfHourlyLimited(account)
      await this.#flavour.refuseIrreversible?.(this.#access(), account, password)
    }
    return account
  }

  async openUser(pair: UserPair, open: { user: string; password: string }): Promise<string[]> {
    const { plugin, hashPassword, found, changes } = await this.#changesToOpen(pair, open.user)
    const flavour = this.#flavour
    const openStatement = `alter user ${this.#accounts.nameOf(open.user)} ${flavour.identifiedClause(plugin, hashPassword(open.password))} account unlock`
    // A new clone has a password that nobody knows, until it is complete.
    const createStatement = `create user if not exists ${this.#accounts.nameOf(pair.clone)} ${this.#unknownPasswordClause(plugin)}`
    const statements = [
      ...(open.user === pair.user || found ? [] : [createStatement]),
      ...changes.map(({ sql }) => sql),
      openStatement,
    ]
    for (const statement of statements) await this.#wire.query(statement).catch(conflictIfDropped)
    return []
  }

  async wouldOpenUser(pair: UserPair, open: string): Promise<string[]> {
    const { original, found, changes } = await this.#changesToOpen(pair, open)
    const target =
      open === pair.user ? original : (found ?? newAccount(this.#flavour, open, this.accountQualifier))
    return await this.#checkChanges(target, changes, { creates: target !== original && !found })
  }

  /**
   * @returns the user's account, by which the password is hashed (`plugin`, `hashPassword`), and with its grants (`original`);
   *   the clone's account if there is one (`found`); and the changes that opening takes besides the password, none if the user is
   *   opened
   * @throws NotAClone, NotPermitted
   */
  async #changesToOpen({ user, clone }: UserPair, open: string) {
    const { plugin, hashPassword } = await this.#accounts.readRotatable(user)
    const original = await this.#accounts.read(user)
    const found = await this.#accounts.find(clone)
    if (found) requireClone(original, found, open === user)
    // When the user is opened, the application may be using the clone, and a change could refuse the clone a login.
    const changes =
      open === user
        ? []
        : syncChanges(
            this.#flavour,
            original,
            found ?? newAccount(this.#flavour, clone, this.accountQualifier),
          )
    return { plugin, hashPassword, original, found, changes }
  }

  /** Checks whether this session may make these changes to an account and set its password. @throws NotPermitted */
  #checkChanges(
    { name, grants }: Account,
    changes: AccountChange[],
    how: Pick<AccountPlan, 'creates' | 'drops'> = {},
  ) {
    const isSystemUser = grants.has('SYSTEM_USER ON *.*')
    return checkChanges(this.#flavour, this.#access(), { account: name, isSystemUser, changes, ...how })
  }

  /**
   * Sets a password that nobody knows, and in MySQL discards a second one. The account gets no lock, so that setting another
   * password is all that opens it again.
   */
  async closeUser(user: string, pair: UserPair): Promise<void> {
    const { name, plugin } = await this.#accounts.readRotatable(user)
    const found = await this.#accounts.find(pair.clone)
    if (found) requireClone(await this.#accounts.read(pair.user), found, user === pair.user)
    await this.#wire.query(`alter user ${name} ${this.#unknownPasswordClause(plugin)}`)
    const after = this.#flavour.afterCloseStatement?.(name)
    if (after) await this.#wire.query(after)
  }

  async countSessions(user: string): Promise<number | undefined> {
    return (await countSessions(this.#access(), user))?.all
  }

  async countFreeConnections(user: string): Promise<number | undefined> {
    const account = await this.#accounts.readWithoutGrants(user).catch(undefinedIfNotReadable)
    return account && countFreeConnections(this.#access(), user, account)
  }

  async dropClone(pair: UserPair): Promise<void> {
    if (await this.#findDroppableClone(pair))
      await this.#wire.query(`drop user if exists ${this.#accounts.nameOf(pair.clone)}`)
  }

  async wouldDropClone(pair: UserPair): Promise<string[]> {
    const found = await this.#findDroppableClone(pair)
    return await this.#checkChanges(
      found ?? newAccount(this.#flavour, pair.clone, this.accountQualifier),
      [],
      { drops: true },
    )
  }

  /** @returns the clone; undefined if there is none @throws NotAClone; NotPermitted if something would fail without it */
  async #findDroppableClone({ user, clone }: UserPair): Promise<Account | undefined> {
    const found = await this.#accounts.find(clone)
    if (!found) return undefined
    requireClone(await this.#accounts.read(user), found, false)
    await refuseDefiner(this.#access(), clone, this.accountQualifier)
    return found
  }

  async differences(pair: UserPair, other: () => Promise<Credential>): Promise<string[]> {
    const { user, clone } = pair
    const own = { name: this.#credential.username, session: this }
    return compareFromOwnSessions(pair, own, this.#login(await other()), async sessionOf => {
      const [userSession, cloneSession] = [sessionOf(user), sessionOf(clone)]
      if (userSession.accountQualifier !== cloneSession.accountQualifier)
        return [`${user} and ${clone} log in as accounts of different hosts`]
      return syncStatements(
        this.#flavour,
        await userSession.#accounts.read(user),
        await cloneSession.#accounts.read(clone),
      )
    })
  }

  /** Counts the user's accounts of every host, as a refused login does not tell which of them it was. */
  async requiresClientCertificate(user: string): Promise<boolean> {
    const { accounts } = await this.#wire.row(
      `select count(*) as accounts from mysql.user where user = ${quoteText(user)}
       and (ssl_type = 'X509' or length(x509_issuer) > 0 or length(x509_subject) > 0)`,
    )
    return Number(accounts) > 0
  }

  async failedLoginsUntilLock(user: string): Promise<number> {
    const row = await this.#wire.row(this.#flavour.failedLoginsUntilLockQuery(quoteText(user)))
    return Number(Object.values(row)[0])
  }

  /** Every user may ask. */
  async isStandby(): Promise<boolean> {
    const settings = await this.#wire.query(READ_ONLY_SETTINGS_QUERY)
    if (!settings.length) throw unreadableAnswerError(`as ${this.#credential}`)
    return settings.some(({ Value }) => Value !== 'OFF')
  }

  runTestQuery(query: string): Promise<void> {
    return this.#wire.runTestQuery(query)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#wire.close()
  }

  /** Reads accounts at the host that the session acts on. */
  get #accounts(): AccountReader {
    return new AccountReader(this.#flavour, this.#wire, this.accountQualifier)
  }

  #access(): SessionAccess {
    return {
      query: sql => this.#wire.query(sql),
      where: `as ${this.#credential}`,
      user: this.#credential.username,
      password: this.#password,
    }
  }

  /** The clause that sets a password that nobody knows. */
  #unknownPasswordClause(plugin: string): string {
    return this.#flavour.identifiedClause(
      plugin,
      this.#flavour.passwordHashers[plugin]?.(generateUnknownPassword()) ?? '',
    )
  }
}

import type { Connection as Plain, PrepareStatementInfo } from 'mysql2'
import type { Connection, ConnectionOptions, RowDataPacket } from 'mysql2/promise'
import type { Credential } from '../../credential.ts'
import { InvalidCredential, NotPermitted } from '../../errors.ts'
import { unknownPassword } from '../../password.ts'
import { compareOwn } from '../compareOwn.ts'
import {
  type Engine,
  type EngineOptions,
  type Pair,
  type Session,
  type TwoPasswords,
  timeouts,
} from '../engine.ts'
import { undefinedIfUnseen } from '../inUse.ts'
import { conflictIfDropped, undefinedIfAbsent } from '../noSuchUser.ts'
import { mayOnlyRead, tested } from '../testQuery.ts'
import { traits } from '../traits.ts'
import { readIssuers } from '../trust.ts'
import { Unproven } from '../unproven.ts'
import {
  type Account,
  accountName,
  type Dialect,
  newAccount,
  quoteText,
  readAccount,
  readAttributes,
} from './mysqlAccount.ts'
import { refuseStranger, syncStatements } from './mysqlClone.ts'
import { connect } from './mysqlConnection.ts'
import { notUnderstood, ReadOnly, translate, translateLogin } from './mysqlErrors.ts'

export type MysqlOptions = EngineOptions & {
  /** Opens the driver's connection, to be wrapped by tests. */
  connect?: (config: ConnectionOptions) => Promise<Connection>
}

/** What a server of the family does in its own way. */
export type Flavour = Dialect & {
  engine: 'mysql' | 'mariadb'
  /** Run first, so that nothing bends how names are written, and no statement hangs. `seconds` is a statement's time. */
  prepare(seconds: number): string
  /** What the server stores for a password, by the plugin of the account. Others cannot be rotated. */
  verifiers: Record<string, (password: string) => string>
  /** Ways to log in that the driver does not know. */
  authPlugins?: ConnectionOptions['authPlugins']
  /** The part of CREATE USER and ALTER USER that says how an account logs in. */
  identified(plugin: string, verifier: string): string
  /** The statement by which a user without privileges changes its own password. */
  changeOwn(plugin: string, password: { old: string; new: string }): string
  /** @throws NotPermitted if a user that changes its own password to `next` could not have the old one back */
  refuseIrreversible?(session: Statements, account: Method, next: string): Promise<void>
  /** Selects what Session's locksAfter gives back, for the user of this name as a text of SQL. */
  locksAfter(user: string): string
  /** Run after a user was locked, to close what `identified` leaves open. */
  afterLock?(account: string): string
  /** How a user gets and loses a second password: as TwoPasswords says. */
  add(session: Statements, account: Method, password: string, current: string): Promise<void>
  keep(session: Statements, account: Method, password: string): Promise<void>
}

/** What a flavour may do with a session. */
export type Statements = {
  query(sql: string): Promise<RowDataPacket[]>
  user: string
  /** What it logged in with, unless it changed that. */
  password: string
}

/** How an account keeps its passwords, which are all of one kind. */
export type Method = { name: string; user: string; plugin: string; verify(password: string): string } & Pick<
  Account,
  'plugins' | 'clauses'
>

/** What a server that reads no accounts takes everybody for: MariaDB, and MySQL. */
const unchecked = ['@', 'skip-grants user@skip-grants host']

/** MySQL and MariaDB, which speak one protocol. */
export abstract class MysqlFamily implements Engine {
  readonly #flavour: Flavour
  readonly #options: Required<MysqlOptions>
  #trust: { ca: string; verifyIdentity: true; minVersion: 'TLSv1.2' } | undefined

  constructor(flavour: Flavour, options: MysqlOptions) {
    this.#flavour = flavour
    this.#options = {
      ...timeouts,
      testMayWrite: false,
      connect,
      ...options,
    }
  }

  async login(credential: Credential, host?: string): Promise<MysqlSession> {
    const { connect, connectTimeout, statementTimeout, testMayWrite } = this.#options
    let connection: Connection
    try {
      connection = await connect({
        host: credential.host,
        port: credential.port ?? traits[this.#flavour.engine].port,
        user: credential.username,
        password: credential.password,
        ...(credential.dbname && { database: credential.dbname }),
        ...(credential.ssl && { ssl: this.#tls() }),
        ...(this.#flavour.authPlugins && { authPlugins: this.#flavour.authPlugins }),
        charset: 'utf8mb4',
        connectTimeout,
      })
    } catch (error) {
      throw translateLogin(error, credential)
    }
    // A connection that breaks while idle shows at the next statement; without a listener it would end the process.
    connection.on('error', () => {})
    const session = new MysqlSession(
      this.#flavour,
      connection,
      credential,
      { statementTimeout, testMayWrite },
      other => this.login(other),
    )
    try {
      await session.prepare(host)
      return session
    } catch (error) {
      await session[Symbol.asyncDispose]()
      throw error
    }
  }

  /** One object for all logins: the driver keeps what it parsed by it. */
  #tls() {
    const { caFile } = this.#options
    this.#trust ??= { ca: readIssuers(caFile), verifyIdentity: true, minVersion: 'TLSv1.2' }
    return this.#trust
  }
}

/** @throws NotPermitted if the account may run out of what a rollback needs, for up to an hour */
function refuseIfCounted({ name, clauses: { limits = '' } }: Method): void {
  const [limit] = /MAX_\w+_PER_HOUR [1-9]\d*/.exec(limits) ?? []
  if (limit)
    throw new NotPermitted(
      `${name} has ${limit}: when that is used up, a change of its only password could not be taken back`,
    )
}

class MysqlSession implements Session {
  host = ''
  readonly passwords: TwoPasswords = {
    add: async (user, password, current) =>
      this.#flavour.add(this.#statements(), await this.#method(user), password, current),
    keep: async (user, password) => {
      await this.#flavour.keep(this.#statements(), await this.#method(user), password)
      if (user === this.#credential.username) this.#password = password
    },
  }
  readonly #flavour: Flavour
  readonly #connection: Connection
  readonly #credential: Credential
  readonly #timeout: number
  readonly #testMayWrite: boolean
  readonly #login: (credential: Credential) => Promise<MysqlSession>
  /** What the user logs in with now, as far as this session knows. */
  #password: string
  #unanswered = false

  constructor(
    flavour: Flavour,
    connection: Connection,
    credential: Credential,
    { statementTimeout, testMayWrite }: { statementTimeout: number; testMayWrite: boolean },
    login: (credential: Credential) => Promise<MysqlSession>,
  ) {
    this.#flavour = flavour
    this.#connection = connection
    this.#credential = credential
    this.#timeout = statementTimeout
    this.#testMayWrite = testMayWrite
    this.#login = login
    this.#password = credential.password
  }

  /** Settles what would bend statements, and learns which account this is; `host` is that of the accounts to act on. */
  async prepare(host?: string): Promise<void> {
    const { engine, prepare } = this.#flavour
    const { account, version } = await this.#row('select current_user() as account, version() as version')
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
    await this.#query(prepare(this.#timeout / 1000))
    this.host = host ?? account.slice(at + 1)
  }

  async setPassword(user: string, password: string, { reversibly = false } = {}): Promise<void> {
    const method = await this.#method(user)
    const { name, plugin, verify, plugins } = method
    if (user === this.#credential.username) {
      if (plugins.length > 1)
        throw new NotPermitted(`${name} has several passwords, of which a user can change the first only`)
      if (reversibly) {
        refuseIfCounted(method)
        await this.#flavour.refuseIrreversible?.(this.#statements(), method, password)
      }
      await this.#query(this.#flavour.changeOwn(plugin, { old: this.#password, new: password }))
      this.#password = password
    } else
      await this.#query(
        `alter user ${name} ${this.#flavour.identified(plugin, verify(password))} account unlock`,
      )
  }

  async cloneUser({ user, clone }: Pair, open: { user: string; password: string }): Promise<string[]> {
    const flavour = this.#flavour
    const { plugin, verify } = await this.#method(user)
    const original = await this.#account(user)
    const found = await this.#found(clone)
    if (found) refuseStranger(original, found, open.user === user)
    const opening = `alter user ${this.#name(open.user)} ${flavour.identified(plugin, verify(open.password))} account unlock`
    // The clone may be in use when the user is opened: what is made of it now could keep it from logging in.
    const following =
      open.user === user
        ? []
        : [
            // With a password that nobody knows, until the clone is complete.
            ...(found ? [] : [`create user if not exists ${this.#name(clone)} ${this.#unknown(plugin)}`]),
            ...syncStatements(flavour, original, found ?? newAccount(flavour, clone, this.host)),
          ]
    for (const statement of [...following, opening]) await this.#query(statement).catch(conflictIfDropped)
    return []
  }

  /** The account is left as it is, but for a password that nobody knows: setting one is all that opens it. */
  async lockUser(user: string, pair: Pair): Promise<void> {
    const { name, plugin } = await this.#method(user)
    const found = await this.#found(pair.clone)
    if (found) refuseStranger(await this.#account(pair.user), found, user === pair.user)
    await this.#query(`alter user ${name} ${this.#unknown(plugin)}`)
    const after = this.#flavour.afterLock?.(name)
    if (after) await this.#query(after)
  }

  /** Without the right PROCESS, which a role may have brought, it sees its own alone. */
  async sessionsOf(user: string): Promise<number | undefined> {
    const name = (column: string) => `cast(${column} as binary)`
    const query = `select sum(${name('user')} = ${name(quoteText(user))}) as count,
      sum(${name('user')} <> ${name(quoteText(this.#credential.username))}) as others,
      (select count(*) from information_schema.user_privileges
       where privilege_type = 'PROCESS' and replace(grantee, '\\'', '') = replace(current_user(), '\\'', '')) as mayLook
      from information_schema.processlist`
    const [row] = (await this.#query(query).catch(undefinedIfUnseen)) ?? []
    return Number(row?.others) + Number(row?.mayLook) > 0 ? Number(row?.count) : undefined
  }

  async dropUser({ user, clone }: Pair): Promise<void> {
    const found = await this.#found(clone)
    if (!found) return
    refuseStranger(await this.#account(user), found, false)
    await this.#refuseDefiner(clone)
    await this.#query(`drop user if exists ${this.#name(clone)}`)
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
    const { accounts } = await this.#row(
      `select count(*) as accounts from mysql.user where user = ${quoteText(user)}
       and (ssl_type = 'X509' or length(x509_issuer) > 0 or length(x509_subject) > 0)`,
    )
    return Number(accounts) > 0
  }

  async locksAfter(user: string): Promise<number> {
    const row = await this.#row(this.#flavour.locksAfter(quoteText(user)))
    return Number(Object.values(row)[0])
  }

  /**
   * Only a prepared statement is exactly one. What commits by itself, such as DROP TABLE, ends a transaction before it is
   * run, and then only the session's own setting says that it may not write.
   */
  async run(query: string): Promise<void> {
    const mode = this.#testMayWrite ? 'read write' : 'read only'
    await this.#query(`set session transaction ${mode}`)
    await this.#query(`start transaction ${mode}`)
    try {
      await tested(this.#readAway(query))
    } catch (error) {
      throw error instanceof ReadOnly && !this.#testMayWrite ? mayOnlyRead(`as ${this.#credential}`) : error
    } finally {
      if (!this.#unanswered) {
        await this.#query('rollback').catch(() => {})
        await this.#query('set session transaction read write').catch(() => {})
      }
    }
  }

  /**
   * Runs a prepared statement. Nothing listens for its rows, so none is kept. What has no rows does not read: changing
   * one's own password, for example, which no transaction stops.
   */
  async #readAway(sql: string): Promise<void> {
    const ended = Promise.withResolvers<void>()
    const late = setTimeout(() => {
      this.#unanswered = true
      ended.reject(Object.assign(new Error('no answer in time'), { code: 'PROTOCOL_SEQUENCE_TIMEOUT' }))
    }, this.#timeout + 1_000)
    // The driver's own, as the one with promises keeps all rows.
    const { connection } = this.#connection as Connection & { connection: Plain }
    connection.once('error', ended.reject)
    connection.prepare(sql, (error, statement) => {
      if (error) return ended.reject(error)
      if (!this.#testMayWrite && !hasRows(statement))
        return ended.reject(mayOnlyRead(`as ${this.#credential}`))
      statement
        .execute([])
        .on('error', ended.reject)
        .on('end', () => ended.resolve())
    })
    try {
      await ended.promise
    } catch (error) {
      throw translate(error, `as ${this.#credential}`)
    } finally {
      clearTimeout(late)
      connection.off('error', ended.reject)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#unanswered) this.#connection.destroy()
    else await this.#connection.end().catch(() => {})
  }

  async #query(sql: string): Promise<RowDataPacket[]> {
    try {
      const [rows] = await this.#connection.query<RowDataPacket[]>({ sql, timeout: this.#timeout + 1_000 })
      // What is no SELECT has none.
      return Array.isArray(rows) ? rows : []
    } catch (error) {
      // What comes late must not be taken for the answer to the next statement.
      this.#unanswered ||= (error as { code?: string }).code === 'PROTOCOL_SEQUENCE_TIMEOUT'
      throw translate(await this.#reason(error), `as ${this.#credential}`)
    }
  }

  /** The one row of a query that always has one. */
  async #row(sql: string): Promise<RowDataPacket> {
    const [row] = await this.#query(sql)
    if (!row) throw notUnderstood(`as ${this.#credential}`)
    return row
  }

  /** MariaDB says of any reason but its own that an account could not be changed, and keeps the reason as a warning. */
  async #reason(error: unknown): Promise<unknown> {
    if ((error as { errno?: number }).errno !== 1396) return error
    const [warnings] = await this.#connection
      .query<RowDataPacket[]>({ sql: 'show warnings' })
      .catch(() => [[]])
    const strict = warnings.find(({ Code }) => Code === 1290)
    return strict ? Object.assign(error as Error, { errno: 1290, message: strict.Message }) : error
  }

  #name(user: string): string {
    return accountName(user, this.host)
  }

  /** @throws NoSuchUser if there is none of this name and the session's host */
  async #account(user: string): Promise<Account> {
    const created = await this.#show(`create user ${this.#name(user)}`)
    const grants = await this.#show(`grants for ${this.#name(user)}`)
    const account = readAccount(this.#flavour, user, this.host, created, grants)
    // MySQL shows question marks for characters of four bytes.
    if (JSON.stringify(account.attributes).includes('????')) account.attributes = await this.#attributes(user)
    return account
  }

  async #attributes(user: string): Promise<Account['attributes']> {
    const { attribute } = await this.#row(
      `select attribute as attribute from information_schema.user_attributes
       where user = ${quoteText(user)} and host = ${quoteText(this.host)}`,
    )
    return readAttributes(String(attribute))
  }

  #found(user: string): Promise<Account | undefined> {
    return this.#account(user).catch(undefinedIfAbsent)
  }

  async #show(what: string): Promise<string[]> {
    return (await this.#query(`show ${what}`)).map(row => String(Object.values(row)[0]))
  }

  /**
   * How the account keeps its password.
   * @throws NotPermitted if it does not log in by passwords alone, of one kind that can be made here
   */
  async #method(user: string): Promise<Method> {
    const name = this.#name(user)
    const created = await this.#show(`create user ${name}`)
    const { plugins, clauses } = readAccount(this.#flavour, user, this.host, created)
    const { verifiers } = this.#flavour
    const [plugin = '', ...more] = new Set(plugins)
    const verify = verifiers[plugin]
    if (!verify || more.length)
      throw new NotPermitted(
        `${name} logs in by ${[plugin, ...more].join(' or ')}; what can be rotated is one of ${Object.keys(verifiers).join(', ')}`,
      )
    return { name, user, plugin, plugins, clauses, verify }
  }

  /**
   * What names an account as its DEFINER fails without it. MariaDB drops such an account all the same, and so does MySQL
   * for an admin who may leave a DEFINER that is not there, as the master of RDS may.
   * @throws NotPermitted if the account is the DEFINER of anything that the session's user may see
   */
  async #refuseDefiner(user: string): Promise<void> {
    // As bytes: in MariaDB these columns do not tell capital letters from small ones, and users' names do.
    const isUser = `cast(definer as binary) = cast(${quoteText(`${user}@${this.host}`)} as binary)`
    const tables = ['views', 'routines', 'triggers', 'events']
    const found = await this.#query(
      tables
        .map(table => `select '${table}' as kind from information_schema.${table} where ${isUser}`)
        .join(' union '),
    )
    if (found.length)
      throw new NotPermitted(
        `${this.#name(user)} is the DEFINER of ${found.map(({ kind }) => kind).join(' and ')}, which would fail without it`,
      )
  }

  #statements(): Statements {
    return { query: sql => this.#query(sql), user: this.#credential.username, password: this.#password }
  }

  #unknown(plugin: string): string {
    return this.#flavour.identified(plugin, this.#flavour.verifiers[plugin]?.(unknownPassword()) ?? '')
  }
}

/** As the server says of a statement that it has prepared; the driver's types leave it out. */
const hasRows = (statement: PrepareStatementInfo) =>
  (statement as PrepareStatementInfo & { columns: unknown[] }).columns.length > 0

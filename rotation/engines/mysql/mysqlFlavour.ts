import type { ConnectionOptions, RowDataPacket } from 'mysql2/promise'
import type { Account, AccountSyntax } from './mysqlAccount.ts'

/** What a server of the family does in its own way. */
export type Flavour = AccountSyntax & {
  engine: 'mysql' | 'mariadb'
  /** Run first, so that nothing bends how names are written, and no statement hangs. `seconds` is a statement's time. */
  setUpStatement(seconds: number): string
  /** What the server stores for a password, by the plugin of the account. Others cannot be rotated. */
  passwordHashers: Record<string, (password: string) => string>
  /** Ways to log in that the driver does not know. */
  authPlugins?: ConnectionOptions['authPlugins']
  /** The part of CREATE USER and ALTER USER that says how an account logs in. */
  identifiedClause(plugin: string, verifier: string): string
  /** The statement by which a user without privileges changes its own password. */
  changeOwnPasswordStatement(plugin: string, password: { old: string; new: string }): string
  /** @throws NotPermitted if a user that changes its own password to `next` could not have the old one back */
  refuseIrreversible?(session: SessionAccess, account: PasswordMethod, next: string): Promise<void>
  /**
   * What the server's rules for passwords make of one that they see: `change` is set where that is in clear text.
   * @throws NotPermitted as the statement would that sets it
   */
  refuseByRules(session: SessionAccess, change?: { old: string; new: string }): Promise<void>
  /** Who has one of these changes accounts while the server is read_only. */
  readOnlyBypassPrivileges: string[]
  /** What it takes on `mysql`.* to choose default roles, beside CREATE USER. */
  defaultRolePrivilege?: 'UPDATE'
  /** Selects what Session's locksAfter gives back, for the user of this name as a text of SQL. */
  failedLoginsUntilLockQuery(user: string): string
  /** Run after a user was locked, to close what `identified` leaves open. */
  afterLockStatement?(account: string): string
  /** How a user gets and loses a second password: as DualPasswordCalls says. */
  addPassword(
    session: SessionAccess,
    account: PasswordMethod,
    password: string,
    current: string,
  ): Promise<void>
  /** What add refuses before its first statement. @throws NotPermitted */
  checkBeforeAddingPassword?(
    session: SessionAccess,
    account: PasswordMethod,
    password: string,
    current: string,
  ): Promise<void>
  /** One of these is what a user needs to add a second password to itself; unset where that takes an admin. */
  addPasswordPrivileges?: string[]
  keepOnlyPassword(session: SessionAccess, account: PasswordMethod, password: string): Promise<void>
}

/** What a flavour may do with a session. */
export type SessionAccess = {
  query(sql: string): Promise<RowDataPacket[]>
  /** For errors: whose session it is. */
  where: string
  user: string
  /** What it logged in with, unless it changed that. */
  password: string
}

/** How an account keeps its passwords, which are all of one kind. */
export type PasswordMethod = {
  name: string
  user: string
  plugin: string
  hashPassword(password: string): string
} & Pick<Account, 'plugins' | 'clauses'>

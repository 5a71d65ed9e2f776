import type { ConnectionOptions, RowDataPacket } from 'mysql2/promise'
import type { Account, AccountSyntax } from './mysqlAccount.ts'

/** The differences between MySQL and MariaDB, of which each has one Flavour. */
export type Flavour = AccountSyntax & {
  engine: 'mysql' | 'mariadb'
  /**
   * The statement that sets a session's variables: the sql_mode by which names and texts are quoted here, and the time in seconds
   * that a statement may take. It runs right after the query for the account that the session logged in to.
   */
  setUpStatement(seconds: number): string
  /** By authentication plugin, the hash that the server stores for a password. Accounts with another plugin cannot be rotated. */
  passwordHashers: Record<string, (password: string) => string>
  /** Implementations of authentication plugins that the driver does not have. */
  authPlugins?: ConnectionOptions['authPlugins']
  /** The clause of CREATE USER and ALTER USER that gives an account its plugin and password hash. */
  identifiedClause(plugin: string, passwordHash: string): string
  /** The statement with which a user changes its own password. It needs no privilege. */
  changeOwnPasswordStatement(plugin: string, password: { old: string; new: string }): string
  /**
   * Refuses a change of a user's own and only password to `next` that might not be undone, or that would lock the account.
   * @throws NotPermitted if the user might not be able to set the old password again, or if the server locks an account after
   *   refused logins, which the application has until it reads `next`
   */
  refuseIrreversible?(session: SessionAccess, account: RotatableAccount, next: string): Promise<void>
  /**
   * Checks the server's password rules. `change` is given if the server would get the passwords in clear text.
   * @throws NotPermitted as the statement that sets the password would
   */
  refuseByRules(session: SessionAccess, change?: { old: string; new: string }): Promise<void>
  /** Privileges each of which lets a user change accounts while the server is read_only. */
  readOnlyBypassPrivileges: string[]
  /** A privilege on `mysql`.* that setting default roles requires in addition to CREATE USER. */
  defaultRolePrivilege?: 'UPDATE'
  /** A query for what Session.failedLoginsUntilLock returns. `user` is the name as a SQL literal. */
  failedLoginsUntilLockQuery(user: string): string
  /** A statement that follows after a user was closed, to remove the second password that identifiedClause leaves. */
  afterCloseStatement?(account: string): string
  /** Adds a second password, as DualPasswordCalls.add says. */
  addPassword(
    session: SessionAccess,
    account: RotatableAccount,
    password: string,
    current: string,
  ): Promise<void>
  /** Checks what addPassword refuses before its first statement. @throws NotPermitted */
  checkBeforeAddingPassword?(
    session: SessionAccess,
    account: RotatableAccount,
    password: string,
    current: string,
  ): Promise<void>
  /** Privileges each of which lets a user add a second password to itself; undefined if only an admin can add one. */
  addPasswordPrivileges?: string[]
  /** Removes all passwords but one, as DualPasswordCalls.keepOnly says. */
  keepOnlyPassword(session: SessionAccess, account: RotatableAccount, password: string): Promise<void>
}

/** The part of a session that a Flavour uses. */
export type SessionAccess = {
  query(sql: string): Promise<RowDataPacket[]>
  /** The login, for errors. */
  where: string
  user: string
  /** The password that the session logged in with, or has set since. */
  password: string
}

/** An account whose password can be rotated: all its passwords have one plugin, whose hashes Keyturn can compute. */
export type RotatableAccount = {
  /** `user`@`host` */
  name: string
  user: string
  plugin: string
  hashPassword(password: string): string
} & Pick<Account, 'plugins' | 'clauses'>

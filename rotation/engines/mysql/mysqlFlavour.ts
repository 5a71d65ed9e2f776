import type { ConnectionOptions, RowDataPacket } from 'mysql2/promise'
import type { Account, Dialect } from './mysqlAccount.ts'

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
  /**
   * What the server's rules for passwords make of one that they see: `change` is set where that is in clear text.
   * @throws NotPermitted as the statement would that sets it
   */
  refuseByRules(session: Statements, change?: { old: string; new: string }): Promise<void>
  /** Who has one of these changes accounts while the server is read_only. */
  writesIfReadOnly: string[]
  /** What it takes on `mysql`.* to choose default roles, beside CREATE USER. */
  choosesRolesBy?: 'UPDATE'
  /** Selects what Session's locksAfter gives back, for the user of this name as a text of SQL. */
  locksAfter(user: string): string
  /** Run after a user was locked, to close what `identified` leaves open. */
  afterLock?(account: string): string
  /** How a user gets and loses a second password: as TwoPasswords says. */
  add(session: Statements, account: Method, password: string, current: string): Promise<void>
  /** What add refuses before its first statement. @throws NotPermitted */
  refuseToAdd?(session: Statements, account: Method, password: string, current: string): Promise<void>
  /** One of these is what a user needs to add a second password to itself; unset where that takes an admin. */
  addsBy?: string[]
  keep(session: Statements, account: Method, password: string): Promise<void>
}

/** What a flavour may do with a session. */
export type Statements = {
  query(sql: string): Promise<RowDataPacket[]>
  /** For errors: whose session it is. */
  where: string
  user: string
  /** What it logged in with, unless it changed that. */
  password: string
}

/** How an account keeps its passwords, which are all of one kind. */
export type Method = { name: string; user: string; plugin: string; verify(password: string): string } & Pick<
  Account,
  'plugins' | 'clauses'
>

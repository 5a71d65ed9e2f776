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

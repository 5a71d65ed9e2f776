import { NotPermitted } from '../../errors.ts'
import { undefinedIfNoSuchUser } from '../noSuchUser.ts'
import { type Account, accountName, quoteText, readAccount, readAttributes } from './mysqlAccount.ts'
import type { Flavour, RotatableAccount } from './mysqlFlavour.ts'
import type { MysqlWire } from './mysqlWire.ts'

/** Reads the accounts of users at one host. */
export class AccountReader {
  readonly #flavour: Flavour
  readonly #wire: MysqlWire
  readonly #host: string

  constructor(flavour: Flavour, wire: MysqlWire, host: string) {
    this.#flavour = flavour
    this.#wire = wire
    this.#host = host
  }

  /** The user's account as SQL writes it. */
  nameOf(user: string): string {
    return accountName(user, this.#host)
  }

  /** @throws NoSuchUser if there is no account of this name at the host */
  async read(user: string): Promise<Account> {
    const created = await this.#wire.show(`create user ${this.nameOf(user)}`)
    const grants = await this.#wire.show(`grants for ${this.nameOf(user)}`)
    const account = readAccount(this.#flavour, user, this.#host, created, grants)
    // SHOW CREATE USER of MySQL has question marks for characters of four bytes, so the attributes are read elsewhere.
    if (JSON.stringify(account.attributes).includes('????'))
      account.attributes = await this.#readAttributes(user)
    return account
  }

  /** Reads an account without SHOW GRANTS. @throws NoSuchUser */
  async readWithoutGrants(user: string): Promise<Account> {
    const created = await this.#wire.show(`create user ${this.nameOf(user)}`)
    return readAccount(this.#flavour, user, this.#host, created)
  }

  /** @returns the account; undefined if there is none */
  find(user: string): Promise<Account | undefined> {
    return this.read(user).catch(undefinedIfNoSuchUser)
  }

  /** @throws NotPermitted if the account has several plugins, or one whose password hash Keyturn cannot compute */
  async readRotatable(user: string): Promise<RotatableAccount> {
    const { name, plugins, clauses } = await this.readWithoutGrants(user)
    const { passwordHashers } = this.#flavour
    const [plugin = '', ...more] = new Set(plugins)
    const hashPassword = passwordHashers[plugin]
    if (!hashPassword || more.length)
      throw new NotPermitted(
        `${name} logs in by ${[plugin, ...more].join(' or ')}; what can be rotated is one of ${Object.keys(passwordHashers).join(', ')}`,
      )
    return { name, user, plugin, plugins, clauses, hashPassword }
  }

  async #readAttributes(user: string): Promise<Account['attributes']> {
    const { attribute } = await this.#wire.row(
      `select attribute as attribute from information_schema.user_attributes
       where user = ${quoteText(user)} and host = ${quoteText(this.#host)}`,
    )
    return readAttributes(String(attribute))
  }
}

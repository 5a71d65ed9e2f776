import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import pg, { escapeIdentifier as name, escapeLiteral as text } from 'pg'
import { scramVerifier } from '../../rotation/engines/postgres/scram.ts'
import type { PostgresServer } from '../servers/postgres.ts'
import type { ValueStore } from './valueStores.ts'

/** An admin: its user name in the database, and the ARN of its secret. */
export type Admin = { user: string; arn: string }

type Enrolment = {
  /** With an admin, the value names its secret, and so the strategy is alternating users. */
  admin?: Admin
  /** Tags beside `keyturn:managed`. */
  tags?: Record<string, string>
  valueStore?: ValueStore
  /** With this, the test query succeeds in the rehearsal and fails in the test: see `failOnceChanged`. */
  failsOnceChanged?: boolean
}

/** Name of the view that `failOnceChanged` makes. */
const viewOf = (user: string) => `${user}_unchanged`

/** Makes users in a PostgreSQL server, and for each a stored value with the name `<prefix><user>`. */
export class Users implements AsyncDisposable {
  /** Name of the secret that belongs to a user. The name of a parameter has a slash before it. */
  nameOf(user: string): string {
    return `${this.#prefix}${user}`
  }
  /** The store of all values for which `enrol` was given no other one. */
  get valueStore(): ValueStore {
    return this.#secrets
  }
  readonly #superuser: pg.Client
  readonly #postgres: PostgresServer
  readonly #secrets: ValueStore
  readonly #prefix: string

  private constructor(superuser: pg.Client, postgres: PostgresServer, secrets: ValueStore, prefix: string) {
    this.#superuser = superuser
    this.#postgres = postgres
    this.#secrets = secrets
    this.#prefix = prefix
  }

  /** Connects to the server as its superuser. @param secrets where the values are stored, unless `enrol` is told otherwise */
  static async connect(postgres: PostgresServer, secrets: ValueStore, prefix: string): Promise<Users> {
    const { host, port, caFile, superuser } = postgres
    const ssl = { ca: readFileSync(caFile, 'utf8') }
    const client = new pg.Client({ host, port, ssl, database: 'postgres', ...superuser })
    // The connection ends when the server is killed or restarted; that must not end this process.
    client.on('error', () => {})
    await client.connect()
    return new Users(client, postgres, secrets, prefix)
  }

  /** Makes an admin as RDS has them, which may create roles but is no superuser, and its secret. */
  async makeAdmin(user: string, tags: Record<string, string> = {}): Promise<Admin> {
    const allTags = { 'keyturn:admin': 'true', ...tags }
    const arn = await this.#make(user, 'createrole', {}, allTags, this.#secrets)
    return { user, arn }
  }

  /** Makes a user, and a stored value that Keyturn may rotate. @returns ARN of the secret, or name of the parameter */
  async enrol(
    user: string,
    { admin, tags = {}, valueStore = this.#secrets, failsOnceChanged = false }: Enrolment = {},
  ): Promise<string> {
    const testQuery = failsOnceChanged && { 'keyturn:test-query': `TABLE ${viewOf(user)}` }
    const managed = { 'keyturn:managed': 'true', ...testQuery, ...tags }
    const id = await this.#make(user, '', { masterarn: admin?.arn }, managed, valueStore)
    if (admin) await this.#superuser.query(`grant ${name(user)} to ${name(admin.user)} with admin option`)
    if (failsOnceChanged) await this.failOnceChanged(user)
    return id
  }

  /** Makes a user and an admin that may set its password, each with a secret that has no tags, as before they are enrolled. */
  async makeUnmanaged(user: string, admin: string): Promise<void> {
    await this.#make(user, '', {}, {}, this.#secrets)
    await this.#make(admin, 'createrole', {}, {}, this.#secrets)
    await this.#superuser.query(`grant ${name(user)} to ${name(admin)} with admin option`)
  }

  /**
   * Makes a view that a user can read as long as the user has its present password: with another one, the view divides by zero.
   * @returns a test query that reads the view
   */
  async failOnceChanged(user: string): Promise<string> {
    const roleOfUser = `from pg_authid where rolname = ${text(user)}`
    const { rows } = await this.#superuser.query(`select rolpassword ${roleOfUser}`)
    const view = name(viewOf(user))
    await this.runSql(
      `create view ${view} as select 1 / (rolpassword = ${text(rows[0]?.rolpassword)})::int as unchanged ${roleOfUser};
       grant select on ${view} to ${name(user)}`,
    )
    return `TABLE ${viewOf(user)}`
  }

  /** Gives a user another password. The server gets its SCRAM verifier and never the clear text. */
  async setPassword(user: string, password: string): Promise<void> {
    await this.runSql(`alter role ${name(user)} password ${text(await scramVerifier(password))}`)
  }

  /** Runs statements as the superuser. */
  async runSql(sql: string): Promise<void> {
    await this.#superuser.query(sql)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#superuser.end()
  }

  /** Makes a user with a random password, of which the server gets the SCRAM verifier only, and a stored value. @returns the id */
  async #make(
    user: string,
    roleAttributes: string,
    moreFields: object,
    tags: Record<string, string>,
    valueStore: ValueStore,
  ): Promise<string> {
    const password = randomUUID()
    const verifier = text(await scramVerifier(password))
    await this.#superuser.query(`create role ${name(user)} login ${roleAttributes} password ${verifier}`)
    const { host, port } = this.#postgres
    const value = {
      engine: 'postgres',
      host,
      port,
      dbname: 'postgres',
      username: user,
      password,
      ...moreFields,
    }
    return valueStore.put(`${this.#prefix}${user}`, JSON.stringify(value), tags)
  }
}

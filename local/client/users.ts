import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import pg, { escapeIdentifier as name, escapeLiteral as text } from 'pg'
import { scramVerifier } from '../../rotation/engines/postgres/scram.ts'
import type { PostgresServer } from '../servers/postgres.ts'
import type { ValueStore } from './valueStores.ts'

export type Admin = { user: string; arn: string }

type Enrolment = {
  admin?: Admin
  tags?: Record<string, string>
  valueStore?: ValueStore
  /** Its test query goes well in the rehearsal, and fails in the test: see `failOnceChanged`. */
  failsOnceChanged?: boolean
}

const viewOf = (user: string) => `${user}_unchanged`

/** Makes users in a database, and the stored value of each: its name is `<prefix><user>`. */
export class Users implements AsyncDisposable {
  /** Name of the secret of a user. */
  nameOf(user: string): string {
    return `${this.#prefix}${user}`
  }
  /** Where the values are. */
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

  static async connect(postgres: PostgresServer, secrets: ValueStore, prefix: string): Promise<Users> {
    const { host, port, caFile, superuser } = postgres
    const ssl = { ca: readFileSync(caFile, 'utf8') }
    const client = new pg.Client({ host, port, ssl, database: 'postgres', ...superuser })
    // Whoever kills or restarts the server ends this session too.
    client.on('error', () => {})
    await client.connect()
    return new Users(client, postgres, secrets, prefix)
  }

  /** Makes an admin such as RDS has, who may create roles but is no superuser, and its secret. */
  async makeAdmin(user: string, tags: Record<string, string> = {}): Promise<Admin> {
    const all = { 'keyturn:admin': 'true', ...tags }
    const arn = await this.#make(user, 'createrole', {}, all, this.#secrets)
    return { user, arn }
  }

  /** Makes a user and its stored value, by default a secret, which Keyturn may rotate; gives back the value's id. */
  async enrol(
    user: string,
    { admin, tags = {}, valueStore = this.#secrets, failsOnceChanged = false }: Enrolment = {},
  ): Promise<string> {
    const query = failsOnceChanged && { 'keyturn:test-query': `TABLE ${viewOf(user)}` }
    const managed = { 'keyturn:managed': 'true', ...query, ...tags }
    const id = await this.#make(user, '', { masterarn: admin?.arn }, managed, valueStore)
    if (admin) await this.#superuser.query(`grant ${name(user)} to ${name(admin.user)} with admin option`)
    if (failsOnceChanged) await this.failOnceChanged(user)
    return id
  }

  /** Makes a user and its secret, of which Keyturn knows nothing yet, and an admin who may set its password, with a secret likewise. */
  async makeUnmanaged(user: string, admin: string): Promise<void> {
    await this.#make(user, '', {}, {}, this.#secrets)
    await this.#make(admin, 'createrole', {}, {}, this.#secrets)
    await this.#superuser.query(`grant ${name(user)} to ${name(admin)} with admin option`)
  }

  /** Makes a view that a user can read until it has another password than now. @returns a test query that reads it */
  async failOnceChanged(user: string): Promise<string> {
    const of = `from pg_authid where rolname = ${text(user)}`
    const { rows } = await this.#superuser.query(`select rolpassword ${of}`)
    const view = name(viewOf(user))
    await this.runSql(
      `create view ${view} as select 1 / (rolpassword = ${text(rows[0]?.rolpassword)})::int as unchanged ${of};
       grant select on ${view} to ${name(user)}`,
    )
    return `TABLE ${viewOf(user)}`
  }

  /** Gives a user another password, which the server does not see in clear text. */
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

  /** A role whose password the server has never seen in clear text, and a stored value that holds it. */
  async #make(
    user: string,
    attributes: string,
    more: object,
    tags: Record<string, string>,
    shelf: ValueStore,
  ): Promise<string> {
    const password = randomUUID()
    const verifier = text(await scramVerifier(password))
    await this.#superuser.query(`create role ${name(user)} login ${attributes} password ${verifier}`)
    const { host, port } = this.#postgres
    const value = { engine: 'postgres', host, port, dbname: 'postgres', username: user, password, ...more }
    return shelf.put(`${this.#prefix}${user}`, JSON.stringify(value), tags)
  }
}

import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { CreateSecretCommand, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import pg, { escapeIdentifier as name, escapeLiteral as text } from 'pg'
import { scramVerifier } from '../rotation/engines/scram.ts'
import type { PostgresServer } from './postgres.ts'

export type Admin = { user: string; arn: string }

/** Makes users in a database, and the secret of each: its name is `<prefix><user>`. */
export class Users implements AsyncDisposable {
  readonly #superuser: pg.Client
  readonly #postgres: PostgresServer
  readonly #secrets: SecretsManagerClient
  readonly #prefix: string

  private constructor(
    superuser: pg.Client,
    postgres: PostgresServer,
    secrets: SecretsManagerClient,
    prefix: string,
  ) {
    this.#superuser = superuser
    this.#postgres = postgres
    this.#secrets = secrets
    this.#prefix = prefix
  }

  static async of(postgres: PostgresServer, secrets: SecretsManagerClient, prefix: string): Promise<Users> {
    const { host, port, caFile, superuser } = postgres
    const ssl = { ca: readFileSync(caFile, 'utf8') }
    const client = new pg.Client({ host, port, ssl, database: 'postgres', ...superuser })
    await client.connect()
    return new Users(client, postgres, secrets, prefix)
  }

  /** Makes an admin such as RDS has, who may create roles but is no superuser, and its secret. */
  async makeAdmin(user: string): Promise<Admin> {
    return { user, arn: await this.#make(user, 'createrole', {}, { 'keyturn:admin': 'true' }) }
  }

  /** Makes a user and its secret, which Keyturn may rotate; gives back the secret's ARN. */
  async enrol(
    user: string,
    { admin, tags = {} }: { admin?: Admin; tags?: Record<string, string> } = {},
  ): Promise<string> {
    const arn = await this.#make(user, '', { masterarn: admin?.arn }, { 'keyturn:managed': 'true', ...tags })
    if (admin) await this.#superuser.query(`grant ${name(user)} to ${name(admin.user)} with admin option`)
    return arn
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#superuser.end()
  }

  /** A role whose password the server has never seen in clear text, and a secret that holds it. */
  async #make(user: string, attributes: string, more: object, tags: Record<string, string>): Promise<string> {
    const password = randomUUID()
    const verifier = text(await scramVerifier(password))
    await this.#superuser.query(`create role ${name(user)} login ${attributes} password ${verifier}`)
    const { host, port } = this.#postgres
    const value = { engine: 'postgres', host, port, dbname: 'postgres', username: user, password, ...more }
    const { ARN = '' } = await this.#secrets.send(
      new CreateSecretCommand({
        Name: `${this.#prefix}${user}`,
        SecretString: JSON.stringify(value),
        Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
      }),
    )
    return ARN
  }
}

import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  CreateSecretCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { bundleFunction } from '../../bundleFunction.ts'
import { type SecretsManagerServer, startSecretsManager } from '../../local/aws/secretsManager.ts'
import * as mongodb from '../../local/servers/mongodbDatabase.ts'
import * as family from '../../local/servers/mysqlDatabase.ts'
import * as postgres from '../../local/servers/postgresDatabase.ts'
import * as redis from '../../local/servers/redisDatabase.ts'
import type { Credential } from '../../rotation/credential.ts'
import type { ENGINE_NAMES } from '../../rotation/engines/traits.ts'
import * as redshift from '../support/engines/redshiftStandIn.ts'

/** A server, a user who may set its own password, and a check of logins without the engine. */
type Place = {
  name: string
  caFile: string
  makeApp(): Promise<postgres.App>
  admits(credential: Credential): Promise<boolean>
}

/** @returns an engine's test helpers for one of its servers */
const on = <S extends { caFile: string }>(
  server: S,
  name: string,
  its: { makeApp(server: S): Promise<postgres.App>; admits(server: S, c: Credential): Promise<boolean> },
): Place => ({
  name,
  caFile: server.caFile,
  makeApp: () => its.makeApp(server),
  admits: credential => its.admits(server, credential),
})

const mysqls = (engine: string) =>
  inject('mysql')
    .filter(server => server.engine === engine)
    .slice(-1)
    .map(server => on(server, server.name, family))

/** The server, if this system has it: see test/support/servers.ts. */
const places: Record<(typeof ENGINE_NAMES)[number], Place[]> = {
  postgres: inject('postgres')
    .slice(0, 1)
    .map(server => on(server, `PostgreSQL ${server.version}`, postgres)),
  redshift: redshift.standInServers().map(server =>
    on(server, 'its stand-in', {
      makeApp: redshift.makeApp,
      // This user has an MD5 hash, as in Redshift. PostgreSQL's own SCRAM verifier would do for a login too.
      async admits(server, credential) {
        const [role] = await postgres.runStatements(
          server,
          `select rolpassword from pg_authid where rolname = '${credential.username}'`,
        )
        return /^md5/.test(role?.rolpassword) && postgres.admits(server, credential)
      },
    }),
  ),
  mysql: mysqls('mysql'),
  mariadb: mysqls('mariadb'),
  mongo: inject('mongodb').map(server => on(server, server.name, mongodb)),
  redis: inject('redis').map(server => on(server, server.name, redis)),
}

/**
 * Runs in a process of its own, as in Lambda: the bundle's handler, for one event. Of what the login to Redshift sends,
 * PostgreSQL lacks one setting, which becomes as many spaces.
 */
const script = `
  import { Duplex } from 'node:stream'
  const [event, engine] = process.argv.slice(2)
  const lacking = 'set local enable_case_sensitive_identifier to true'
  const { write } = Duplex.prototype
  if (engine === 'redshift')
    Duplex.prototype.write = function (chunk, ...rest) {
      const at = Buffer.isBuffer(chunk) ? chunk.indexOf(lacking) : -1
      if (at !== -1) chunk.fill(' ', at, at + lacking.length)
      return write.call(this, chunk, ...rest)
    }
  try {
    const { handler } = await import('./index.mjs')
    await handler(JSON.parse(event), { functionName: 'setSecret', awsRequestId: 'one' })
    process.exit(0)
  } catch ({ name, message, cause }) {
    // Without this, Node would print the bundle's line, which is the whole bundle.
    console.error(name, message, cause?.message ?? '')
    process.exit(1)
  }`

// The folder is outside the project, as a deployed function has no node_modules.
let folder: string
let secretsManager: SecretsManagerServer
let env: NodeJS.ProcessEnv
let client: SecretsManagerClient
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keyturn-engines-'))
  ;[secretsManager] = await Promise.all([startSecretsManager(), bundleFunction('setSecret', folder)])
  await writeFile(join(folder, 'run.mjs'), script)
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
  env = {
    AWS_ENDPOINT_URL_SECRETS_MANAGER: secretsManager.url,
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    POWERTOOLS_LOG_LEVEL: 'SILENT',
  }
  client = new SecretsManagerClient({ endpoint: secretsManager.url, region: 'eu-west-1', credentials })
})
afterAll(async () => {
  client?.destroy()
  await secretsManager?.stop()
  await rm(folder, { recursive: true, force: true })
})

const variants = Object.entries(places).flatMap(([engine, places]) =>
  places.map(place => ({ engine, place, server: place.name })),
)

test.each(variants)(
  'the deployed setSecret sets a password on $engine, $server',
  async ({ engine, place }) => {
    const { current } = await place.makeApp()
    const next = current.with({ password: `next-${postgres.randomHex(12)}` })
    const { ARN: id, VersionId: replaces } = await client.send(
      new CreateSecretCommand({ Name: randomUUID(), SecretString: current.serialize() }),
    )
    const token = randomUUID()
    await client.send(
      new PutSecretValueCommand({
        SecretId: id,
        ClientRequestToken: token,
        SecretString: next.serialize(),
        VersionStages: ['AWSPENDING'],
      }),
    )
    const { host, username: user } = current
    const rotation = {
      ...{ store: 'secrets-manager', id, engine, host, user, nextUser: user, replaces },
      strategy: 'single-user',
    }
    await promisify(execFile)(
      process.execPath,
      [join(folder, 'run.mjs'), JSON.stringify({ execution: token, rotation }), engine],
      { env: { ...env, KEYTURN_CA_FILE: place.caFile } },
    )
    expect([await place.admits(current), await place.admits(next)]).toEqual([false, true])
  },
)

import { closeSync, openSync, readFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CertificateFiles } from '../../local/aws/localService.ts'
import { type SecretsManagerServer, startSecretsManager } from '../../local/aws/secretsManager.ts'
import { type StepFunctionsServer, startStepFunctions } from '../../local/aws/stepFunctions.ts'
import { SecretValueStore } from '../../local/client/valueStores.ts'
import { makeCertificate } from '../../local/servers/certificate.ts'
import { newestFlavourOf, type RunningMysql, startMysql } from '../../local/servers/mysql.ts'
import * as mysql from '../../local/servers/mysqlDatabase.ts'
import { type RunningPostgres, startPostgres } from '../../local/servers/postgres.ts'
import * as postgres from '../../local/servers/postgresDatabase.ts'
import { clientAt } from './clientAt.ts'
import { type OfficialPython, writeTrustedCertificates } from './host.ts'
import type { Engine } from './source.ts'

/** A database server and local AWS services over HTTPS, on which both sides rotate. */
export type Scene = {
  engine: Engine
  /** Name and version of the server, such as `PostgreSQL 18`. */
  name: string
  secretsManager: SecretsManagerServer
  /** The Step Functions that functions ask. It has no executions, as the measured ones do not run in it. */
  stepFunctions: StepFunctionsServer
  valueStore: SecretValueStore
  server: RunningPostgres | RunningMysql
  /** The certificate and key of all local AWS services. */
  tls: CertificateFiles
  /** The file with the certificate by which the local AWS services are trusted. */
  issuer: string
  /** A file with all certificates that boto3 trusts, and those of the local AWS services and the database. */
  roots: string
  /** A home folder without settings for AWS. */
  home: string
  /** Makes a user and its secret, and for alternating users also an admin's secret. @returns ARN of the user's secret */
  enrol(alternating: boolean): Promise<string>
  /** The calls of Secrets Manager and Step Functions, and the logins, since this was called last. */
  takeSeen(): Seen
  /** The password of the pending version, if there is one. */
  pendingPassword(secret: string): Promise<string | undefined>
}

/** What Secrets Manager, Step Functions and the database saw. */
export type Seen = {
  /** The actions of all calls. */
  calls: string[]
  /** How many logins the database accepted, and how many it refused. */
  accepted: number
  refused: number
}

/** Starts a scene, and stops it after `use`. */
export async function withScene<T>(
  engine: Engine,
  python: OfficialPython,
  use: (scene: Scene) => Promise<T>,
): Promise<T> {
  await using stack = new AsyncDisposableStack()
  const { path: home } = stack.use(await mkdtempDisposable(join(tmpdir(), 'keyturn-official-')))
  const { caFile: issuer, keyFile } = await makeCertificate(home)
  const tls = { caFile: issuer, keyFile }
  const secretsManager = stack.adopt(await startSecretsManager({ tls }), server => server.stop())
  const stepFunctions = stack.adopt(await startStepFunctions({ tls }), server => server.stop())
  const database = stack.adopt(await startDatabase(engine), server => server.stop())
  const { name, caFile } = database
  // Each read of the log continues where the last one ended.
  const log = stack.adopt(openSync(database.logFile, 'r'), closeSync)
  const roots = join(home, 'roots.pem')
  await writeTrustedCertificates(python, [issuer, caFile], roots)
  const valueStore = new SecretValueStore(clientAt(secretsManager.url, issuer))
  const enrol = (alternating: boolean) => enrolIn(valueStore, database, alternating)
  const pendingPassword = async (secret: string) =>
    JSON.parse((await valueStore.read(secret, 'pending')) ?? '{}').password
  const takeSeen = (): Seen => ({
    calls: [secretsManager, stepFunctions].flatMap(({ calls }) =>
      calls.splice(0).map(({ action }) => action),
    ),
    ...loginsIn(engine, readFileSync(log, 'utf8')),
  })
  const { server } = database
  const scene = { engine, name, secretsManager, stepFunctions, valueStore, server, tls, issuer, roots, home }
  return await use({ ...scene, enrol, takeSeen, pendingPassword })
}

type Database = Pick<RunningPostgres | RunningMysql, 'logFile' | 'caFile' | 'stop'> & {
  name: string
  server: RunningPostgres | RunningMysql
  makeApp(user: string): Promise<postgres.App>
}

async function startDatabase(engine: Engine): Promise<Database> {
  if (engine === 'postgres') {
    const server = await startPostgres()
    return {
      ...server,
      server,
      name: `PostgreSQL ${server.version}`,
      makeApp: user => postgres.makeApp(server, { user }),
    }
  }
  const server = await startMysql(newestFlavourOf(engine))
  return { ...server, server, makeApp: user => mysql.makeApp(server, { user }) }
}

/** Makes a user and its secret. @returns the ARN of the secret */
async function enrolIn(
  valueStore: SecretValueStore,
  database: Database,
  alternating: boolean,
): Promise<string> {
  // By default AWS's functions for MySQL accept 16 characters at most, and the clone's name has `_clone` more.
  const user = `app_${postgres.randomHex(3)}`
  const { current, admin } = await database.makeApp(user)
  const { masterarn: _, ...value } = JSON.parse(current.serialize())
  const put = (value: object) =>
    valueStore.put(`official/${user}`, JSON.stringify(value), { 'keyturn:managed': 'true' })
  if (!alternating) return put(value)
  const tags = { 'keyturn:admin': 'true' }
  const masterarn = await valueStore.put(`official/admin-of-${user}`, admin.serialize(), tags)
  return put({ ...value, masterarn })
}

/** Counts the logins in a server's log, without those of its superuser. Servers log a login before they answer it. */
function loginsIn(engine: Engine, log: string): Pick<Seen, 'accepted' | 'refused'> {
  const countLines = (pattern: RegExp) => log.match(pattern)?.length ?? 0
  if (engine === 'postgres')
    return {
      accepted: countLines(/ LOG: {2}connection authorized: user=(?!postgres )/g),
      refused: countLines(/ FATAL: {2}(password authentication failed|no pg_hba\.conf entry) /g),
    }
  const refused = countLines(/ Connect\tAccess denied /g)
  // A refused login has two lines, and the first of them looks like that of an accepted login.
  return { accepted: countLines(/ Connect\t(?!super@|Access denied )/g) - refused, refused }
}

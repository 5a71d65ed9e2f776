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

/** A database, and what stands for AWS over HTTPS, which both sides rotate on. */
export type Scene = {
  engine: Engine
  /** Such as `PostgreSQL 18`. */
  name: string
  secretsManager: SecretsManagerServer
  /** It knows of no execution, as those that are started directly run without it. */
  stepFunctions: StepFunctionsServer
  shelf: SecretValueStore
  server: RunningPostgres | RunningMysql
  /** The certificate of Secrets Manager, and of whatever else stands for AWS. */
  tls: CertificateFiles
  /** The issuer of the certificate of Secrets Manager, as a file. */
  issuer: string
  /** All that boto3 trusts, and the issuers of both servers, in one file. */
  roots: string
  /** An empty folder. */
  home: string
  /** Makes an application's user, an admin, and a secret for each. @returns the ARN of the application's */
  enrol(alternating: boolean): Promise<string>
  /** The calls of Secrets Manager and Step Functions, and the logins, since this was asked last. */
  takeSeen(): Seen
  /** The password that is pending. Undefined without one. */
  pendingPassword(secret: string): Promise<string | undefined>
}

/** What Secrets Manager, Step Functions and the database saw. */
export type Seen = {
  /** By action. */
  calls: string[]
  /** Logins that the database let in, and that it did not. */
  accepted: number
  refused: number
}

/** Starts all of it, and stops it after `use`. */
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
  // Each read goes on where the last one ended.
  const log = stack.adopt(openSync(database.logFile, 'r'), closeSync)
  const roots = join(home, 'roots.pem')
  await writeTrustedCertificates(python, [issuer, caFile], roots)
  const shelf = new SecretValueStore(clientAt(secretsManager.url, issuer))
  const enrol = (alternating: boolean) => enrolIn(shelf, database, alternating)
  const pendingPassword = async (secret: string) =>
    JSON.parse((await shelf.read(secret, 'pending')) ?? '{}').password
  const seen = (): Seen => ({
    calls: [secretsManager, stepFunctions].flatMap(({ calls }) =>
      calls.splice(0).map(({ action }) => action),
    ),
    ...loginsIn(engine, readFileSync(log, 'utf8')),
  })
  const { server } = database
  const scene = { engine, name, secretsManager, stepFunctions, shelf, server, tls, issuer, roots, home }
  return await use({ ...scene, enrol, takeSeen: seen, pendingPassword })
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

async function enrolIn(shelf: SecretValueStore, database: Database, alternating: boolean): Promise<string> {
  // With `_clone` behind it 16 characters at most, as AWS's functions for MySQL want it by default.
  const user = `app_${postgres.randomHex(3)}`
  const { current, admin } = await database.makeApp(user)
  const { masterarn: _, ...value } = JSON.parse(current.serialize())
  const put = (value: object) =>
    shelf.put(`official/${user}`, JSON.stringify(value), { 'keyturn:managed': 'true' })
  if (!alternating) return put(value)
  const tags = { 'keyturn:admin': 'true' }
  const masterarn = await shelf.put(`official/admin-of-${user}`, admin.serialize(), tags)
  return put({ ...value, masterarn })
}

/**
 * The logins that a server's log tells of, but for its superuser's. PostgreSQL and MySQL log before they answer, so who has
 * the answer finds the line.
 */
function loginsIn(engine: Engine, log: string): Pick<Seen, 'accepted' | 'refused'> {
  const lines = (pattern: RegExp) => log.match(pattern)?.length ?? 0
  if (engine === 'postgres')
    return {
      accepted: lines(/ LOG: {2}connection authorized: user=(?!postgres )/g),
      refused: lines(/ FATAL: {2}(password authentication failed|no pg_hba\.conf entry) /g),
    }
  const refused = lines(/ Connect\tAccess denied /g)
  // A login that is refused has both lines.
  return { accepted: lines(/ Connect\t(?!super@|Access denied )/g) - refused, refused }
}

import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager'
import { GetExecutionHistoryCommand, SFNClient } from '@aws-sdk/client-sfn'
import { createConnection } from 'mysql2/promise'
import pg from 'pg'
import { REQUEST_TIMEOUTS } from '../../../functions/shared/requestTimeouts.ts'
import { defaultEngineOptions } from '../../../rotation/engines/engine.ts'
import { quoteText } from '../../../rotation/engines/mysql/mysqlAccount.ts'
import { nativePasswordHash } from '../../../rotation/engines/mysql/mysqlPasswordHashes.ts'
import { scramVerifier } from '../../../rotation/engines/postgres/scram.ts'
import type { Engine } from '../source.ts'

/** One step of a single user's rotation: its calls in order, and the logins that follow them. */
export type LoopStep = {
  /** The name of the function that does the step. */
  function: string
  calls: Call[]
  /** With which value the step logs in, if it does. */
  loginStage: VersionStage
  /** The statements of each login. */
  logins: string[][]
}

/** Which version of the secret. */
type VersionStage = 'current' | 'pending'

/** A call of Secrets Manager or Step Functions, with the version and the label that it names. */
export type Call = { action: string; version?: VersionStage | undefined; stage?: string | undefined }

/** A secret value. */
type Value = { host: string; port: number; dbname: string; username: string; password: string }

/** The event for one step. `tokens` are the ids of both versions; the rotation makes the pending one. */
export type LoopEvent = {
  engine: Engine
  secret: string
  tokens: Record<VersionStage, string>
  step: LoopStep
}

// The clients and drivers have the same timeouts as Keyturn's.
const client = new SecretsManagerClient({ requestHandler: REQUEST_TIMEOUTS })
const stepFunctions = new SFNClient({ requestHandler: REQUEST_TIMEOUTS })
const { connectTimeout, statementTimeout } = defaultEngineOptions
const timeout = statementTimeout + 1_000
const ca = readFileSync(process.env.KEYTURN_CA_FILE ?? '', 'utf8')
const secureContext = createSecureContext({ ca })
const ssl = { ca, verifyIdentity: true, minVersion: 'TLSv1.2' as const }

/** Runs one step with the SDK and the drivers alone, without Keyturn's steps, strategies, sessions and checks. */
export async function handler({ engine, secret, tokens, step }: LoopEvent): Promise<void> {
  const values: Partial<Record<VersionStage, Value>> = {}
  for (const call of step.calls) await send(call, { secret, tokens }, values)
  for (const statements of step.logins) {
    const login = required(values[step.loginStage])
    const filled = await Promise.all(statements.map(statement => fill(statement, values)))
    await (engine === 'postgres' ? runOnPostgres(login, filled) : runOnMysql(login, filled))
  }
}

/** Makes one call, and keeps a value that it reads. */
async function send(
  { action, version, stage }: Call,
  { secret: SecretId, tokens }: Pick<LoopEvent, 'secret' | 'tokens'>,
  values: Partial<Record<VersionStage, Value>>,
): Promise<void> {
  const { current, pending } = tokens
  if (action === 'DescribeSecret') await client.send(new DescribeSecretCommand({ SecretId }))
  else if (action === 'GetSecretValue') {
    const which = { VersionId: version && tokens[version], VersionStage: stage }
    const { SecretString = '' } = await client.send(new GetSecretValueCommand({ SecretId, ...which }))
    values[version ?? 'current'] = JSON.parse(SecretString)
  } else if (action === 'PutSecretValue') {
    const SecretString = JSON.stringify({ ...values.current, password: randomBytes(16).toString('hex') })
    const version = { ClientRequestToken: pending, VersionStages: stage ? [stage] : undefined }
    await client.send(new PutSecretValueCommand({ SecretId, SecretString, ...version }))
  } else if (action === 'UpdateSecretVersionStage') {
    const move = { VersionStage: stage, MoveToVersionId: pending, RemoveFromVersionId: current }
    await client.send(new UpdateSecretVersionStageCommand({ SecretId, ...move }))
  } else if (action === 'GetExecutionHistory') {
    const executionArn = `${process.env.KEYTURN_EXECUTIONS}:${pending}`
    const query = { executionArn, maxResults: 1000, includeExecutionData: false }
    await stepFunctions.send(new GetExecutionHistoryCommand(query)).catch(ignoreUnknownExecution)
  } else throw new Error(`${action} is not called by a rotation of a single user that goes well`)
}

/** The Step Functions here does not know the execution: that error is expected. */
function ignoreUnknownExecution(error: Error): void {
  if (error.name !== 'ExecutionDoesNotExist') throw error
}

/** Puts the new password in the place of the recorded one into a statement, which is as the server logged it. */
async function fill(
  statement: string,
  { current, pending }: Partial<Record<VersionStage, Value>>,
): Promise<string> {
  for (const [before, after] of passwordRewrites) {
    const parts = statement.split(before)
    if (parts.length > 1)
      return parts.join(await after(required(pending).password, required(current).password))
  }
  return statement
}

/** How servers log a new password, and what is sent in its place. */
const passwordRewrites: [RegExp, (next: string, old: string) => string | Promise<string>][] = [
  [/'SCRAM-SHA-256\$[^']+'/, async next => pg.escapeLiteral(await scramVerifier(next))],
  [/'\*[0-9A-F]{40}'/, next => quoteText(nativePasswordHash(next))],
  [/<secret> REPLACE <secret>/, (next, old) => `${quoteText(next)} replace ${quoteText(old)}`],
]

async function runOnPostgres({ host, port, dbname, username, password }: Value, statements: string[]) {
  const database = new pg.Client({
    host,
    port,
    database: dbname,
    user: username,
    password,
    ssl: { secureContext },
    application_name: 'loop',
    connectionTimeoutMillis: connectTimeout,
    query_timeout: timeout,
  })
  await database.connect()
  for (const statement of statements) await database.query(statement)
  await database.end()
}

async function runOnMysql({ host, port, dbname, username, password }: Value, statements: string[]) {
  const login = { host, port, database: dbname, user: username, password, ssl, charset: 'utf8mb4' }
  const database = await createConnection({ ...login, connectTimeout })
  for (const sql of statements) await database.query({ sql, timeout })
  await database.end()
}

/** @throws Error if a value is missing */
function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('a step logs in, or sets a password, before it has read the value')
  return value
}

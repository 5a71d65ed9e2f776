import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import pg, { escapeIdentifier as name, escapeLiteral as text } from 'pg'
import { scramVerifier } from '../rotation/engines/scram.ts'
import { type PostgresServer, startPostgres } from './postgres.ts'
import { type SecretsManagerServer, startSecretsManager } from './secretsManager.ts'
import { arnOf, type Task } from './stateMachine.ts'
import { type StepFunctionsServer, startStepFunctions } from './stepFunctions.ts'

/** All that a rotation needs, in this process: a real PostgreSQL, a local Secrets Manager, the real functions. */
export type Embedded = {
  postgres: PostgresServer
  secretsManager: SecretsManagerServer
  stepFunctions: StepFunctionsServer
  secrets: SecretsManagerClient
  /** One task for each state that runs a function, by the state's name. */
  tasks: Record<string, Task>
  /** Makes a user in the database and its secret; gives back the secret's ARN. */
  enrol(user: string, options?: { admin?: Admin; tags?: Record<string, string> }): Promise<string>
  /** Makes an admin such as RDS has, who may create roles but is no superuser, and its secret. */
  makeAdmin(user: string): Promise<Admin>
  stop(): Promise<void>
}

type Admin = { user: string; arn: string }

/** Which function a state runs, by the names of their files. */
export const functionOf = {
  CreateSecret: 'createSecret',
  DiscardSecret: 'rollbackSecret',
  RollbackAbandoned: 'rollbackSecret',
  SetSecret: 'setSecret',
  TestSecret: 'testSecret',
  FinishSecret: 'finishSecret',
  RollbackSecret: 'rollbackSecret',
  RetireSecret: 'retireSecret',
}

/** Starts it all. As in Lambda, the functions read their environment when they are loaded: so it is set first. */
export async function startEmbedded(): Promise<Embedded> {
  const [postgres, secretsManager, stepFunctions] = await Promise.all([
    startPostgres(),
    startSecretsManager(),
    startStepFunctions(),
  ])
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_SECRETS_MANAGER: secretsManager.url,
    AWS_ENDPOINT_URL_SFN: stepFunctions.url,
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    KEYTURN_EXECUTIONS: arnOf('states', 'execution:keyturn-local-rotate'),
    KEYTURN_CA_FILE: postgres.caFile,
    POWERTOOLS_LOG_LEVEL: process.env.POWERTOOLS_LOG_LEVEL ?? 'SILENT',
    POWERTOOLS_METRICS_DISABLED: 'true',
  })
  const secrets = new SecretsManagerClient()
  const tasks: Record<string, Task> = {}
  for (const [state, file] of Object.entries(functionOf)) tasks[state] = await load(file)
  Object.assign(stepFunctions.tasks, tasks)
  const superuser = await connect(postgres)

  /** A role whose password the server has never seen in clear text, and a secret that holds it. */
  async function make(user: string, attributes: string, more: object, tags: Record<string, string>) {
    const password = randomUUID()
    const verifier = text(await scramVerifier(password))
    await superuser.query(`create role ${name(user)} login ${attributes} password ${verifier}`)
    const { host, port } = postgres
    const value = { engine: 'postgres', host, port, dbname: 'postgres', username: user, password, ...more }
    const { ARN = '' } = await secrets.send(
      new CreateSecretCommand({
        Name: `demo/${user}`,
        SecretString: JSON.stringify(value),
        Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
      }),
    )
    return ARN
  }

  return {
    postgres,
    secretsManager,
    stepFunctions,
    secrets,
    tasks,
    async makeAdmin(user) {
      return { user, arn: await make(user, 'createrole', {}, { 'keyturn:admin': 'true' }) }
    },
    async enrol(user, { admin, tags = {} } = {}) {
      const arn = await make(user, '', { masterarn: admin?.arn }, { 'keyturn:managed': 'true', ...tags })
      if (admin) await superuser.query(`grant ${name(user)} to ${name(admin.user)} with admin option`)
      return arn
    },
    async stop() {
      await superuser.end()
      stepFunctions.stop()
      await Promise.all([postgres.stop(), secretsManager.stop()])
    },
  }
}

/** The handler of a function, called as Lambda calls it. */
export async function load(file: string): Promise<Task> {
  const { handler } = await import(`../functions/${file}.ts`)
  return event =>
    handler(event, {
      functionName: file,
      awsRequestId: randomUUID(),
      getRemainingTimeInMillis: () => 900_000,
    })
}

async function connect({ host, port, caFile, superuser }: PostgresServer): Promise<pg.Client> {
  const ssl = { ca: readFileSync(caFile, 'utf8') }
  const client = new pg.Client({ host, port, ssl, database: 'postgres', ...superuser })
  await client.connect()
  return client
}

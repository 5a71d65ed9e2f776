import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { type PostgresServer, startPostgres } from './postgres.ts'
import { type SecretsManagerServer, startSecretsManager } from './secretsManager.ts'
import { SecretsShelf } from './shelves.ts'
import { arnOf, type Task } from './stateMachine.ts'
import { type StepFunctionsServer, startStepFunctions } from './stepFunctions.ts'
import { Users } from './users.ts'

/** All that a rotation needs, in this process: a real PostgreSQL, a local Secrets Manager, the real functions. */
export type Embedded = {
  postgres: PostgresServer
  secretsManager: SecretsManagerServer
  stepFunctions: StepFunctionsServer
  secrets: SecretsManagerClient
  /** One task for each state that runs a function, by the state's name. */
  tasks: Record<string, Task>
  users: Users
  stop(): Promise<void>
}

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
  MayMoveBack: 'retireSecret',
}

/**
 * Starts it all. As in Lambda, the functions read their environment when they are loaded: so it is set first. `trust`
 * names the certificates of further servers, as files.
 */
export async function startEmbedded({ trust = [] }: { trust?: string[] } = {}): Promise<Embedded> {
  const [postgres, secretsManager, stepFunctions] = await Promise.all([
    startPostgres(),
    startSecretsManager(),
    startStepFunctions(),
  ])
  const caFile = join(dirname(postgres.caFile), 'trusted.pem')
  writeFileSync(caFile, [postgres.caFile, ...trust].map(file => readFileSync(file, 'utf8')).join('\n'))
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_SECRETS_MANAGER: secretsManager.url,
    AWS_ENDPOINT_URL_SFN: stepFunctions.url,
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    KEYTURN_EXECUTIONS: arnOf('states', 'execution:keyturn-local-rotate'),
    KEYTURN_CA_FILE: caFile,
    POWERTOOLS_LOG_LEVEL: process.env.POWERTOOLS_LOG_LEVEL ?? 'SILENT',
    POWERTOOLS_METRICS_DISABLED: 'true',
  })
  const secrets = new SecretsManagerClient()
  const tasks: Record<string, Task> = {}
  for (const [state, file] of Object.entries(functionOf)) tasks[state] = await load(file)
  Object.assign(stepFunctions.tasks, tasks)
  const users = await Users.of(postgres, new SecretsShelf(secrets), 'demo/')
  return {
    postgres,
    secretsManager,
    stepFunctions,
    secrets,
    tasks,
    users,
    async stop() {
      await users[Symbol.asyncDispose]()
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

import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import type { StateName } from '../../fleet/states.ts'
import { type SecretsManagerServer, startSecretsManager } from '../aws/secretsManager.ts'
import { type StepFunctionsServer, startStepFunctions } from '../aws/stepFunctions.ts'
import { Users } from '../client/users.ts'
import { SecretValueStore } from '../client/valueStores.ts'
import { type RunningPostgres, startPostgres } from '../servers/postgres.ts'
import { makeEventBusTasks } from './eventBus.ts'
import { arnOf, functionsOf, type Task, type Tasks } from './stateMachine.ts'

/** All that a rotation needs, on this machine: a real PostgreSQL, local AWS services, and the real functions in this process. */
export type Embedded = {
  postgres: RunningPostgres
  secretsManager: SecretsManagerServer
  stepFunctions: StepFunctionsServer
  /** A client of the local Secrets Manager. */
  secrets: SecretsManagerClient
  /** The task of each state of rotate that runs a function, and of each state that puts an event on the bus, where nobody listens. */
  tasks: Tasks
  /** Makes users in this PostgreSQL and their secrets. */
  users: Users
  stop(): Promise<void>
}

type RotateState = StateName<'rotate'>

/** The function that each state of rotate runs, if it runs one. */
export const functionsOfRotate = functionsOf('rotate') as Map<RotateState, FunctionName>

/** The function that a state of rotate runs. @throws Error if the state runs none */
export function functionOfState(state: RotateState): FunctionName {
  const name = functionsOfRotate.get(state)
  if (!name) throw new Error(`${state} runs no function`)
  return name
}

/**
 * Starts everything. Sets environment variables of this process before it loads the functions, as they read their environment then.
 * @param trust certificates of further servers that the functions trust, as files
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
    KEYTURN_ROTATION_FUNCTION: arnOf('lambda', 'function:keyturn-local-rotateSecret'),
    KEYTURN_CA_FILE: caFile,
    POWERTOOLS_LOG_LEVEL: process.env.POWERTOOLS_LOG_LEVEL ?? 'SILENT',
    POWERTOOLS_METRICS_DISABLED: 'true',
  })
  const secrets = new SecretsManagerClient()
  const tasks = makeEventBusTasks()
  for (const [state, file] of functionsOfRotate) tasks[state] = await loadHandler(file)
  Object.assign(stepFunctions.tasks, tasks)
  const users = await Users.connect(postgres, new SecretValueStore(secrets), 'demo/')
  return {
    postgres,
    secretsManager,
    stepFunctions,
    secrets,
    tasks,
    users,
    async stop() {
      await users[Symbol.asyncDispose]()
      await Promise.all([postgres.stop(), secretsManager.stop(), stepFunctions.stop()])
    },
  }
}

/** Imports the file of each function. They are imported when needed only, as they read their environment then. */
const functionModules = {
  awaitReplicas: () => import('../../functions/awaitReplicas.ts'),
  awaitRotation: () => import('../../functions/awaitRotation.ts'),
  checkCredential: () => import('../../functions/checkCredential.ts'),
  createSecret: () => import('../../functions/createSecret.ts'),
  findDue: () => import('../../functions/findDue.ts'),
  findReplicas: () => import('../../functions/findReplicas.ts'),
  findVersion: () => import('../../functions/findVersion.ts'),
  finishSecret: () => import('../../functions/finishSecret.ts'),
  handOver: () => import('../../functions/handOver.ts'),
  notePromotion: () => import('../../functions/notePromotion.ts'),
  promoteReplica: () => import('../../functions/promoteReplica.ts'),
  raiseAlarm: () => import('../../functions/raiseAlarm.ts'),
  recordRotation: () => import('../../functions/recordRotation.ts'),
  reportPromotion: () => import('../../functions/reportPromotion.ts'),
  reportRotations: () => import('../../functions/reportRotations.ts'),
  retireSecret: () => import('../../functions/retireSecret.ts'),
  rollbackSecret: () => import('../../functions/rollbackSecret.ts'),
  rotateSecret: () => import('../../functions/rotateSecret.ts'),
  rotateServer: () => import('../../functions/rotateServer.ts'),
  setAdmin: () => import('../../functions/setAdmin.ts'),
  setSecret: () => import('../../functions/setSecret.ts'),
  startRotation: () => import('../../functions/startRotation.ts'),
  switchRegion: () => import('../../functions/switchRegion.ts'),
  takeSlot: () => import('../../functions/takeSlot.ts'),
  testSecret: () => import('../../functions/testSecret.ts'),
}

/** The name of a Lambda function's file in functions/, without `.ts`. */
export type FunctionName = keyof typeof functionModules

/** The handler of a function, as a task that calls the handler with a context as Lambda does. */
export async function loadHandler(name: FunctionName): Promise<Task> {
  const { handler } = await functionModules[name]()
  const invoke = handler as (event: unknown, context: object) => unknown
  return event =>
    invoke(event, {
      functionName: name,
      awsRequestId: randomUUID(),
      getRemainingTimeInMillis: () => 900_000,
    })
}

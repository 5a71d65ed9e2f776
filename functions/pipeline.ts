import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { Credential, type EngineName, type Format } from '../rotation/credential.ts'
import type { Engine } from '../rotation/engines/engine.ts'
import { loadEngine } from '../rotation/engines/load.ts'
import { InvalidCredential } from '../rotation/errors.ts'
import type { Pipeline } from '../rotation/pipeline.ts'
import type { Rds } from '../rotation/rds.ts'
import type { ParameterStore } from '../rotation/stores/parameterStore.ts'
import { SecretsManager } from '../rotation/stores/secretsManager.ts'
import type { Store, StoreName } from '../rotation/stores/store.ts'
import { parseEnvironment } from './environment.ts'
import { Executions } from './executions.ts'
import { requestHandler } from './requestHandler.ts'

const environment = parseEnvironment(process.env)
const secretsManager = new SecretsManager(new SecretsManagerClient({ requestHandler }))
/** Secrets Manager is always there, as admins' values are kept in it; other clients are loaded when first used. */
const stores: Record<StoreName, () => Promise<Store>> = {
  'secrets-manager': async () => secretsManager,
  'parameter-store': loadParameterStore,
}
let parameterStore: Promise<ParameterStore> | undefined
let rds: Promise<Rds> | undefined
/** The executions of this stack, which rotate. */
export const executions = new Executions(environment.executions, { requestHandler })
const engines: Partial<Record<EngineName, Promise<Engine>>> = {}

/** The pipeline of this function: the real stores and engines, as its environment says. */
export async function pipelineFor(name: StoreName): Promise<Pipeline> {
  return {
    store: await stores[name](),
    engine: name => {
      const { caFile, testMayWrite = false } = environment
      engines[name] ??= loadEngine[name]({ caFile, testMayWrite })
      return engines[name]
    },
    admin: readAdmin,
    connection: readConnection,
    rds: loadRds,
    async rotating(token) {
      const latest = await executions.latest(token)
      if (latest?.status !== 'RUNNING') return false
      return (await executions.progress(latest, 'AnnounceSuccess')) === 'running'
    },
    running: async token => (await executions.latest(token))?.status === 'RUNNING',
    untouched: token => executions.untouched(token),
    wasSet: token => executions.wasSet(token),
    defaults: environment.defaults,
  }
}

/** The same for a rotation that Secrets Manager asked for: what it writes carries the service's `rotationToken`. */
export async function pipelineOnBehalf(rotationToken: string): Promise<Pipeline> {
  return { ...(await pipelineFor('secrets-manager')), store: secretsManager.onBehalf(rotationToken) }
}

function loadParameterStore(): Promise<ParameterStore> {
  parameterStore ??= (async () => {
    const [{ SSMClient }, { ParameterStore }] = await Promise.all([
      import('@aws-sdk/client-ssm'),
      import('../rotation/stores/parameterStore.ts'),
    ])
    return new ParameterStore(new SSMClient({ requestHandler }))
  })()
  return parameterStore
}

function loadRds(): Promise<Rds> {
  rds ??= (async () => {
    const [{ RDSClient }, { Rds }] = await Promise.all([
      import('@aws-sdk/client-rds'),
      import('../rotation/rds.ts'),
    ])
    return new Rds(new RDSClient({ requestHandler }))
  })()
  return rds
}

async function readAdmin(arn: string) {
  // No name that anybody else gives to a secret may hold a `!`.
  const store = arn.includes(':secret:rds!') ? secretsManager.as(await masterFormat(arn)) : secretsManager
  const version = await store.read(arn, { stage: 'current' })
  if (!version) throw new InvalidCredential('masterarn', `there is no value in secret ${arn}`)
  return version.credential
}

/** RDS keeps no host in the secret of a master that it manages, and tags the secret with its database. */
async function masterFormat(arn: string): Promise<Format> {
  const { tags } = await secretsManager.describe(arn)
  const database = tags['aws:rds:primaryDBInstanceArn'] ?? tags['aws:rds:primaryDBClusterArn']
  if (!database) throw new InvalidCredential('masterarn', `no tag of secret ${arn} names its database`)
  return Credential.master(await (await loadRds()).target(database))
}

async function readConnection(name: string): Promise<string> {
  const text = await (await loadParameterStore()).value(name)
  if (text === undefined)
    throw new InvalidCredential(
      'keyturn:connection',
      `there is no parameter ${name} in this account and Region`,
    )
  return text
}

import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import type { EngineName } from '../rotation/credential.ts'
import type { Engine } from '../rotation/engines/engine.ts'
import { loadEngine } from '../rotation/engines/load.ts'
import { InvalidCredential } from '../rotation/errors.ts'
import type { Pipeline } from '../rotation/steps.ts'
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
/** The executions of this stack, which rotate. */
export const executions = new Executions(environment.executions, { requestHandler })
const engines: Partial<Record<EngineName, Promise<Engine>>> = {}

/** The pipeline of this function: the real stores and engines, as its environment says. */
export async function pipelineFor(name: StoreName): Promise<Pipeline> {
  return {
    store: await stores[name](),
    engine: name => {
      engines[name] ??= loadEngine[name]({ caFile: environment.caFile })
      return engines[name]
    },
    admin: readAdmin,
    connection: readConnection,
    running: async token => (await executions.latest(token))?.status === 'RUNNING',
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

async function readAdmin(arn: string) {
  const version = await secretsManager.read(arn, { stage: 'current' })
  if (!version) throw new InvalidCredential('masterarn', `there is no value in secret ${arn}`)
  return version.credential
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

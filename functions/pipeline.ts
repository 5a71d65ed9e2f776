import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import type { EngineName } from '../rotation/credential.ts'
import type { Engine } from '../rotation/engines/engine.ts'
import { loadEngine } from '../rotation/engines/load.ts'
import { InvalidCredential, InvalidInput, NotPermitted, Throttled } from '../rotation/errors.ts'
import type { Pipeline } from '../rotation/steps.ts'
import { SecretsManager } from '../rotation/stores/secretsManager.ts'
import type { Store } from '../rotation/stores/store.ts'
import { parseEnvironment } from './environment.ts'
import { isToken, type StoreName } from './event.ts'

const environment = parseEnvironment(process.env)
/** Milliseconds; the SDK itself would wait without end. */
const requestHandler = { connectionTimeout: 2_000, requestTimeout: 5_000, throwOnRequestTimeout: true }
const secretsManager = new SecretsManager(new SecretsManagerClient({ requestHandler }))
/** Secrets Manager is always there, as admins' values are kept in it; other clients are loaded when first used. */
const loadStore: Record<StoreName, () => Promise<Store>> = {
  'secrets-manager': async () => secretsManager,
  'parameter-store': async () => {
    const [{ SSMClient }, { ParameterStore }] = await Promise.all([
      import('@aws-sdk/client-ssm'),
      import('../rotation/stores/parameterStore.ts'),
    ])
    return new ParameterStore(new SSMClient({ requestHandler }))
  },
}
const stores: Partial<Record<StoreName, Promise<Store>>> = {}
const engines: Partial<Record<EngineName, Promise<Engine>>> = {}

/** The pipeline of this function: the real stores and engines, as its environment says. */
export async function pipelineFor(name: StoreName): Promise<Pipeline> {
  stores[name] ??= loadStore[name]()
  return {
    store: await stores[name],
    engine: name => {
      engines[name] ??= loadEngine[name]({ caFile: environment.caFile })
      return engines[name]
    },
    admin: readAdmin,
    running: executionRuns,
    defaults: environment.defaults,
  }
}

async function readAdmin(arn: string) {
  const version = await secretsManager.read(arn, { stage: 'current' })
  if (!version) throw new InvalidCredential('masterarn', `there is no value in secret ${arn}`)
  return version.credential
}

/** Asks Step Functions; its client is loaded only here, as rotations that go well never need it. */
async function executionRuns(token: string): Promise<boolean> {
  if (!environment.executions) throw new InvalidInput('environment variable KEYTURN_EXECUTIONS: is not set')
  // No execution of ours has such a name: another tool left this version pending.
  if (!isToken(token)) return false
  const { DescribeExecutionCommand, SFNClient } = await import('@aws-sdk/client-sfn')
  const client = new SFNClient({ requestHandler })
  try {
    const executionArn = `${environment.executions}:${token}`
    const { status } = await client.send(new DescribeExecutionCommand({ executionArn }))
    return status === 'RUNNING'
  } catch (error) {
    if (!(error instanceof Error)) throw error
    if (error.name === 'ExecutionDoesNotExist') return false
    if (error.name === 'AccessDeniedException') throw new NotPermitted(`Step Functions: ${error.message}`)
    if (['InvalidArn', 'ValidationException'].includes(error.name))
      throw new InvalidInput('environment variable KEYTURN_EXECUTIONS: should be the ARN of the executions')
    throw new Throttled(`Step Functions: ${error.name}`)
  }
}

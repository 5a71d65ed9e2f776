import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { Executions } from '../../fleet/executions.ts'
import { InvalidCredential } from '../../rotation/errors.ts'
import type { StorePipeline } from '../../rotation/pipeline.ts'
import type { ParameterStore } from '../../rotation/stores/parameterStore.ts'
import { SecretsManager } from '../../rotation/stores/secretsManager.ts'
import type { Store, StoreName } from '../../rotation/stores/store.ts'
import type { Environment } from './environment.ts'
import type { REQUEST_TIMEOUTS } from './requestTimeouts.ts'

/** What every AWS client is made with. */
type ClientSettings = { requestHandler: typeof REQUEST_TIMEOUTS }

/**
 * Pipelines of the real stores, as a function's settings say, for steps that ask no database: a package that holds these
 * alone has no driver in it. Secrets Manager is always there, as admins' values are kept in it; other clients are loaded
 * when first used.
 */
export class StorePipelines {
  /** The executions of this stack, which rotate. */
  readonly executions: Executions
  protected readonly environment: Environment
  protected readonly settings: ClientSettings
  protected readonly secretsManager: SecretsManager
  protected readonly region: () => Promise<string>
  #parameterStore: Promise<ParameterStore> | undefined

  constructor(environment: Environment, settings: ClientSettings) {
    this.executions = new Executions(environment.executionArnPrefix, settings)
    this.environment = environment
    this.settings = settings
    const client = new SecretsManagerClient(settings)
    this.region = () => client.config.region()
    this.secretsManager = new SecretsManager(client)
  }

  /** The pipeline for what is kept in this store. */
  async of(name: StoreName): Promise<StorePipeline> {
    return this.#over(await this.#stores[name]())
  }

  /** The same for a rotation that Secrets Manager asked for: what it writes carries the service's `rotationToken`. */
  withRotationToken(rotationToken: string): StorePipeline {
    return this.#over(this.secretsManager.withRotationToken(rotationToken))
  }

  #over(store: Store): StorePipeline {
    const { executions } = this
    return {
      store,
      readConnection: name => this.#connection(name),
      async isRotating(token) {
        const latest = await executions.findLatestAttempt(token)
        if (latest?.status !== 'RUNNING') return false
        const progress = await executions.progressOf(latest)
        return !progress?.hasEnded && !progress?.enteredStates.has('AnnounceSuccess')
      },
      isExecutionRunning: async token => (await executions.findLatestAttempt(token))?.status === 'RUNNING',
      hasChangedNothing: token => executions.leftDatabaseUntouched(token),
      wasSet: token => executions.hasSetSecret(token),
      defaults: this.environment.defaults,
    }
  }

  readonly #stores: Record<StoreName, () => Promise<Store>> = {
    'secrets-manager': async () => this.secretsManager,
    'parameter-store': () => this.#loadParameterStore(),
  }

  #loadParameterStore(): Promise<ParameterStore> {
    this.#parameterStore ??= import('../../rotation/stores/parameterStore.ts').then(({ ParameterStore }) =>
      ParameterStore.fromConfig(this.settings),
    )
    return this.#parameterStore
  }

  async #connection(name: string): Promise<string> {
    const text = await (await this.#loadParameterStore()).readValue(name)
    if (text === undefined)
      throw new InvalidCredential(
        'keyturn:connection',
        `there is no parameter ${name} in this account and Region`,
      )
    return text
  }
}

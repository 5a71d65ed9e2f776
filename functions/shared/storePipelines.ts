import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { Executions } from '../../fleet/executions.ts'
import { InvalidCredential } from '../../rotation/errors.ts'
import type { StorePipeline } from '../../rotation/pipeline.ts'
import type { ParameterStore } from '../../rotation/stores/parameterStore.ts'
import { SecretsManager } from '../../rotation/stores/secretsManager.ts'
import type { Store, StoreName } from '../../rotation/stores/store.ts'
import type { Environment } from './environment.ts'
import type { REQUEST_TIMEOUTS } from './requestTimeouts.ts'

/** The settings of every AWS client. */
type ClientSettings = { requestHandler: typeof REQUEST_TIMEOUTS }

/**
 * Pipelines for steps that connect to no database, one for each store. The package of a function that imports only this file has
 * no database driver. The client of Secrets Manager is always loaded, because most credentials are kept there, and so are the
 * admins' values that the subclass Pipelines reads. Other clients are loaded when they are first used.
 */
export class StorePipelines {
  /** The executions of this stack's state machine rotate. */
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

  /** The pipeline for credentials that are kept in this store. */
  async of(name: StoreName): Promise<StorePipeline> {
    return this.#pipelineOver(await this.#stores[name]())
  }

  /** The pipeline for secrets that writes values with the `rotationToken` of a call of Secrets Manager. */
  withRotationToken(rotationToken: string): StorePipeline {
    return this.#pipelineOver(this.secretsManager.withRotationToken(rotationToken))
  }

  #pipelineOver(store: Store): StorePipeline {
    const { executions } = this
    return {
      store,
      readConnection: name => this.#readConnection(name),
      async isRotating(token) {
        const latest = await executions.findLatestAttempt(token)
        if (latest?.status !== 'RUNNING') return false
        const progress = await executions.progressOf(latest)
        return !progress?.hasEnded && !progress?.enteredStates.has('AnnounceSuccess')
      },
      isExecutionRunning: async token => (await executions.findLatestAttempt(token))?.status === 'RUNNING',
      hasChangedNothing: token => executions.hasChangedNothing(token),
      wasSet: token => executions.wasSet(token),
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

  /** Reads the parameter that a tag keyturn:connection names. @throws InvalidCredential if there is no such parameter */
  async #readConnection(name: string): Promise<string> {
    const text = await (await this.#loadParameterStore()).readValue(name)
    if (text === undefined)
      throw new InvalidCredential(
        'keyturn:connection',
        `there is no parameter ${name} in this account and Region`,
      )
    return text
  }
}

import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { Executions } from '../../fleet/executions.ts'
import { inRegion } from '../../rotation/arn.ts'
import { Credential, type Format } from '../../rotation/credential.ts'
import type { Engine } from '../../rotation/engines/engine.ts'
import { loadEngine } from '../../rotation/engines/load.ts'
import type { EngineName } from '../../rotation/engines/traits.ts'
import { InvalidCredential } from '../../rotation/errors.ts'
import type { Pipeline } from '../../rotation/pipeline.ts'
import type { Rds } from '../../rotation/rds.ts'
import type { ParameterStore } from '../../rotation/stores/parameterStore.ts'
import { SecretsManager } from '../../rotation/stores/secretsManager.ts'
import type { Store, StoreName } from '../../rotation/stores/store.ts'
import type { Environment } from './environment.ts'
import type { requestHandler } from './requestHandler.ts'

/** What every AWS client is made with. */
type ClientSettings = { requestHandler: typeof requestHandler }

/**
 * Pipelines of the real stores and engines, as a function's settings say. Secrets Manager is always there, as admins'
 * values are kept in it; other clients, and the drivers, are loaded when first used.
 */
export class Pipelines {
  /** The executions of this stack, which rotate. */
  readonly executions: Executions
  readonly #environment: Environment
  readonly #settings: ClientSettings
  readonly #region: () => Promise<string>
  readonly #secretsManager: SecretsManager
  readonly #engines: Partial<Record<EngineName, Promise<Engine>>> = {}
  #parameterStore: Promise<ParameterStore> | undefined
  #rds: Promise<Rds> | undefined

  constructor(environment: Environment, settings: ClientSettings) {
    this.executions = new Executions(environment.executions, settings)
    this.#environment = environment
    this.#settings = settings
    const client = new SecretsManagerClient(settings)
    this.#region = () => client.config.region()
    this.#secretsManager = new SecretsManager(client)
  }

  /** The pipeline for what is kept in this store. */
  async of(name: StoreName): Promise<Pipeline> {
    const { executions } = this
    return {
      store: await this.#stores[name](),
      engine: name => this.#engine(name),
      admin: arn => this.#admin(arn),
      connection: name => this.#connection(name),
      rds: () => this.#loadRds(),
      async rotating(token) {
        const latest = await executions.latest(token)
        if (latest?.status !== 'RUNNING') return false
        const progress = await executions.progress(latest)
        return !progress?.ended && !progress?.entered.has('AnnounceSuccess')
      },
      running: async token => (await executions.latest(token))?.status === 'RUNNING',
      untouched: token => executions.untouched(token),
      wasSet: token => executions.wasSet(token),
      defaults: this.#environment.defaults,
    }
  }

  /** The same for a rotation that Secrets Manager asked for: what it writes carries the service's `rotationToken`. */
  async onBehalf(rotationToken: string): Promise<Pipeline> {
    return { ...(await this.of('secrets-manager')), store: this.#secretsManager.onBehalf(rotationToken) }
  }

  readonly #stores: Record<StoreName, () => Promise<Store>> = {
    'secrets-manager': async () => this.#secretsManager,
    'parameter-store': () => this.#loadParameterStore(),
  }

  #engine(name: EngineName): Promise<Engine> {
    const { caFile, testMayWrite = false } = this.#environment
    this.#engines[name] ??= loadEngine[name]({ caFile, testMayWrite })
    return this.#engines[name]
  }

  #loadParameterStore(): Promise<ParameterStore> {
    this.#parameterStore ??= (async () => {
      const [{ SSMClient }, { ParameterStore }] = await Promise.all([
        import('@aws-sdk/client-ssm'),
        import('../../rotation/stores/parameterStore.ts'),
      ])
      return new ParameterStore(new SSMClient(this.#settings))
    })()
    return this.#parameterStore
  }

  #loadRds(): Promise<Rds> {
    this.#rds ??= (async () => {
      const [{ RDSClient }, { Rds }] = await Promise.all([
        import('@aws-sdk/client-rds'),
        import('../../rotation/rds.ts'),
      ])
      return new Rds(new RDSClient(this.#settings))
    })()
    return this.#rds
  }

  /** A replica of a value still names the admin in the primary's Region: it is read in the own one, always. */
  async #admin(stored: string): Promise<Credential> {
    const arn = inRegion(stored, await this.#region())
    // No name that anybody else gives to a secret may hold a `!`.
    const store = arn.includes(':secret:rds!')
      ? this.#secretsManager.as(await this.#masterFormat(arn))
      : this.#secretsManager
    const version = await store.read(arn, { stage: 'current' })
    if (!version) throw new InvalidCredential('masterarn', `there is no value in secret ${arn}`)
    return version.credential
  }

  /** RDS keeps no host in the secret of a master that it manages, and tags the secret with its database. */
  async #masterFormat(arn: string): Promise<Format> {
    const { tags } = await this.#secretsManager.describe(arn)
    const database = tags['aws:rds:primaryDBInstanceArn'] ?? tags['aws:rds:primaryDBClusterArn']
    if (!database) throw new InvalidCredential('masterarn', `no tag of secret ${arn} names its database`)
    return Credential.master(await (await this.#loadRds()).target(database))
  }

  async #connection(name: string): Promise<string> {
    const text = await (await this.#loadParameterStore()).value(name)
    if (text === undefined)
      throw new InvalidCredential(
        'keyturn:connection',
        `there is no parameter ${name} in this account and Region`,
      )
    return text
  }
}

import { arnInRegion } from '../../rotation/arn.ts'
import { Credential, type ValueParser } from '../../rotation/credential.ts'
import type { Engine } from '../../rotation/engines/engine.ts'
import { engineLoaders } from '../../rotation/engines/engineLoaders.ts'
import type { EngineName } from '../../rotation/engines/traits.ts'
import { InvalidCredential } from '../../rotation/errors.ts'
import type { Pipeline } from '../../rotation/pipeline.ts'
import type { Rds } from '../../rotation/rds.ts'
import type { StoreName } from '../../rotation/stores/store.ts'
import { StorePipelines } from './storePipelines.ts'

/** The same with the real engines, for steps that ask a database. Drivers, and RDS, are loaded when first used. */
export class Pipelines extends StorePipelines {
  readonly #engines: Partial<Record<EngineName, Promise<Engine>>> = {}
  #rds: Promise<Rds> | undefined

  override async of(name: StoreName): Promise<Pipeline> {
    return {
      ...(await super.of(name)),
      loadEngine: name => this.#engine(name),
      readAdmin: arn => this.#admin(arn),
      rds: () => this.#loadRds(),
    }
  }

  #engine(name: EngineName): Promise<Engine> {
    const { caFile, testMayWrite = false } = this.environment
    this.#engines[name] ??= engineLoaders[name]({ caFile, testMayWrite })
    return this.#engines[name]
  }

  #loadRds(): Promise<Rds> {
    this.#rds ??= import('../../rotation/rds.ts').then(({ Rds }) => Rds.fromConfig(this.settings))
    return this.#rds
  }

  /** A replica of a value still names the admin in the primary's Region: it is read in the own one, always. */
  async #admin(stored: string): Promise<Credential> {
    const arn = arnInRegion(stored, await this.region())
    // No name that anybody else gives to a secret may hold a `!`.
    const store = arn.includes(':secret:rds!')
      ? this.secretsManager.withParser(await this.#masterFormat(arn))
      : this.secretsManager
    const version = await store.read(arn, { stage: 'current' })
    if (!version) throw new InvalidCredential('masterarn', `there is no value in secret ${arn}`)
    return version.credential
  }

  /** RDS keeps no host in the secret of a master that it manages, and tags the secret with its database. */
  async #masterFormat(arn: string): Promise<ValueParser> {
    const { tags } = await this.secretsManager.describe(arn)
    const database = tags['aws:rds:primaryDBInstanceArn'] ?? tags['aws:rds:primaryDBClusterArn']
    if (!database) throw new InvalidCredential('masterarn', `no tag of secret ${arn} names its database`)
    return Credential.masterParser(await (await this.#loadRds()).findEndpoint(database))
  }
}

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

/**
 * Pipelines for steps that connect to a database: those of StorePipelines, with the engines, admins' credentials and RDS added.
 * The drivers of databases and the client of RDS are loaded when they are first used.
 */
export class Pipelines extends StorePipelines {
  readonly #engines: Partial<Record<EngineName, Promise<Engine>>> = {}
  #rds: Promise<Rds> | undefined

  /** The pipeline for credentials that are kept in this store. */
  override async of(name: StoreName): Promise<Pipeline> {
    return {
      ...(await super.of(name)),
      loadEngine: name => this.#loadEngine(name),
      readAdmin: arn => this.#readAdmin(arn),
      rds: () => this.#loadRds(),
    }
  }

  #loadEngine(name: EngineName): Promise<Engine> {
    const { caFile, testMayWrite = false } = this.environment
    this.#engines[name] ??= engineLoaders[name]({ caFile, testMayWrite })
    return this.#engines[name]
  }

  #loadRds(): Promise<Rds> {
    this.#rds ??= import('../../rotation/rds.ts').then(({ Rds }) => Rds.fromConfig(this.settings))
    return this.#rds
  }

  /**
   * Reads an admin's credential, always in this Region. The value of a promoted replica still names the admin by its ARN in the
   * Region where the value was written, so the ARN is first changed to this Region's.
   * @throws InvalidCredential if the secret has no value, or its database is not known
   */
  async #readAdmin(storedArn: string): Promise<Credential> {
    const arn = arnInRegion(storedArn, await this.region())
    // The names of secrets that RDS manages begin with rds!, which no other secret's name may:
    // https://docs.aws.amazon.com/secretsmanager/latest/userguide/service-linked-secrets.html
    const store = arn.includes(':secret:rds!')
      ? this.secretsManager.withParser(await this.#masterParserFor(arn))
      : this.secretsManager
    const version = await store.read(arn, { stage: 'current' })
    if (!version) throw new InvalidCredential('masterarn', `there is no value in secret ${arn}`)
    return version.credential
  }

  /**
   * The parser of the value of a master user that RDS manages. Such a value has only a user name and a password, so the host and
   * the engine are those of the database that a tag of the secret names. @throws InvalidCredential if no tag names it
   */
  async #masterParserFor(arn: string): Promise<ValueParser> {
    const { tags } = await this.secretsManager.describe(arn)
    const database = tags['aws:rds:primaryDBInstanceArn'] ?? tags['aws:rds:primaryDBClusterArn']
    if (!database) throw new InvalidCredential('masterarn', `no tag of secret ${arn} names its database`)
    return Credential.masterParser(await (await this.#loadRds()).findEndpoint(database))
  }
}

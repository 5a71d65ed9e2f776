import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  ReplicateSecretToRegionsCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import { expect } from 'vitest'
import type { Conduct } from '../../local/aws/secretsManager/conduct.ts'
import type { Embedded } from '../../local/embedded/embedded.ts'
import { PATIENCE } from '../../rotation/awaitPending.ts'
import { Credential } from '../../rotation/credential.ts'
import type { StrategyName } from '../../rotation/strategies/names.ts'
import type { Place } from './places.ts'

/** Where a secret's replicas are. */
export const regions = ['us-east-1', 'ap-south-1'] as const
const home = 'eu-west-1'

/** Has the functions, which are loaded later, look at these Regions, and not for long. */
export function lookAtRegions(): void {
  process.env.KEYTURN_PEER_REGIONS = regions.join(',')
  Object.assign(PATIENCE, { pending: 150, pause: 20 })
}

const never = Number.POSITIVE_INFINITY
/** What a replica can do, for as long as nobody mends it. */
export const misconduct: Record<string, Conduct> = {
  'is late': { inProgress: never },
  'is late and says InSync': { arrival: never },
  fails: { fails: 'key disabled' },
  'is wedged by two quick moves': { wedges: never },
  'cannot be asked': { endpoint: 'denied' },
}

/** A secret of a real server's user, with a replica in each of two Regions. */
export class Replicated {
  readonly id: string
  readonly #embedded: Embedded
  readonly #place: Place

  private constructor(id: string, embedded: Embedded, place: Place) {
    this.id = id
    this.#embedded = embedded
    this.#place = place
  }

  static async enrol(embedded: Embedded, place: Place, strategy: StrategyName): Promise<Replicated> {
    const app = await place.makeApp(strategy)
    await place.reset(app, undefined)
    const { shelf } = embedded.users
    const admin = await shelf.put(`${app.user}/admin`, app.admin.serialize(), { 'keyturn:admin': 'true' })
    const value = { ...JSON.parse(app.current.serialize()), masterarn: admin }
    const tags = {
      ...{ 'keyturn:managed': 'true', 'keyturn:home': home },
      ...{ 'keyturn:strategy': strategy, 'keyturn:grace': '1s' },
      ...place.tags,
    }
    const id = await shelf.put(`${app.user}/app`, JSON.stringify(value), tags)
    const secret = new Replicated(id, embedded, place)
    await secret.#replicate(...regions)
    return secret
  }

  async #replicate(...to: string[]): Promise<void> {
    const AddReplicaRegions = to.map(Region => ({ Region }))
    const command = new ReplicateSecretToRegionsCommand({ SecretId: this.id, AddReplicaRegions })
    await this.#embedded.secrets.send(command)
  }

  /** From now on a Region behaves so. */
  misbehave(region: string, conduct: Conduct): void {
    this.#embedded.secretsManager.setRegion(region, conduct)
  }

  /** What somebody on call does. */
  async mend(region: string): Promise<void> {
    this.misbehave(region, {})
    await this.#replicate(region)
  }

  /** Every Region hands out a value that logs in, as applications there see it: they reach their own Region. */
  async expectServed(where: string, victim?: string, conduct: Conduct = {}): Promise<void> {
    const isCutOff = victim !== undefined && conduct.endpoint !== undefined
    if (isCutOff) this.misbehave(victim, {})
    for (const region of [home, ...regions])
      expect(await this.#place.admits(await this.#servedIn(region)), `${where}: ${region} is served`).toBe(
        true,
      )
    if (isCutOff) this.misbehave(victim, conduct)
  }

  async #servedIn(region: string): Promise<Credential> {
    const client = new SecretsManagerClient({ endpoint: this.#embedded.secretsManager.url, region })
    const SecretId = this.id.replace(`:${home}:`, `:${region}:`)
    const { SecretString = '' } = await client.send(new GetSecretValueCommand({ SecretId }))
    return Credential.parse(SecretString)
  }

  async expectNothingPending(where: string): Promise<void> {
    const { secrets } = this.#embedded
    const { VersionIdsToStages = {} } = await secrets.send(new DescribeSecretCommand({ SecretId: this.id }))
    const pending = Object.values(VersionIdsToStages).filter(
      stages => stages.includes('AWSPENDING') && !stages.includes('AWSCURRENT'),
    )
    expect(pending, `${where}: nothing is pending`).toEqual([])
  }
}

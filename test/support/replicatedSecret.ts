import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  RemoveRegionsFromReplicationCommand,
  ReplicateSecretToRegionsCommand,
  SecretsManagerClient,
  TagResourceCommand,
  UntagResourceCommand,
} from '@aws-sdk/client-secrets-manager'
import { expect } from 'vitest'
import type { RegionBehaviour } from '../../local/aws/secretsManager/regionBehaviour.ts'
import type { Embedded } from '../../local/embedded/embedded.ts'
import { PENDING_WAIT_MS } from '../../rotation/awaitPending.ts'
import { Credential } from '../../rotation/credential.ts'
import type { StrategyName } from '../../rotation/strategies/strategyNames.ts'
import { givenUpTag } from '../../rotation/tags.ts'
import type { TestServer } from './testServers.ts'

/** Where a secret's replicas are. */
export const replicaRegions = ['us-east-1', 'ap-south-1'] as const
const home = 'eu-west-1'

/** Has the functions, which are loaded later, look at these Regions, and not for long. */
export function setPeerRegions(): void {
  process.env.KEYTURN_PEER_REGIONS = replicaRegions.join(',')
  Object.assign(PENDING_WAIT_MS, { pending: 150, pause: 20 })
}

const never = Number.POSITIVE_INFINITY
/** What a replica can do, for as long as nobody mends it. */
export const replicaFaults: Record<string, RegionBehaviour> = {
  'is late': { inProgressMs: never },
  'is late and says InSync': { arrivalMs: never },
  fails: { failsBecause: 'key disabled' },
  'is wedged by two quick moves': { wedgesWithinMs: never },
  'cannot be asked': { endpoint: 'denied' },
}

/** A secret of a real server's user, with a replica in each of two Regions. */
export class ReplicatedSecret {
  readonly id: string
  readonly #embedded: Embedded
  readonly #place: TestServer
  /** The Regions that nobody waits for: what applications there get may not log in. */
  readonly #left = new Set<string>()
  readonly #conduct = new Map<string, RegionBehaviour>()

  private constructor(id: string, embedded: Embedded, place: TestServer) {
    this.id = id
    this.#embedded = embedded
    this.#place = place
  }

  static async enrol(
    embedded: Embedded,
    place: TestServer,
    strategy: StrategyName,
  ): Promise<ReplicatedSecret> {
    const app = await place.makeApp(strategy)
    await place.reset(app, undefined)
    const { valueStore } = embedded.users
    const admin = await valueStore.put(`${app.user}/admin`, app.admin.serialize(), {
      'keyturn:admin': 'true',
    })
    const value = { ...JSON.parse(app.current.serialize()), masterarn: admin }
    const tags = {
      ...{ 'keyturn:managed': 'true', 'keyturn:home': home },
      ...{ 'keyturn:strategy': strategy, 'keyturn:grace': '1s' },
      ...place.tags,
    }
    const id = await valueStore.put(`${app.user}/app`, JSON.stringify(value), tags)
    const secret = new ReplicatedSecret(id, embedded, place)
    for (const region of replicaRegions) await secret.add(region)
    return secret
  }

  async add(region: string): Promise<void> {
    const AddReplicaRegions = [{ Region: region }]
    const command = new ReplicateSecretToRegionsCommand({ SecretId: this.id, AddReplicaRegions })
    await this.#embedded.secrets.send(command)
    this.#left.delete(region)
  }

  /** Applications there find no secret any more. */
  async remove(region: string): Promise<void> {
    const RemoveReplicaRegions = [region]
    const command = new RemoveRegionsFromReplicationCommand({ SecretId: this.id, RemoveReplicaRegions })
    await this.#embedded.secrets.send(command)
    this.#left.add(region)
  }

  /** Applications there may be refused from now on. */
  async giveUp(region: string): Promise<void> {
    const Tags = [{ Key: givenUpTag(region), Value: '2026-11-29 it is down' }]
    await this.#embedded.secrets.send(new TagResourceCommand({ SecretId: this.id, Tags }))
    this.#left.add(region)
  }

  /** It is waited for again, whatever applications there have until it follows. */
  async takeBack(region: string): Promise<void> {
    const TagKeys = [givenUpTag(region)]
    await this.#embedded.secrets.send(new UntagResourceCommand({ SecretId: this.id, TagKeys }))
  }

  /** Somebody stores the value once more, with a note. */
  async storeAgain(note: string): Promise<void> {
    const { secrets } = this.#embedded
    const { SecretString = '' } = await secrets.send(new GetSecretValueCommand({ SecretId: this.id }))
    const edited = JSON.stringify({ ...JSON.parse(SecretString), note })
    await secrets.send(new PutSecretValueCommand({ SecretId: this.id, SecretString: edited }))
  }

  /** From now on a Region behaves so. */
  misbehave(region: string, conduct: RegionBehaviour): void {
    this.#conduct.set(region, conduct)
    this.#embedded.secretsManager.setRegionBehaviour(region, conduct)
  }

  /** What somebody on call does. */
  async mend(region: string): Promise<void> {
    this.misbehave(region, {})
    await this.add(region)
  }

  /** Every Region that is waited for hands out a value that logs in, as applications there see it: they reach their own. */
  async expectServed(where: string): Promise<void> {
    for (const region of [home, ...replicaRegions].filter(region => !this.#left.has(region))) {
      const { endpoint, ...rest } = this.#conduct.get(region) ?? {}
      if (endpoint) this.#embedded.secretsManager.setRegionBehaviour(region, rest)
      const value = await this.#servedIn(region)
      if (endpoint) this.#embedded.secretsManager.setRegionBehaviour(region, { ...rest, endpoint })
      expect(await this.#place.admits(value), `${where}: ${region} is served`).toBe(true)
    }
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

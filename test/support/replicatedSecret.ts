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
import type { MatrixServer } from './testServers.ts'

/** The Regions of the secret's replicas. */
export const replicaRegions = ['us-east-1', 'ap-south-1'] as const
const home = 'eu-west-1'

/** Sets the peer Regions for the functions, which are loaded later, and makes their waits short. */
export function setPeerRegions(): void {
  process.env.KEYTURN_PEER_REGIONS = replicaRegions.join(',')
  Object.assign(PENDING_WAIT_MS, { pending: 150, pause: 20 })
}

const forever = Number.POSITIVE_INFINITY
/** Ways in which a replica can fail, until somebody repairs it. */
export const replicaFaults: Record<string, RegionBehaviour> = {
  'is late': { inProgressMs: forever },
  'is late and says InSync': { arrivalMs: forever },
  fails: { failsBecause: 'key disabled' },
  'is wedged by two quick moves': { wedgesWithinMs: forever },
  'cannot be asked': { endpoint: 'denied' },
}

/** A secret for a user of a real server, with a replica in each of two Regions. */
export class ReplicatedSecret {
  readonly id: string
  readonly #embedded: Embedded
  readonly #server: MatrixServer
  /** The Regions that rotations do not wait for, so that a value read there may not log in. */
  readonly #ignored = new Set<string>()
  readonly #behaviours = new Map<string, RegionBehaviour>()

  private constructor(id: string, embedded: Embedded, server: MatrixServer) {
    this.id = id
    this.#embedded = embedded
    this.#server = server
  }

  /** Makes a user, its admin, and the secret with its replicas. */
  static async enrol(
    embedded: Embedded,
    server: MatrixServer,
    strategy: StrategyName,
  ): Promise<ReplicatedSecret> {
    const app = await server.makeApp(strategy)
    await server.reset(app, undefined)
    const { valueStore } = embedded.users
    const admin = await valueStore.put(`${app.user}/admin`, app.admin.serialize(), {
      'keyturn:admin': 'true',
    })
    const value = { ...JSON.parse(app.current.serialize()), masterarn: admin }
    const tags = {
      ...{ 'keyturn:managed': 'true', 'keyturn:home': home },
      ...{ 'keyturn:strategy': strategy, 'keyturn:grace': '1s' },
      ...server.tags,
    }
    const id = await valueStore.put(`${app.user}/app`, JSON.stringify(value), tags)
    const secret = new ReplicatedSecret(id, embedded, server)
    for (const region of replicaRegions) await secret.add(region)
    return secret
  }

  /** Adds a replica in this Region. */
  async add(region: string): Promise<void> {
    const AddReplicaRegions = [{ Region: region }]
    const command = new ReplicateSecretToRegionsCommand({ SecretId: this.id, AddReplicaRegions })
    await this.#embedded.secrets.send(command)
    this.#ignored.delete(region)
  }

  /** Removes the replica in this Region. */
  async remove(region: string): Promise<void> {
    const RemoveReplicaRegions = [region]
    const command = new RemoveRegionsFromReplicationCommand({ SecretId: this.id, RemoveReplicaRegions })
    await this.#embedded.secrets.send(command)
    this.#ignored.add(region)
  }

  /** Gives the Region up by a tag: rotations no longer wait for its replica. */
  async giveUp(region: string): Promise<void> {
    const Tags = [{ Key: givenUpTag(region), Value: '2026-11-29 it is down' }]
    await this.#embedded.secrets.send(new TagResourceCommand({ SecretId: this.id, Tags }))
    this.#ignored.add(region)
  }

  /** Takes the tag away: rotations wait for the replica again. Until it follows, a value read there may not log in. */
  async takeBack(region: string): Promise<void> {
    const TagKeys = [givenUpTag(region)]
    await this.#embedded.secrets.send(new UntagResourceCommand({ SecretId: this.id, TagKeys }))
  }

  /** Stores the value once more with another field, as an operator might. */
  async storeAgain(note: string): Promise<void> {
    const { secrets } = this.#embedded
    const { SecretString = '' } = await secrets.send(new GetSecretValueCommand({ SecretId: this.id }))
    const edited = JSON.stringify({ ...JSON.parse(SecretString), note })
    await secrets.send(new PutSecretValueCommand({ SecretId: this.id, SecretString: edited }))
  }

  /** Sets how Secrets Manager behaves in a Region from now on. */
  setBehaviour(region: string, behaviour: RegionBehaviour): void {
    this.#behaviours.set(region, behaviour)
    this.#embedded.secretsManager.setRegionBehaviour(region, behaviour)
  }

  /** Ends a Region's misbehaviour and replicates again, as somebody on call does. */
  async repair(region: string): Promise<void> {
    this.setBehaviour(region, {})
    await this.add(region)
  }

  /**
   * Expects that the value in each Region that rotations wait for logs in. Each is read as an application in that Region does,
   * which reaches the Region's endpoint even if other Regions cannot.
   */
  async expectServed(where: string): Promise<void> {
    for (const region of [home, ...replicaRegions].filter(region => !this.#ignored.has(region))) {
      const { endpoint, ...rest } = this.#behaviours.get(region) ?? {}
      if (endpoint) this.#embedded.secretsManager.setRegionBehaviour(region, rest)
      const value = await this.#readIn(region)
      if (endpoint) this.#embedded.secretsManager.setRegionBehaviour(region, { ...rest, endpoint })
      expect(await this.#server.admits(value), `${where}: ${region} is served`).toBe(true)
    }
  }

  async #readIn(region: string): Promise<Credential> {
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

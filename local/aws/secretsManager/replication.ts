import type * as aws from '@aws-sdk/client-secrets-manager'
import type { Account } from './account.ts'
import { REPLICA_FAILURE_MESSAGES, type RegionBehaviour } from './regionBehaviour.ts'
import { labelsOf, type Replica, type ReplicatedContent, type Secret } from './secret.ts'

/** How secrets come to other Regions. Nothing here waits: what is due happens when `settle` is called. */
export class Replication {
  readonly #account: Account
  readonly #conductOf: (region: string) => RegionBehaviour

  constructor(account: Account, conductOf: (region: string) => RegionBehaviour) {
    this.#account = account
    this.#conductOf = conductOf
  }

  /** Begins a replica, or begins anew with one that is there. A wedged one stays so. */
  startReplica(
    primary: Secret,
    { Region: region = '', KmsKeyId }: aws.ReplicaRegionType,
    overwrite: boolean,
  ): void {
    const before = primary.replicas.get(region)
    const replica: Replica = {
      region,
      keyId: KmsKeyId ?? before?.keyId,
      overwrite,
      ...{ status: 'InProgress', message: undefined, inProgressSinceMs: 0, changesUnderWay: [] },
      wedged: before?.wedged ?? false,
    }
    primary.replicas.set(region, replica)
    this.#send(primary, replica)
  }

  /** Sends what a secret is now to each of its Regions, but to those that have Failed (?). */
  sendChanges(primary: Secret, labels: 'labels moved' | 'labels stay'): void {
    for (const replica of primary.replicas.values()) {
      if (replica.status === 'Failed') continue
      if (labels === 'labels moved') this.#moveLabels(replica)
      this.#send(primary, replica)
    }
  }

  /** Takes a Region off the list, and deletes the replica there: not what only stands in its way. */
  removeReplica(primary: Secret, region: string): void {
    primary.replicas.delete(region)
    if (this.#standing(primary, region)) this.#account.secretsIn(region).delete(primary.name)
  }

  /** Makes a replica a secret of its own. */
  promote(secret: Secret): void {
    const primary = this.#primaryOf(secret)
    secret.primaryRegion = undefined
    const replica = primary?.replicas.get(secret.region)
    if (!replica) return
    if (this.#conductOf(secret.region).promotedStaysListed) markFailed(replica, 'name exists')
    else primary?.replicas.delete(secret.region)
  }

  /** The key of a replica is the one thing that is changed where it is. */
  changeKey(secret: Secret, keyId: string): void {
    secret.keyId = keyId
    const replica = this.#primaryOf(secret)?.replicas.get(secret.region)
    if (replica) replica.keyId = keyId
  }

  /** Lets all happen that is due by now. */
  settle(): void {
    for (const primary of this.#account.allSecrets())
      for (const replica of primary.replicas.values()) this.#settle(primary, replica)
  }

  statusOf(primary: Secret): aws.ReplicationStatusType[] {
    return [...primary.replicas.values()].map(replica => ({
      Region: replica.region,
      KmsKeyId: replica.keyId ?? 'alias/aws/secretsmanager',
      Status: replica.status,
      StatusMessage: replica.message,
      LastAccessedDate: this.#standing(primary, replica.region)?.lastReadDay as Date | undefined,
    }))
  }

  #send(primary: Secret, replica: Replica): void {
    const at = this.#account.nowMs()
    replica.status = 'InProgress'
    replica.message = undefined
    replica.inProgressSinceMs = at
    replica.changesUnderWay.push({ at, content: labelledContentOf(primary) })
  }

  #moveLabels(replica: Replica): void {
    const now = this.#account.nowMs()
    const { wedgesWithinMs = 0 } = this.#conductOf(replica.region)
    if (replica.labelsMovedAtMs !== undefined && now - replica.labelsMovedAtMs < wedgesWithinMs)
      replica.wedged = true
    replica.labelsMovedAtMs = now
  }

  #settle(primary: Secret, replica: Replica): void {
    const { inProgressMs = 0, arrivalMs = inProgressMs, wedgesWithinMs } = this.#conductOf(replica.region)
    if (wedgesWithinMs === undefined) replica.wedged = false
    if (replica.wedged || replica.status === 'Failed') return
    const now = this.#account.nowMs()
    const isDone = now >= replica.inProgressSinceMs + inProgressMs
    const failure = replica.status === 'InProgress' && this.#failure(primary, replica)
    if (failure) {
      if (isDone) markFailed(replica, failure)
      return
    }
    while (replica.changesUnderWay[0] && now >= replica.changesUnderWay[0].at + arrivalMs)
      this.#arrive(primary, replica, replica.changesUnderWay.shift()?.content as ReplicatedContent)
    if (!isDone) return
    replica.status = 'InSync'
    replica.message = 'Replication succeeded'
  }

  /** Why it cannot come there, if it cannot. */
  #failure(primary: Secret, replica: Replica): keyof typeof REPLICA_FAILURE_MESSAGES | undefined {
    const { failsBecause } = this.#conductOf(replica.region)
    if (failsBecause && failsBecause !== 'name exists') return failsBecause
    const other = this.#account.secretsIn(replica.region).get(primary.name)
    const isInTheWay = other && !this.#standing(primary, replica.region)
    // What has replicas of its own is not overwritten (?).
    if (replica.overwrite && !other?.replicas.size) return undefined
    return isInTheWay ? 'name exists' : failsBecause
  }

  #arrive(primary: Secret, replica: Replica, content: ReplicatedContent): void {
    const { region } = replica
    const secret: Secret = this.#standing(primary, region) ?? {
      ...content,
      ...{ arn: arnIn(region, primary), name: primary.name, region, created: this.#account.nextTimestamp() },
      versions: new Map(),
      replicas: new Map(),
      primaryRegion: primary.region,
    }
    const { versions, ...rest } =
      this.#conductOf(region).showsPending === false ? withoutPending(content) : content
    Object.assign(secret, rest, { keyId: replica.keyId })
    for (const [id, version] of versions) secret.versions.set(id, version)
    this.#account.secretsIn(region).set(primary.name, secret)
  }

  /** The replica itself, if one has arrived. */
  #standing(primary: Secret, region: string): Secret | undefined {
    const secret = this.#account.secretsIn(region).get(primary.name)
    const isReplica = secret?.primaryRegion === primary.region && secret.arn === arnIn(region, primary)
    return isReplica ? secret : undefined
  }

  #primaryOf({ primaryRegion, name }: Secret): Secret | undefined {
    return primaryRegion ? this.#account.secretsIn(primaryRegion).get(name) : undefined
  }
}

function markFailed(replica: Replica, why: keyof typeof REPLICA_FAILURE_MESSAGES): void {
  replica.status = 'Failed'
  replica.message = REPLICA_FAILURE_MESSAGES[why]
  replica.changesUnderWay = []
}

/** The same random end in every Region. */
function arnIn(region: string, { arn, region: own }: Secret): string {
  return arn.replace(`:${own}:`, `:${region}:`)
}

/** What has a label, by now. */
function labelledContentOf(secret: Secret): ReplicatedContent {
  const { description, policy } = secret
  const labelled = [...secret.versions].filter(([id]) => labelsOf(secret, id).length)
  const versions = new Map(labelled.map(([id, version]) => [id, { ...version }]))
  return { description, policy, tags: new Map(secret.tags), versions, labels: new Map(secret.labels) }
}

function withoutPending(content: ReplicatedContent): ReplicatedContent {
  const labels = new Map([...content.labels].filter(([label]) => label !== 'AWSPENDING'))
  const shown = new Set(labels.values())
  return { ...content, labels, versions: new Map([...content.versions].filter(([id]) => shown.has(id))) }
}

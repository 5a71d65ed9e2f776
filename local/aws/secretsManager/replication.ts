import type * as aws from '@aws-sdk/client-secrets-manager'
import type { Account } from './account.ts'
import { REPLICA_FAILURE_MESSAGES, type RegionBehaviour } from './regionBehaviour.ts'
import { labelsOf, type Replica, type ReplicatedContent, type Secret } from './secret.ts'

/** Copies secrets to other Regions. Nothing happens in the background: what is due by now happens when `settle` is called. */
export class Replication {
  readonly #account: Account
  readonly #behaviourOf: (region: string) => RegionBehaviour

  constructor(account: Account, behaviourOf: (region: string) => RegionBehaviour) {
    this.#account = account
    this.#behaviourOf = behaviourOf
  }

  /** Starts a replica, or starts one anew that exists. A replica that is stuck (`wedged`) stays so. */
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
      status: 'InProgress',
      message: undefined,
      inProgressSinceMs: 0,
      changesUnderWay: [],
      wedged: before?.wedged ?? false,
    }
    primary.replicas.set(region, replica)
    this.#send(primary, replica)
  }

  /** Sends a changed secret to each of its replicas that is not Failed. That AWS sends nothing to a Failed one is a guess. */
  sendChanges(primary: Secret, labels: 'labels moved' | 'labels stay'): void {
    for (const replica of primary.replicas.values()) {
      if (replica.status === 'Failed') continue
      if (labels === 'labels moved') this.#noteLabelMove(replica)
      this.#send(primary, replica)
    }
  }

  /** Removes a Region from the list, and deletes the replica there. Another secret of that name in the Region stays. */
  removeReplica(primary: Secret, region: string): void {
    primary.replicas.delete(region)
    if (this.#arrivedReplica(primary, region)) this.#account.secretsIn(region).delete(primary.name)
  }

  /** Makes a replica a secret of its own, as StopReplicationToReplica does. */
  promote(secret: Secret): void {
    const primary = this.#primaryOf(secret)
    secret.primaryRegion = undefined
    const replica = primary?.replicas.get(secret.region)
    if (!replica) return
    if (this.#behaviourOf(secret.region).promotedStaysListed) markFailed(replica, 'name exists')
    else primary?.replicas.delete(secret.region)
  }

  /** Changes the KMS key of a replica, which is the only change that is made in its own Region. */
  changeKey(secret: Secret, keyId: string): void {
    secret.keyId = keyId
    const replica = this.#primaryOf(secret)?.replicas.get(secret.region)
    if (replica) replica.keyId = keyId
  }

  /** Lets everything happen that is due by now, for all secrets. */
  settle(): void {
    for (const primary of this.#account.allSecrets())
      for (const replica of primary.replicas.values()) this.#settle(primary, replica)
  }

  /** The ReplicationStatus of a secret. */
  statusOf(primary: Secret): aws.ReplicationStatusType[] {
    return [...primary.replicas.values()].map(replica => ({
      Region: replica.region,
      KmsKeyId: replica.keyId ?? 'alias/aws/secretsmanager',
      Status: replica.status,
      StatusMessage: replica.message,
      LastAccessedDate: this.#arrivedReplica(primary, replica.region)?.lastReadDay as Date | undefined,
    }))
  }

  #send(primary: Secret, replica: Replica): void {
    const nowMs = this.#account.nowMs()
    replica.status = 'InProgress'
    replica.message = undefined
    replica.inProgressSinceMs = nowMs
    replica.changesUnderWay.push({ sentAtMs: nowMs, content: labelledContentOf(primary) })
  }

  /** Notes that labels move, which may leave the replica stuck. */
  #noteLabelMove(replica: Replica): void {
    const now = this.#account.nowMs()
    const { wedgesWithinMs = 0 } = this.#behaviourOf(replica.region)
    if (replica.labelsMovedAtMs !== undefined && now - replica.labelsMovedAtMs < wedgesWithinMs)
      replica.wedged = true
    replica.labelsMovedAtMs = now
  }

  #settle(primary: Secret, replica: Replica): void {
    const { inProgressMs = 0, arrivalMs = inProgressMs, wedgesWithinMs } = this.#behaviourOf(replica.region)
    if (wedgesWithinMs === undefined) replica.wedged = false
    if (replica.wedged || replica.status === 'Failed') return
    const now = this.#account.nowMs()
    const isDone = now >= replica.inProgressSinceMs + inProgressMs
    const failure = replica.status === 'InProgress' && this.#failureOf(primary, replica)
    if (failure) {
      if (isDone) markFailed(replica, failure)
      return
    }
    while (replica.changesUnderWay[0] && now >= replica.changesUnderWay[0].sentAtMs + arrivalMs)
      this.#arrive(primary, replica, replica.changesUnderWay.shift()?.content as ReplicatedContent)
    if (!isDone) return
    replica.status = 'InSync'
    replica.message = 'Replication succeeded'
  }

  /** Why a replica cannot be copied to its Region, if it cannot. */
  #failureOf(primary: Secret, replica: Replica): keyof typeof REPLICA_FAILURE_MESSAGES | undefined {
    const { failsBecause } = this.#behaviourOf(replica.region)
    if (failsBecause && failsBecause !== 'name exists') return failsBecause
    const other = this.#account.secretsIn(replica.region).get(primary.name)
    const isNameTaken = other && !this.#arrivedReplica(primary, replica.region)
    // A guess: AWS does not document that a secret with replicas of its own is not overwritten.
    if (replica.overwrite && !other?.replicas.size) return undefined
    return isNameTaken ? 'name exists' : failsBecause
  }

  /** Writes what was sent into the replica's Region. */
  #arrive(primary: Secret, replica: Replica, content: ReplicatedContent): void {
    const { region } = replica
    const secret: Secret = this.#arrivedReplica(primary, region) ?? {
      ...content,
      arn: arnIn(region, primary),
      name: primary.name,
      region,
      created: this.#account.nextTimestamp(),
      versions: new Map(),
      replicas: new Map(),
      primaryRegion: primary.region,
    }
    const { versions, ...rest } =
      this.#behaviourOf(region).showsPending === false ? withoutPending(content) : content
    Object.assign(secret, rest, { keyId: replica.keyId })
    for (const [id, version] of versions) secret.versions.set(id, version)
    this.#account.secretsIn(region).set(primary.name, secret)
  }

  /** The secret in the replica's Region, once it has arrived there. */
  #arrivedReplica(primary: Secret, region: string): Secret | undefined {
    const secret = this.#account.secretsIn(region).get(primary.name)
    const isReplica = secret?.primaryRegion === primary.region && secret.arn === arnIn(region, primary)
    return isReplica ? secret : undefined
  }

  #primaryOf({ primaryRegion, name }: Secret): Secret | undefined {
    return primaryRegion ? this.#account.secretsIn(primaryRegion).get(name) : undefined
  }
}

function markFailed(replica: Replica, reason: keyof typeof REPLICA_FAILURE_MESSAGES): void {
  replica.status = 'Failed'
  replica.message = REPLICA_FAILURE_MESSAGES[reason]
  replica.changesUnderWay = []
}

/** The ARN of a secret's replica, which differs from the primary's in the Region only. */
function arnIn(region: string, { arn, region: own }: Secret): string {
  return arn.replace(`:${own}:`, `:${region}:`)
}

/** What a replica gets of a secret: its versions only if they have a label. */
function labelledContentOf(secret: Secret): ReplicatedContent {
  const { description, policy } = secret
  const labelled = [...secret.versions].filter(([id]) => labelsOf(secret, id).length)
  const versions = new Map(labelled.map(([id, version]) => [id, { ...version }]))
  return { description, policy, tags: new Map(secret.tags), versions, labels: new Map(secret.labels) }
}

/** Content without the label AWSPENDING, and without a version that has no other label. */
function withoutPending(content: ReplicatedContent): ReplicatedContent {
  const labels = new Map([...content.labels].filter(([label]) => label !== 'AWSPENDING'))
  const shown = new Set(labels.values())
  return { ...content, labels, versions: new Map([...content.versions].filter(([id]) => shown.has(id))) }
}

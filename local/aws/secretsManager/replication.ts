import type * as aws from '@aws-sdk/client-secrets-manager'
import type { Account } from './account.ts'
import { type Conduct, FAILURES } from './conduct.ts'
import { type Content, labelsOf, type Replica, type Secret } from './secret.ts'

/** How secrets come to other Regions. Nothing here waits: what is due happens when `settle` is called. */
export class Replication {
  readonly #account: Account
  readonly #conductOf: (region: string) => Conduct

  constructor(account: Account, conductOf: (region: string) => Conduct) {
    this.#account = account
    this.#conductOf = conductOf
  }

  /** Begins a replica, or begins anew with one that is there. A wedged one stays so. */
  add(primary: Secret, { Region: region = '', KmsKeyId }: aws.ReplicaRegionType, overwrite: boolean): void {
    const before = primary.replicas.get(region)
    const replica: Replica = {
      region,
      keyId: KmsKeyId ?? before?.keyId,
      overwrite,
      ...{ status: 'InProgress', message: undefined, since: 0, underway: [] },
      wedged: before?.wedged ?? false,
    }
    primary.replicas.set(region, replica)
    this.#send(primary, replica)
  }

  /** Sends what a secret is now to each of its Regions, but to those that have Failed (?). */
  changed(primary: Secret, labels: 'labels moved' | 'labels stay'): void {
    for (const replica of primary.replicas.values()) {
      if (replica.status === 'Failed') continue
      if (labels === 'labels moved') this.#moveLabels(replica)
      this.#send(primary, replica)
    }
  }

  /** Takes a Region off the list, and deletes the replica there: not what only stands in its way. */
  remove(primary: Secret, region: string): void {
    primary.replicas.delete(region)
    if (this.#standing(primary, region)) this.#account.in(region).delete(primary.name)
  }

  /** Makes a replica a secret of its own. */
  promote(secret: Secret): void {
    const primary = this.#primaryOf(secret)
    secret.primaryRegion = undefined
    const replica = primary?.replicas.get(secret.region)
    if (!replica) return
    if (this.#conductOf(secret.region).promotedStaysListed) fail(replica, 'name exists')
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
    for (const primary of this.#account.all())
      for (const replica of primary.replicas.values()) this.#settle(primary, replica)
  }

  statusOf(primary: Secret): aws.ReplicationStatusType[] {
    return [...primary.replicas.values()].map(replica => ({
      Region: replica.region,
      KmsKeyId: replica.keyId ?? 'alias/aws/secretsmanager',
      Status: replica.status,
      StatusMessage: replica.message,
      LastAccessedDate: this.#standing(primary, replica.region)?.read as Date | undefined,
    }))
  }

  #send(primary: Secret, replica: Replica): void {
    const at = this.#account.now()
    Object.assign(replica, { status: 'InProgress', message: undefined, since: at })
    replica.underway.push({ at, content: copyOf(primary) })
  }

  #moveLabels(replica: Replica): void {
    const now = this.#account.now()
    const { wedges = 0 } = this.#conductOf(replica.region)
    if (replica.moved !== undefined && now - replica.moved < wedges) replica.wedged = true
    replica.moved = now
  }

  #settle(primary: Secret, replica: Replica): void {
    const { inProgress = 0, arrival = inProgress, wedges } = this.#conductOf(replica.region)
    if (wedges === undefined) replica.wedged = false
    if (replica.wedged || replica.status === 'Failed') return
    const now = this.#account.now()
    const isDone = now >= replica.since + inProgress
    const failure = replica.status === 'InProgress' && this.#failure(primary, replica)
    if (failure) {
      if (isDone) fail(replica, failure)
      return
    }
    while (replica.underway[0] && now >= replica.underway[0].at + arrival)
      this.#arrive(primary, replica, replica.underway.shift()?.content as Content)
    if (isDone) Object.assign(replica, { status: 'InSync', message: 'Replication succeeded' })
  }

  /** Why it cannot come there, if it cannot. */
  #failure(primary: Secret, replica: Replica): keyof typeof FAILURES | undefined {
    const { fails } = this.#conductOf(replica.region)
    if (fails && fails !== 'name exists') return fails
    const other = this.#account.in(replica.region).get(primary.name)
    const isInTheWay = other && !this.#standing(primary, replica.region)
    // What has replicas of its own is not overwritten (?).
    if (replica.overwrite && !other?.replicas.size) return undefined
    return isInTheWay ? 'name exists' : fails
  }

  #arrive(primary: Secret, replica: Replica, content: Content): void {
    const { region } = replica
    const secret: Secret = this.#standing(primary, region) ?? {
      ...content,
      ...{ arn: arnIn(region, primary), name: primary.name, region, created: this.#account.moment() },
      versions: new Map(),
      replicas: new Map(),
      primaryRegion: primary.region,
    }
    const { versions, ...rest } =
      this.#conductOf(region).pending === false ? withoutPending(content) : content
    Object.assign(secret, rest, { keyId: replica.keyId })
    for (const [id, version] of versions) secret.versions.set(id, version)
    this.#account.in(region).set(primary.name, secret)
  }

  /** The replica itself, if one has arrived. */
  #standing(primary: Secret, region: string): Secret | undefined {
    const secret = this.#account.in(region).get(primary.name)
    const isReplica = secret?.primaryRegion === primary.region && secret.arn === arnIn(region, primary)
    return isReplica ? secret : undefined
  }

  #primaryOf({ primaryRegion, name }: Secret): Secret | undefined {
    return primaryRegion ? this.#account.in(primaryRegion).get(name) : undefined
  }
}

function fail(replica: Replica, why: keyof typeof FAILURES): void {
  Object.assign(replica, { status: 'Failed', message: FAILURES[why], underway: [] })
}

/** The same random end in every Region. */
function arnIn(region: string, { arn, region: own }: Secret): string {
  return arn.replace(`:${own}:`, `:${region}:`)
}

/** What has a label, by now. */
function copyOf(secret: Secret): Content {
  const { description, policy } = secret
  const labelled = [...secret.versions].filter(([id]) => labelsOf(secret, id).length)
  const versions = new Map(labelled.map(([id, version]) => [id, { ...version }]))
  return { description, policy, tags: new Map(secret.tags), versions, labels: new Map(secret.labels) }
}

function withoutPending(content: Content): Content {
  const labels = new Map([...content.labels].filter(([label]) => label !== 'AWSPENDING'))
  const shown = new Set(labels.values())
  return { ...content, labels, versions: new Map([...content.versions].filter(([id]) => shown.has(id))) }
}

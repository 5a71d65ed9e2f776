import type { DescribeCopyIn } from '../rotation/detachedCopies.ts'
import { PromotedElsewhere, RotationError } from '../rotation/errors.ts'
import { requireReplicasFollow } from '../rotation/peerReplicas.ts'
import { awaitedReplicas, describeReplica, laggingReplicas } from '../rotation/replicas.ts'
import type { Description } from '../rotation/stores/store.ts'
import { mapConcurrently } from './concurrency.ts'
import type { ScheduledCredential } from './inventory.ts'

/** Asks the own Region for a secret, and others for what they have of it. `peers` are those that may be asked. */
export type RegionAccess = {
  describe(id: string): Promise<Description>
  askRegionFor(arn: string): DescribeCopyIn
  peers: string[]
}

/**
 * Why a replica does not follow. `blocks`: a rotation that began would be refused, and do nothing else. `promoted`: the secret
 * stands alone in another Region, which is no matter of replicas any more.
 */
export type ReplicaLag = { reason: string; blocksRotation: boolean; promoted?: true }

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Secrets that are looked at at once. */
const CONCURRENT_SECRET_COUNT = 50
/** Milliseconds. A Region that failed after a longer wait is not asked again. */
const SLOW_ANSWER_MS = 1500

/**
 * Whether a run looks at the replicas of all secrets, to tell of those that do not follow. Two runs of a day do so at
 * least: one that is late by less than what lies between two of them misses no day.
 */
export const isDailyReplicaCheck = (now: Date, interval: number) => now.getTime() % DAY_MS < 2 * interval

/** How the replicas of secrets stand, as one run sees it until `deadline`, by performance.now(). */
export class LaggingReplicas {
  readonly #regions: RegionAccess
  readonly #deadline: number
  /** The Regions that did not answer, each with what it failed with: each costs its long wait once. */
  readonly #silent = new Map<string, RotationError>()

  constructor(regions: RegionAccess, deadline: number) {
    this.#regions = regions
    this.#deadline = deadline
  }

  /**
   * Those of the credentials of which a replica does not follow. What the own Region does not tell, and what there is no
   * time for, is not among them.
   */
  async find(credentials: ScheduledCredential[], now: Date): Promise<Map<ScheduledCredential, ReplicaLag>> {
    const secrets = credentials.filter(({ store }) => store === 'secrets-manager')
    const looked = await mapConcurrently(secrets, CONCURRENT_SECRET_COUNT, secret => this.#lagOf(secret, now))
    const found = new Map<ScheduledCredential, ReplicaLag>()
    for (const [index, lag] of looked.entries())
      if (lag) found.set(secrets[index] as ScheduledCredential, lag)
    return found
  }

  async #lagOf({ id, currentSince }: ScheduledCredential, now: Date): Promise<ReplicaLag | undefined> {
    const primary = await this.#describe(id)
    if (!primary?.current) return undefined
    // What is on its way is given an hour: InProgress is also what follows each change of a tag.
    const young = now.getTime() - currentSince.getTime() < HOUR_MS
    const replicas = awaitedReplicas(primary).filter(({ status }) => !(young && status === 'InProgress'))
    const { current: token, pending, arn = id } = primary
    try {
      const { peers } = this.#regions
      const { empty } = await requireReplicasFollow(
        { ...primary, replicas },
        { token },
        peers,
        this.#asking(arn),
      )
      // It has the current version, and will not get the next.
      const stuck = laggingReplicas({ replicas }, empty).find(({ status }) => status !== 'InProgress')
      if (stuck) return { reason: describeReplica(stuck), blocksRotation: !pending }
      return empty.length
        ? { reason: `there is no replica in ${empty.join(' and ')}`, blocksRotation: false }
        : undefined
    } catch (error) {
      if (error instanceof PromotedElsewhere)
        return { reason: error.message, blocksRotation: true, promoted: true }
      // What an abandoned rotation left is rolled back first, whatever replicas do: its application may be refused.
      if (error instanceof RotationError) return { reason: error.message, blocksRotation: !pending }
      throw error
    }
  }

  /** Undefined where it cannot be told: why that is, the rotation itself will say. */
  async #describe(id: string): Promise<Description | undefined> {
    if (performance.now() > this.#deadline) return undefined
    try {
      return await this.#regions.describe(id)
    } catch (error) {
      if (error instanceof RotationError) return undefined
      throw error
    }
  }

  #asking(arn: string): DescribeCopyIn {
    const ask = this.#regions.askRegionFor(arn)
    return async region => {
      const silent = this.#silent.get(region)
      if (silent) throw silent
      const began = performance.now()
      try {
        return await ask(region)
      } catch (error) {
        if (error instanceof RotationError && performance.now() - began > SLOW_ANSWER_MS)
          this.#silent.set(region, error)
        throw error
      }
    }
  }
}

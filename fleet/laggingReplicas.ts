import type { DescribeCopyIn } from '../rotation/detachedCopies.ts'
import { PromotedElsewhere, RotationError } from '../rotation/errors.ts'
import { requireReplicasFollow } from '../rotation/peerReplicas.ts'
import { awaitedReplicas, describeReplica, laggingReplicas } from '../rotation/replicas.ts'
import type { Description } from '../rotation/stores/store.ts'
import { DAY_MS, HOUR_MS } from '../rotation/timeUnits.ts'
import { mapConcurrently } from './concurrency.ts'
import type { ScheduledCredential } from './inventory.ts'

/** The way to ask Secrets Manager in several Regions. */
export type RegionAccess = {
  /** Describes a secret in the stack's own Region. */
  describe(id: string): Promise<Description>
  /** Describes what another Region has of the secret with this ARN. */
  askRegionFor(arn: string): DescribeCopyIn
  /** The Regions that may be asked. */
  peers: string[]
}

/**
 * Why a replica of a secret does not follow its primary. `blocksRotation`: a rotation that begins now is refused. `promoted`:
 * the secret was promoted in another Region, so it is a secret of its own there and no replica.
 */
export type ReplicaLag = { reason: string; blocksRotation: boolean; promoted?: true }

/** How many secrets are looked at at the same time. */
const CONCURRENT_SECRET_COUNT = 50
/** A Region whose call failed after a longer wait than this is not asked again. */
const SLOW_ANSWER_MS = 1500

/**
 * Whether the run that begins `now` looks at the replicas of all secrets. Each run in the first two intervals of a day (UTC) does:
 * of two intervals, so that no day is left out when a run comes late.
 * @param interval milliseconds between two runs
 */
export const isDailyReplicaCheck = (now: Date, interval: number) => now.getTime() % DAY_MS < 2 * interval

/** Finds the replicas that do not follow their primaries. An instance belongs to one run. */
export class LaggingReplicas {
  readonly #regions: RegionAccess
  readonly #deadline: number
  /** The Regions that failed after a long wait, each with its error: a run waits for each of them once. */
  readonly #failuresByRegion = new Map<string, RotationError>()

  /** @param deadline when the run asks no further question, by performance.now() */
  constructor(regions: RegionAccess, deadline: number) {
    this.#regions = regions
    this.#deadline = deadline
  }

  /**
   * The credentials of which a replica does not follow. Secrets that could not be described in the stack's own Region are not
   * among them, and neither are those that were not looked at before the deadline.
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
    // A replica is InProgress after each change, also of a tag: a version has an hour to arrive.
    const young = now.getTime() - currentSince.getTime() < HOUR_MS
    const replicas = awaitedReplicas(primary).filter(({ status }) => !(young && status === 'InProgress'))
    const { current: token, pending, arn = id } = primary
    // With a pending version a rotation begins all the same: it rolls back what an abandoned rotation left.
    const blocksRotation = !pending
    try {
      const { peers } = this.#regions
      const { empty } = await requireReplicasFollow(
        { ...primary, replicas },
        { token },
        peers,
        this.#asking(arn),
      )
      // A replica that has the current version but failed since does not get the next version.
      const stuck = laggingReplicas({ replicas }, empty).find(({ status }) => status !== 'InProgress')
      if (stuck) return { reason: describeReplica(stuck), blocksRotation }
      return empty.length
        ? { reason: `there is no replica in ${empty.join(' and ')}`, blocksRotation: false }
        : undefined
    } catch (error) {
      if (error instanceof PromotedElsewhere)
        return { reason: error.message, blocksRotation: true, promoted: true }
      if (error instanceof RotationError) return { reason: error.message, blocksRotation }
      throw error
    }
  }

  /** Undefined if the secret cannot be described, or after the deadline. A rotation of the secret reports the reason. */
  async #describe(id: string): Promise<Description | undefined> {
    if (performance.now() > this.#deadline) return undefined
    try {
      return await this.#regions.describe(id)
    } catch (error) {
      if (error instanceof RotationError) return undefined
      throw error
    }
  }

  /** Asks other Regions for a secret, but no Region that failed after a long wait. */
  #asking(arn: string): DescribeCopyIn {
    const ask = this.#regions.askRegionFor(arn)
    return async region => {
      const knownFailure = this.#failuresByRegion.get(region)
      if (knownFailure) throw knownFailure
      const began = performance.now()
      try {
        return await ask(region)
      } catch (error) {
        if (error instanceof RotationError && performance.now() - began > SLOW_ANSWER_MS)
          this.#failuresByRegion.set(region, error)
        throw error
      }
    }
  }
}

import type { AskRegion } from '../rotation/apart.ts'
import { PromotedElsewhere, RotationError } from '../rotation/errors.ts'
import { follow } from '../rotation/follow.ts'
import { awaited, notFollowing, saysOf } from '../rotation/replicas.ts'
import type { Description } from '../rotation/stores/store.ts'
import type { Scheduled } from './inventory.ts'
import { all } from './pool.ts'

/** Asks the own Region for a secret, and others for what they have of it. `peers` are those that may be asked. */
export type Regions = {
  describe(id: string): Promise<Description>
  asking(arn: string): AskRegion
  peers: string[]
}

/**
 * Why a replica does not follow. `blocks`: a rotation that began would be refused, and do nothing else. `promoted`: the secret
 * stands alone in another Region, which is no matter of replicas any more.
 */
export type Lag = { reason: string; blocks: boolean; promoted?: true }

const hour = 3_600_000
const day = 24 * hour
/** Secrets that are looked at at once. */
const AT_ONCE = 50
/** Milliseconds. A Region that failed after a longer wait is not asked again. */
const PATIENCE = 1500

/**
 * Whether a run looks at the replicas of all secrets, to tell of those that do not follow. Two runs of a day do so at
 * least: one that is late by less than what lies between two of them misses no day.
 */
export const looksAtAll = (now: Date, interval: number) => now.getTime() % day < 2 * interval

/** How the replicas of secrets stand, as one run sees it until `deadline`, by performance.now(). */
export class Replicas {
  readonly #regions: Regions
  readonly #deadline: number
  /** The Regions that did not answer, each with what it failed with: each costs its long wait once. */
  readonly #silent = new Map<string, RotationError>()

  constructor(regions: Regions, deadline: number) {
    this.#regions = regions
    this.#deadline = deadline
  }

  /**
   * Those of the credentials of which a replica does not follow. What the own Region does not tell, and what there is no
   * time for, is not among them.
   */
  async lagging(credentials: Scheduled[], now: Date): Promise<Map<Scheduled, Lag>> {
    const secrets = credentials.filter(({ store }) => store === 'secrets-manager')
    const looked = await all(secrets, AT_ONCE, secret => this.#lagOf(secret, now))
    const found = new Map<Scheduled, Lag>()
    for (const [index, lag] of looked.entries()) if (lag) found.set(secrets[index] as Scheduled, lag)
    return found
  }

  async #lagOf({ id, since }: Scheduled, now: Date): Promise<Lag | undefined> {
    const primary = await this.#describe(id)
    if (!primary?.current) return undefined
    // What is on its way is given an hour: InProgress is also what follows each change of a tag.
    const young = now.getTime() - since.getTime() < hour
    const replicas = awaited(primary).filter(({ status }) => !(young && status === 'InProgress'))
    const { current: token, pending, arn = id } = primary
    try {
      const { peers } = this.#regions
      const { empty } = await follow({ ...primary, replicas }, { token }, peers, this.#asking(arn))
      // It has the current version, and will not get the next.
      const stuck = notFollowing({ replicas }, empty).find(({ status }) => status !== 'InProgress')
      if (stuck) return { reason: saysOf(stuck), blocks: !pending }
      return empty.length
        ? { reason: `there is no replica in ${empty.join(' and ')}`, blocks: false }
        : undefined
    } catch (error) {
      if (error instanceof PromotedElsewhere) return { reason: error.message, blocks: true, promoted: true }
      // What an abandoned rotation left is rolled back first, whatever replicas do: its application may be refused.
      if (error instanceof RotationError) return { reason: error.message, blocks: !pending }
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

  #asking(arn: string): AskRegion {
    const ask = this.#regions.asking(arn)
    return async region => {
      const silent = this.#silent.get(region)
      if (silent) throw silent
      const began = performance.now()
      try {
        return await ask(region)
      } catch (error) {
        if (error instanceof RotationError && performance.now() - began > PATIENCE)
          this.#silent.set(region, error)
        throw error
      }
    }
  }
}

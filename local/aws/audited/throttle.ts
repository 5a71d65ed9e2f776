import { rateLimitOf } from '../../../fleet/audit/rateLimits.ts'

/** A service's own count of how many calls it takes: what is too much is refused, and takes nothing. */
export class Throttle {
  readonly #factor: number
  readonly #left = new Map<string, { calls: number; at: number }>()

  /** All limits are multiplied by `factor`, so that a test need not last minutes. */
  constructor(factor: number) {
    this.#factor = factor
  }

  /** Whether a call is one too many at this time, in milliseconds. */
  refuses(region: string, service: string, action: string, at: number): boolean {
    const limit = rateLimitOf(service, action)
    if (!limit) return false
    const key = `${region} ${service} ${action}`
    const most = limit.perSecond * this.#factor
    const { calls, at: since } = this.#left.get(key) ?? { calls: most, at }
    const left = Math.min(most, calls + ((at - since) / 1000) * most)
    this.#left.set(key, { calls: left < 1 ? left : left - 1, at })
    return left < 1
  }
}

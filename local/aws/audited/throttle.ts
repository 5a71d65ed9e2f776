import { rateLimitOf } from '../../../fleet/audit/rateLimits.ts'

/** Throttles calls with a token bucket for each Region, service and action. A throttled call takes no token. */
export class Throttle {
  readonly #factor: number
  /** By Region, service and action: how many calls were left, and when, in milliseconds. */
  readonly #buckets = new Map<string, { calls: number; atMs: number }>()

  /** @param factor all limits are multiplied by it, so that a test does not take minutes */
  constructor(factor: number) {
    this.#factor = factor
  }

  /** Counts a call at this time, in milliseconds. @returns true if it is one too many */
  refuses(region: string, service: string, action: string, atMs: number): boolean {
    const limit = rateLimitOf(service, action)
    if (!limit) return false
    const key = `${region} ${service} ${action}`
    const most = limit.perSecond * this.#factor
    const before = this.#buckets.get(key) ?? { calls: most, atMs }
    const left = Math.min(most, before.calls + ((atMs - before.atMs) / 1000) * most)
    this.#buckets.set(key, { calls: left < 1 ? left : left - 1, atMs })
    return left < 1
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import { type RateLimit, rateLimitOf } from './rateLimits.ts'

/** The share of a limit that an audit takes in the long run, and the one that it takes at once: both together are all of it. */
export const STEADY_SHARE = 0.9
const BURST_SHARE = 1 - STEADY_SHARE
/** What a throttled answer makes of the rate, and how low that may go; a call that went well takes some of it back. */
const [THROTTLED_FACTOR, MIN_RATE_SHARE, REGAINED_SHARE] = [0.5, 1 / 16, 0.02]

/** Any of the SDK's clients: each has types of its own for what it sends. */
type AnyClient = { middlewareStack: { addRelativeTo(middleware: never, options: never): void } }
type Next = (args: unknown) => Promise<unknown>

export type RateLimiterOptions = {
  /** Milliseconds that only grow, whatever is done to the machine's clock. */
  now?: () => number
  wait?: (milliseconds: number) => Promise<unknown>
  /** All limits are multiplied by this. */
  factor?: number
}

/**
 * Keeps all calls of an audit within the limits of AWS's services: a bucket of tokens for each call and Region. What is throttled
 * slows its bucket down.
 */
export class RateLimiter {
  readonly #now: () => number
  readonly #wait: (milliseconds: number) => Promise<unknown>
  readonly #factor: number
  readonly #buckets = new Map<string, TokenBucket>()

  constructor({ now = () => performance.now(), wait = sleep, factor = 1 }: RateLimiterOptions = {}) {
    this.#now = now
    this.#wait = wait
    this.#factor = factor
  }

  /** The client, of which every try of a call, also the SDK's own, waits for its turn. Once is enough, twice does no harm. */
  limit<C extends AnyClient>(client: C, service: string, region: string): C {
    const paced = (next: Next, { commandName = '' }) => {
      const operation = commandName.replace(/Command$/, '')
      return (args: unknown) => this.#inTurn(service, operation, region, () => next(args))
    }
    const place = { relation: 'after', toMiddleware: 'retryMiddleware', name: 'pace', override: true }
    client.middlewareStack.addRelativeTo(paced as never, place as never)
    return client
  }

  async #inTurn<T>(service: string, operation: string, region: string, call: () => Promise<T>): Promise<T> {
    const bucket = this.#bucketOf(service, operation, region)
    if (!bucket) return call()
    const delay = bucket.takeToken(this.#now())
    if (delay > 0) await this.#wait(delay)
    try {
      const answer = await call()
      bucket.speedUp()
      return answer
    } catch (error) {
      if (isThrottlingError(error)) bucket.slowDown(this.#now())
      throw error
    }
  }

  #bucketOf(service: string, operation: string, region: string): TokenBucket | undefined {
    const limit = rateLimitOf(service, operation)
    if (!limit) return undefined
    const key = `${region} ${service} ${operation}`
    const bucket = this.#buckets.get(key) ?? new TokenBucket(limit, this.#factor)
    this.#buckets.set(key, bucket)
    return bucket
  }
}

/** Tokens that come back with time. Who takes one that is not there yet waits for it, and those behind wait for the next. */
class TokenBucket {
  readonly #most: number
  /** Calls a second, if nothing is throttled. */
  readonly #full: number
  #share = 1
  #tokens: number
  #at = Number.NEGATIVE_INFINITY

  constructor({ perSecond }: RateLimit, factor: number) {
    this.#full = perSecond * STEADY_SHARE * factor
    this.#most = Math.max(1, perSecond * BURST_SHARE * factor)
    this.#tokens = this.#most
  }

  /** Milliseconds after which the call may be made. */
  takeToken(now: number): number {
    const rate = this.#full * this.#share
    this.#fill(now)
    this.#tokens -= 1
    return this.#tokens >= 0 ? 0 : (-this.#tokens / rate) * 1000
  }

  speedUp(): void {
    this.#share = Math.min(1, this.#share + REGAINED_SHARE)
  }

  /** Others use the limit too: whoever comes next waits for at least one turn. */
  slowDown(now: number): void {
    this.#fill(now)
    this.#share = Math.max(MIN_RATE_SHARE, this.#share * THROTTLED_FACTOR)
    this.#tokens = Math.min(this.#tokens, 0)
  }

  #fill(now: number): void {
    const seconds = Math.max(0, now - this.#at) / 1000
    this.#tokens = Math.min(this.#most, this.#tokens + seconds * this.#full * this.#share)
    this.#at = now
  }
}

/** Whether a service says that it was asked too often. */
export const isThrottlingError = (error: unknown): boolean =>
  error instanceof Error && /Throttl|TooManyRequests|RequestLimitExceeded|SlowDown/.test(error.name)

import { setTimeout as sleep } from 'node:timers/promises'
import { type RateLimit, rateLimitOf } from './rateLimits.ts'

/** The share of a rate limit that an audit uses in the long run. */
export const STEADY_SHARE = 0.9
/** The share of a second's calls that an audit makes at once. With STEADY_SHARE it is the whole limit. */
const BURST_SHARE = 1 - STEADY_SHARE
/** A throttled answer multiplies the rate by this. */
const THROTTLED_FACTOR = 0.5
/** The share of the full rate below which throttled answers do not bring it. */
const MIN_RATE_SHARE = 1 / 16
/** The share of the full rate that each success adds again. */
const REGAINED_SHARE = 0.02

/** Any client of the SDK. The clients have different types for what they send. */
type AnyClient = { middlewareStack: { addRelativeTo(middleware: never, options: never): void } }
type Handler = (args: unknown) => Promise<unknown>

/** The clock and the factor of a RateLimiter; tests set them. */
export type RateLimiterOptions = {
  /** Gives milliseconds that only grow, even if the machine's clock is set; by default performance.now. */
  now?: () => number
  wait?: (milliseconds: number) => Promise<unknown>
  /** All limits are multiplied by this. */
  factor?: number
}

/**
 * Keeps all calls of an audit within the rate limits of AWS's services. It has a token bucket for each operation of a service in
 * each Region. A throttled call halves the rate of its bucket, and each success adds a little to it again.
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

  /**
   * Makes every try of the client's calls wait for its turn, also the retries of the SDK. To call this twice does no harm.
   * @param service the name that request signatures have for the service: a key of SERVICE_NAMES
   * @returns the same client
   */
  limit<C extends AnyClient>(client: C, service: string, region: string): C {
    const limited = (next: Handler, { commandName = '' }) => {
      const operation = commandName.replace(/Command$/, '')
      return (args: unknown) => this.#inTurn(service, operation, region, () => next(args))
    }
    const options = { relation: 'after', toMiddleware: 'retryMiddleware', name: 'pace', override: true }
    client.middlewareStack.addRelativeTo(limited as never, options as never)
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

/** A token bucket. Its tokens may become negative: a call that takes one in advance waits for it, and later calls wait longer. */
class TokenBucket {
  /** How many tokens it holds at most. */
  readonly #capacity: number
  /** Calls a second, if nothing is throttled. */
  readonly #fullRate: number
  /** The share of the full rate that is used now. */
  #share = 1
  #tokens: number
  /** When the bucket was last filled. */
  #filledAt = Number.NEGATIVE_INFINITY

  constructor({ perSecond }: RateLimit, factor: number) {
    this.#fullRate = perSecond * STEADY_SHARE * factor
    this.#capacity = Math.max(1, perSecond * BURST_SHARE * factor)
    this.#tokens = this.#capacity
  }

  /** Takes a token. @returns the milliseconds after which the call may be made */
  takeToken(now: number): number {
    const rate = this.#fullRate * this.#share
    this.#fill(now)
    this.#tokens -= 1
    return this.#tokens >= 0 ? 0 : (-this.#tokens / rate) * 1000
  }

  speedUp(): void {
    this.#share = Math.min(1, this.#share + REGAINED_SHARE)
  }

  /** Lowers the rate, and takes the tokens away: others may use the same limit, so the next call waits. */
  slowDown(now: number): void {
    this.#fill(now)
    this.#share = Math.max(MIN_RATE_SHARE, this.#share * THROTTLED_FACTOR)
    this.#tokens = Math.min(this.#tokens, 0)
  }

  #fill(now: number): void {
    const seconds = Math.max(0, now - this.#filledAt) / 1000
    this.#tokens = Math.min(this.#capacity, this.#tokens + seconds * this.#fullRate * this.#share)
    this.#filledAt = now
  }
}

/** Whether an error says that a service throttled the call. */
export const isThrottlingError = (error: unknown): boolean =>
  error instanceof Error && /Throttl|TooManyRequests|RequestLimitExceeded|SlowDown/.test(error.name)

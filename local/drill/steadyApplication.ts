import { setTimeout as sleep } from 'node:timers/promises'
import type { Application, StoredValue } from '../client/application.ts'

/** Queries a second, each over a login of its own. */
export const QUERIES_PER_SECOND = 20
/** How long a value is kept, in milliseconds, unless a login with it fails. */
const CACHE_MS = 500

/**
 * An application that queries at a steady rate, and goes on in another Region when it is moved there. It keeps the value of its
 * secret as applications with a cache do: it reads the secret again after a while, and at once after a login that failed.
 */
export class SteadyApplication {
  served = 0
  failedCount = 0
  /** When the first query was served that began after the move, as `performance.now()` tells it. */
  servedAgainAt: number | undefined
  #application: Application
  #moved = 0
  #value: StoredValue | undefined
  #readAt = 0
  #running = true
  #done = Promise.resolve()

  constructor(application: Application) {
    this.#application = application
  }

  start(): void {
    this.#done = this.#work()
  }

  /** From now on its queries are made elsewhere, with nothing in the cache; they are counted anew. */
  moveTo(application: Application): void {
    this.#application = application
    this.#value = undefined
    this.#moved = performance.now()
    this.served = 0
    this.failedCount = 0
    this.servedAgainAt = undefined
  }

  async stop(): Promise<void> {
    this.#running = false
    await this.#done
  }

  async #work(): Promise<void> {
    const open = new Set<Promise<void>>()
    const began = performance.now()
    for (let count = 0; this.#running; count++) {
      await sleep(Math.max(0, began + (count * 1000) / QUERIES_PER_SECOND - performance.now()))
      const asked = this.#ask().finally(() => open.delete(asked))
      open.add(asked)
    }
    await Promise.all(open)
  }

  async #ask(): Promise<void> {
    const application = this.#application
    const began = performance.now()
    const value = await this.#valueFor(application)
    const isServed = value !== undefined && (await application.canLogIn(value))
    // What the Region before was asked, and answers late, is no query of this one.
    if (isServed && application !== this.#application) return
    if (isServed) {
      this.served++
      if (began > this.#moved) this.servedAgainAt ??= performance.now()
      return
    }
    this.failedCount++
    if (value === this.#value) this.#value = undefined
  }

  /** Undefined if the secret cannot be read. */
  async #valueFor(application: Application): Promise<StoredValue | undefined> {
    if (this.#value && performance.now() - this.#readAt < CACHE_MS) return this.#value
    this.#readAt = performance.now()
    const value = await application.read().catch(() => undefined)
    if (application === this.#application) this.#value = value ?? this.#value
    return value ?? this.#value
  }
}

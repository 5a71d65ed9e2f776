import type { Application, StoredValue } from '../client/application.ts'
import { repeatSteadily } from '../client/repeatSteadily.ts'

/** How many queries an application makes each second, each over a login of its own. */
export const QUERIES_PER_SECOND = 20
/** For how many milliseconds the application uses a value before it reads the value again, unless a login fails. */
const CACHE_MS = 500

/**
 * An application that queries at a steady rate, and can be moved to another Region. It caches the value of its secret: it reads
 * the secret again half a second later, or before the next query after a login that failed.
 */
export class SteadyApplication {
  /** Queries since the start or the last move: how many were answered, and how many failed. */
  served = 0
  failedCount = 0
  /** When the first query since the last move was answered, by `performance.now()`. */
  servedAgainAt: number | undefined
  #application: Application
  /** By `performance.now()`, like #readAt. */
  #movedAt = 0
  #value: StoredValue | undefined
  #readAt = 0
  #stopQueries = async () => {}

  constructor(application: Application) {
    this.#application = application
  }

  start(): void {
    this.#stopQueries = repeatSteadily(QUERIES_PER_SECOND, () => this.#query())
  }

  /** Moves the application to another Region: its cache is empty there, and its queries are counted from 0. */
  moveTo(application: Application): void {
    this.#application = application
    this.#value = undefined
    this.#movedAt = performance.now()
    this.served = 0
    this.failedCount = 0
    this.servedAgainAt = undefined
  }

  /** Stops, and waits for the queries that are not answered yet. */
  async stop(): Promise<void> {
    await this.#stopQueries()
  }

  /** Makes one query and counts it. */
  async #query(): Promise<void> {
    const application = this.#application
    const began = performance.now()
    const value = await this.#valueFor(application)
    const isServed = value !== undefined && (await application.canLogIn(value))
    // A query in the Region that the application has left meanwhile counts only if it failed.
    if (isServed && application !== this.#application) return
    if (isServed) {
      this.served++
      if (began > this.#movedAt) this.servedAgainAt ??= performance.now()
      return
    }
    this.failedCount++
    if (value === this.#value) this.#value = undefined
  }

  /** The cached value; once it is too old, what can be read, or else the old value. @returns undefined if there is none of these */
  async #valueFor(application: Application): Promise<StoredValue | undefined> {
    if (this.#value && performance.now() - this.#readAt < CACHE_MS) return this.#value
    this.#readAt = performance.now()
    const value = await application.read().catch(() => undefined)
    if (application === this.#application) this.#value = value ?? this.#value
    return value ?? this.#value
  }
}

import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import pg from 'pg'
import type { ValueStore } from './valueStores.ts'

/** A stored value in AWS's JSON, as far as an application reads it. */
export type StoredValue = { host: string; port: number; dbname?: string; username: string; password: string }

/** For how many milliseconds the application uses a value before it reads the value again. */
const CACHE_MS = 250

/** An application that queries PostgreSQL with a stored credential, also while the credential rotates. */
export class Application {
  /** How many queries were answered, each over a login of its own, and how many were not. */
  served = 0
  failed = 0
  /** Milliseconds from the first to the last query of the longest row of failed queries. */
  longestOutage = 0
  readonly #valueStore: ValueStore
  readonly #id: string
  readonly #ssl: pg.ClientConfig['ssl']
  #isRunning = true
  #done = Promise.resolve()

  constructor(valueStore: ValueStore, id: string, caFile: string) {
    this.#valueStore = valueStore
    this.#id = id
    this.#ssl = { secureContext: createSecureContext({ ca: readFileSync(caFile, 'utf8') }) }
  }

  /** Reads the value of the current or the pending version. @returns undefined if there is no such version */
  async read(stage: 'current' | 'pending' = 'current'): Promise<StoredValue | undefined> {
    const text = await this.#valueStore.read(this.#id, stage)
    return text === undefined ? undefined : JSON.parse(text)
  }

  /** Whether a login with this value succeeds and a query is answered. */
  async canLogIn({ host, port, dbname, username, password }: StoredValue): Promise<boolean> {
    const client = new pg.Client({ host, port, database: dbname, user: username, password, ssl: this.#ssl })
    client.on('error', () => {})
    try {
      await client.connect()
      await client.query('select now()')
      return true
    } catch {
      return false
    } finally {
      await client.end().catch(() => {})
    }
  }

  /**
   * Starts to query without pause, each time over a new login. Reads the value again a quarter of a second after it was last read,
   * and after each query that failed.
   */
  start(): void {
    this.#done = this.#queryUntilStopped()
  }

  /** Stops, and waits for the last query. */
  async stop(): Promise<void> {
    this.#isRunning = false
    await this.#done
  }

  async #queryUntilStopped(): Promise<void> {
    let value = await this.read()
    let readAt = performance.now()
    let failingSince: number | undefined
    while (this.#isRunning) {
      const served = value !== undefined && (await this.canLogIn(value))
      if (served) this.served++
      else this.failed++
      failingSince = served ? undefined : (failingSince ?? performance.now())
      if (failingSince) this.longestOutage = Math.max(this.longestOutage, performance.now() - failingSince)
      if (served && performance.now() - readAt < CACHE_MS) continue
      value = await this.read()
      readAt = performance.now()
    }
  }
}

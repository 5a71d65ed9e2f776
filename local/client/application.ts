import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import pg from 'pg'
import type { ValueStore } from './valueStores.ts'

/** One stored value, as an application reads it. */
export type StoredValue = { host: string; port: number; dbname?: string; username: string; password: string }

/** How long a value is kept before it is read again, in milliseconds. */
const CACHE_MS = 250

/** An application that uses the credential while it rotates. */
export class Application {
  served = 0
  failed = 0
  /** Milliseconds from the first to the last query of the longest run of failures. */
  longestOutage = 0
  readonly #shelf: ValueStore
  readonly #id: string
  readonly #ssl: pg.ClientConfig['ssl']
  #running = true
  #done = Promise.resolve()

  constructor(shelf: ValueStore, id: string, caFile: string) {
    this.#shelf = shelf
    this.#id = id
    this.#ssl = { secureContext: createSecureContext({ ca: readFileSync(caFile, 'utf8') }) }
  }

  /** Undefined if no version is at this stage. */
  async read(stage: 'current' | 'pending' = 'current'): Promise<StoredValue | undefined> {
    const text = await this.#shelf.read(this.#id, stage)
    return text === undefined ? undefined : JSON.parse(text)
  }

  /** True if the value logs in and a query is answered. */
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

  /** Queries without pause, each over a new login; reads the secret again now and then, and after a login that failed. */
  start(): void {
    this.#done = this.#work()
  }

  async stop(): Promise<void> {
    this.#running = false
    await this.#done
  }

  async #work(): Promise<void> {
    let value = await this.read()
    let readAt = performance.now()
    let failingSince: number | undefined
    while (this.#running) {
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

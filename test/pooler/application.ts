import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import pg, { escapeIdentifier as name } from 'pg'
import type { Pgbouncer } from '../../local/servers/pgbouncer.ts'
import { type App, runStatements } from '../../local/servers/postgresDatabase.ts'
import type { Credential } from '../../rotation/credential.ts'

/** What happened to an application's queries. */
export type Seen = {
  queries: number
  /** The errors of logins that were refused. */
  refused: number
  /** When each refused login began and ended, in milliseconds. */
  refusals: { began: number; ended: number }[]
  /** All other errors, as the pooler or the server words them. */
  failures: string[]
}

/** Makes a table that only the application's search_path finds. */
export async function furnish({ server }: Pgbouncer, { user, database }: App): Promise<void> {
  await runStatements(
    server,
    `create schema of_its_own; grant usage on schema of_its_own to ${name(user)};
     create table of_its_own.of_the_app as select 1 as n; grant select on of_its_own.of_the_app to ${name(user)};
     alter role ${name(user)} set search_path = of_its_own`,
    database,
  )
}

export type Application = {
  /** Waits until the application no longer uses a value that it has read before. */
  turns(): Promise<void>
  stop(): Promise<Seen>
}

/**
 * An application that queries through the pooler until it is stopped. It reads a table that only its own search_path finds, both
 * over a pool that it opened at the beginning, and over a new login each time, with the value that `read` returns. After a refused
 * login it reads the value again.
 */
export async function startApplication(
  { pooled }: Pgbouncer,
  read: () => Promise<Credential>,
): Promise<Application> {
  const config = ({ username, password, dbname }: Credential) => ({
    host: pooled.host,
    port: pooled.port,
    user: username,
    password,
    database: dbname,
    ssl: { ca: readFileSync(pooled.caFile, 'utf8') },
    connectionTimeoutMillis: 5_000,
  })
  const ask = 'select n from of_the_app'
  const seen: Seen = { queries: 0, refused: 0, refusals: [], failures: [] }
  const count = async (query: () => Promise<unknown>) => {
    seen.queries++
    const began = performance.now()
    try {
      await query()
    } catch (error) {
      const { code, message } = error as { code?: string; message: string }
      if (code === '28P01' || /^SASL authentication failed$/.test(message)) {
        seen.refused++
        seen.refusals.push({ began, ended: performance.now() })
      } else seen.failures.push(message)
    }
  }
  const pool = new pg.Pool({ ...config(await read()), max: 2, idleTimeoutMillis: 0 })
  pool.on('error', ({ message }) => seen.failures.push(message))
  let running = true
  let rounds = 0
  const client = (async () => {
    while (running) {
      await count(() => pool.query(ask))
      await count(async () => {
        const single = new pg.Client(config(await read()))
        single.on('error', () => {})
        try {
          await single.connect()
          await single.query(ask)
        } finally {
          await single.end().catch(() => {})
        }
      })
      rounds++
      await sleep(30)
    }
  })()
  let stopped: Promise<Seen> | undefined
  const end = async () => {
    running = false
    await client
    await pool.end()
    return seen
  }
  return {
    async turns() {
      const from = rounds
      while (running && rounds === from) await sleep(2)
    },
    stop() {
      stopped ??= end()
      return stopped
    },
  }
}

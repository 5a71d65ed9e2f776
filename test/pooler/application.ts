import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Pgbouncer } from '../../local/servers/pgbouncer.ts'
import type { Credential } from '../../rotation/credential.ts'

/** What an application saw: its queries, and what they failed with. */
export type Seen = {
  queries: number
  /** Of logins that were refused. */
  refused: number
  /** Of everything else, in the words of the pooler or the server. */
  failures: string[]
}

/**
 * An application that goes on through the pooler until it is stopped: it asks for a table that only its own search_path
 * finds, over a pool that it opened in the beginning, and over a login of its own each time, with the value that `read`
 * gives. Who is refused reads it again.
 */
export async function startApplication(
  { pooled }: Pgbouncer,
  read: () => Promise<Credential>,
): Promise<{ stop(): Promise<Seen> }> {
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
  const seen: Seen = { queries: 0, refused: 0, failures: [] }
  const count = async (query: () => Promise<unknown>) => {
    seen.queries++
    try {
      await query()
    } catch (error) {
      const { code, message } = error as { code?: string; message: string }
      if (code === '28P01' || /^SASL authentication failed$/.test(message)) seen.refused++
      else seen.failures.push(message)
    }
  }
  const pool = new pg.Pool({ ...config(await read()), max: 2, idleTimeoutMillis: 0 })
  pool.on('error', ({ message }) => seen.failures.push(message))
  let running = true
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
      await sleep(10)
    }
  })()
  return {
    async stop() {
      running = false
      await client
      await pool.end()
      return seen
    },
  }
}

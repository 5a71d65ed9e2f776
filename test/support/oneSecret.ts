import { beforeEach, inject, vi } from 'vitest'
import { type App, connectionOf, makeApp } from '../../local/servers/postgresDatabase.ts'
import type { Credential } from '../../rotation/credential.ts'
import { Opaque } from '../../rotation/engines/opaque.ts'
import { Postgres } from '../../rotation/engines/postgres/postgres.ts'
import { Unreachable } from '../../rotation/errors.ts'
import { parseOptions } from '../../rotation/options.ts'
import type { Pipeline } from '../../rotation/pipeline.ts'
import type { Rds } from '../../rotation/rds.ts'
import { create, finish, set, test as try_ } from '../../rotation/steps.ts'
import { MemoryStore } from '../../rotation/stores/memory.ts'
import { ADMIN_PAUSES } from '../../rotation/strategies/adminSession.ts'

/**
 * One secret in memory, its user in a real PostgreSQL, and a pipeline around both: made anew for each test of a file that
 * imports this.
 */
const [found] = inject('postgres')
if (!found) throw new Error('no PostgreSQL')
export const server = found
export const engine = new Postgres({ caFile: server.caFile })
export const id = 'app'
export const first = 'first-'.padEnd(32, '0')
export const token = 'second-'.padEnd(32, '0')

export let app: App
export let store: MemoryStore
export let running: Set<string>
/** Of these, those that wait until what they replaced is closed. */
export let waiting: Set<string>
/** Those whose setSecret never came as far as a login. */
export let untouched: Set<string>
export let pipeline: Pipeline
export let admin: ReturnType<typeof vi.fn<(arn: string) => Promise<Credential>>>
export let rds: ReturnType<typeof vi.fn<() => Promise<Rds>>>
export let connection: ReturnType<typeof vi.fn<(name: string) => Promise<string>>>

export async function begin(tags: Record<string, string> = {}, value = app.current): Promise<void> {
  store = new MemoryStore()
  store.create(id, first, value, tags)
  running = new Set()
  waiting = new Set()
  untouched = new Set()
  admin = vi.fn(async () => app.admin)
  rds = vi.fn(() => Promise.reject(new Unreachable('RDS: no route')))
  connection = vi.fn(async () => connectionOf(app.current))
  pipeline = {
    store,
    engine: async name => (name === 'opaque' ? new Opaque() : engine),
    admin,
    connection,
    rds,
    rotating: async which => running.has(which) && !waiting.has(which),
    running: async which => running.has(which),
    untouched: async which => untouched.has(which),
    defaults: parseOptions({}),
  }
}

ADMIN_PAUSES.splice(0, Infinity, 10, 100)

beforeEach(async () => {
  app = await makeApp(server)
  await begin({ 'keyturn:strategy': 'alternating-users' })
  return () => app.drop()
})

export const unreachable = async () => new Postgres({ caFile: server.caFile, connectTimeout: 1 })
export const single = { 'keyturn:strategy': 'single-user' }
export const current = async () => (await store.read(id, { stage: 'current' }))?.credential as Credential
export const byToken = async (which: string) =>
  (await store.read(id, { token: which }))?.credential as Credential

export async function rotate(which: string) {
  const rotation = await create(pipeline, { id, token: which })
  await set(pipeline, rotation)
  await try_(pipeline, rotation)
  await finish(pipeline, rotation)
  return rotation
}

import { beforeEach, inject, vi } from 'vitest'
import { type App, connectionJsonOf, makeApp } from '../../local/servers/postgresDatabase.ts'
import type { Credential } from '../../rotation/credential.ts'
import { Opaque } from '../../rotation/engines/opaque.ts'
import { Postgres } from '../../rotation/engines/postgres/postgres.ts'
import { Unreachable } from '../../rotation/errors.ts'
import { parseOptions } from '../../rotation/options.ts'
import type { Pipeline } from '../../rotation/pipeline.ts'
import type { Rds } from '../../rotation/rds.ts'
import { createSecret, finishSecret, setSecret, testSecret as try_ } from '../../rotation/steps.ts'
import { MemoryStore } from '../../rotation/stores/memory.ts'
import { ADMIN_PAUSES_MS } from '../../rotation/strategies/adminSession.ts'

/**
 * One secret in memory, its user in a real PostgreSQL, and a pipeline for both. A file that imports this gets new ones for each
 * of its tests.
 */
const [found] = inject('postgres')
if (!found) throw new Error('no PostgreSQL')
export const server = found
export const engine = new Postgres({ caFile: server.caFile })
export const id = 'app'
export const firstToken = 'first-'.padEnd(32, '0')
export const secondToken = 'second-'.padEnd(32, '0')

export let app: App
export let store: MemoryStore
/** The tokens of the rotations whose executions run. */
export let running: Set<string>
/** Those of the running rotations that only wait until what they replaced is closed. */
export let waitingToClose: Set<string>
/** The tokens of the rotations whose history proves that they changed nothing in the database. */
export let untouched: Set<string>
export let pipeline: Pipeline
export let admin: ReturnType<typeof vi.fn<(arn: string) => Promise<Credential>>>
export let rds: ReturnType<typeof vi.fn<() => Promise<Rds>>>
export let connection: ReturnType<typeof vi.fn<(name: string) => Promise<string>>>

/** Makes the secret anew, with these tags, and a pipeline for it. */
export async function setUpSecret(tags: Record<string, string> = {}, value = app.current): Promise<void> {
  store = new MemoryStore()
  store.create(id, firstToken, value, tags)
  running = new Set()
  waitingToClose = new Set()
  untouched = new Set()
  admin = vi.fn(async () => app.admin)
  rds = vi.fn(() => Promise.reject(new Unreachable('RDS: no route')))
  connection = vi.fn(async () => connectionJsonOf(app.current))
  pipeline = {
    store,
    loadEngine: async name => (name === 'opaque' ? new Opaque() : engine),
    readAdmin: admin,
    readConnection: connection,
    rds,
    isRotating: async token => running.has(token) && !waitingToClose.has(token),
    isExecutionRunning: async token => running.has(token),
    hasChangedNothing: async token => untouched.has(token),
    defaults: parseOptions({}),
  }
}

ADMIN_PAUSES_MS.splice(0, Infinity, 10, 100)

beforeEach(async () => {
  app = await makeApp(server)
  await setUpSecret({ 'keyturn:strategy': 'alternating-users' })
  return () => app.drop()
})

export const unreachableEngine = async () => new Postgres({ caFile: server.caFile, connectTimeout: 1 })
export const singleUserTags = { 'keyturn:strategy': 'single-user' }
export const readCurrent = async () => (await store.read(id, { stage: 'current' }))?.credential as Credential
export const readByToken = async (token: string) =>
  (await store.read(id, { token: token }))?.credential as Credential

/** Runs the four steps of a rotation. @returns what CreateSecret returned */
export async function rotate(token: string) {
  const rotation = await createSecret(pipeline, { id, token })
  await setSecret(pipeline, rotation)
  await try_(pipeline, rotation)
  await finishSecret(pipeline, rotation)
  return rotation
}

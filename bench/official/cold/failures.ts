import { once } from 'node:events'
import { cpus } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { Sides } from '../compare.ts'
import type { Scene } from '../scene.ts'
import type { Engine } from '../source.ts'
import { keyturnCrew, officialCrew, type StartCrew, subjectOf } from './crews.ts'

/** What an application is started with: `rate` is its queries a second, `issuer` whom it trusts at Secrets Manager. */
export type Asked = {
  engine: Engine
  caFile: string
  endpoint: string
  issuer: string
  secret: string
  rate: number
}

/** What it made of it. */
export type Told = { queries: number; failed: number }

/** Failed queries of an application in `rotations` rotations of each side. `busy` is the part of the processors that was used, by all. */
export type Failures = {
  database: string
  rate: number
  isCold: boolean
  rotations: number
  official: number
  keyturn: number
  busy: number
}

/** The part of the processors that may be used, or else what is measured is how it waits for them. */
const MOST_BUSY = 0.8
/** Milliseconds between two rotations, for which a rate is tried, and that an application may take to answer. */
const [PAUSE, TRY, PATIENCE] = [100, 2_000, 60_000]

export async function measureFailures(
  scene: Scene,
  sides: Sides,
  { rate, isCold, rotations }: Pick<Failures, 'rate' | 'isCold' | 'rotations'>,
): Promise<Failures> {
  const before = usedTime()
  const official = await countFailed(scene, officialCrew(scene, sides), { rate, isCold, rotations })
  const keyturn = await countFailed(scene, keyturnCrew(scene, sides), { rate, isCold, rotations })
  const busy = partUsed(before)
  return { database: subjectOf(scene), rate, isCold, rotations, official, keyturn, busy }
}

/** Whether the application alone, at this rate, leaves processors for a rotation. */
export async function leavesRoom(scene: Scene, rate: number): Promise<boolean> {
  await using application = await startApplication(scene, await scene.enrol(false), rate)
  const before = usedTime()
  await sleep(TRY)
  const busy = partUsed(before)
  await application.stop()
  return busy <= MOST_BUSY
}

async function countFailed(
  scene: Scene,
  start: StartCrew,
  { rate, isCold, rotations }: Pick<Failures, 'rate' | 'isCold' | 'rotations'>,
): Promise<number> {
  const secret = await scene.enrol(false)
  await using warm = await start()
  await warm.rotate(secret)
  await using application = await startApplication(scene, secret, rate)
  for (let i = 0; i < rotations; i++) {
    await sleep(PAUSE)
    if (!isCold) await warm.rotate(secret)
    else {
      await using cold = await start()
      await cold.rotate(secret)
    }
  }
  await sleep(PAUSE)
  return (await application.stop()).failed
}

/** Starts an application in a thread, and waits until it queries. @throws, when it is stopped, if a query failed for another reason */
export async function startApplication(scene: Scene, secret: string, rate: number) {
  const { engine, server, secretsManager, issuer } = scene
  const asked: Asked = {
    engine,
    caFile: server.caFile,
    endpoint: secretsManager.url,
    issuer,
    secret,
    rate,
  }
  const worker = new Worker(new URL('application.ts', import.meta.url), { workerData: asked })
  const next = async () => (await once(worker, 'message', { signal: AbortSignal.timeout(PATIENCE) }))[0]
  await next()
  // What it throws before it is stopped must wait until somebody asks.
  const ended = once(worker, 'exit').catch(error => error)
  const ask = async (word: 'tell' | 'stop'): Promise<Told> => {
    worker.postMessage(word)
    const told = await Promise.race([next(), ended])
    if (told?.queries !== undefined) return told
    throw told instanceof Error ? told : new Error('the application ended before it was stopped')
  }
  return {
    /** What it made of it so far. */
    told: () => ask('tell'),
    stop: () => ask('stop'),
    async [Symbol.asyncDispose]() {
      await worker.terminate()
    },
  }
}

/** Milliseconds that all processors worked and waited since the system began. */
function usedTime(): { used: number; all: number } {
  const times = cpus().map(({ times: { idle, ...others } }) => ({
    idle,
    used: Object.values(others).reduce((sum, time) => sum + time, 0),
  }))
  const used = times.reduce((sum, time) => sum + time.used, 0)
  return { used, all: times.reduce((sum, { idle }) => sum + idle, used) }
}

function partUsed(before: ReturnType<typeof usedTime>): number {
  const now = usedTime()
  return (now.used - before.used) / (now.all - before.all)
}

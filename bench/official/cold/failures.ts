import { once } from 'node:events'
import { cpus } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { ComparisonInputs } from '../compare.ts'
import type { Scene } from '../scene.ts'
import type { Engine } from '../source.ts'
import { keyturnProcesses, officialProcesses, rowTitleOf, type StartProcesses } from './sideProcesses.ts'

/** What an application is started with: `rate` is its queries a second, `issuer` whom it trusts at Secrets Manager. */
export type ApplicationSettings = {
  engine: Engine
  caFile: string
  endpoint: string
  issuer: string
  secret: string
  queriesPerSecond: number
}

/** What it made of it. */
export type QueryCounts = { queries: number; failed: number }

/** Failed queries of an application in `rotations` rotations of each side. `busy` is the part of the processors that was used, by all. */
export type FailureCounts = {
  database: string
  rate: number
  isCold: boolean
  rotations: number
  official: number
  keyturn: number
  busy: number
}

/** The part of the processors that may be used, or else what is measured is how it waits for them. */
const MAX_BUSY_SHARE = 0.8
/** Milliseconds between two rotations, for which a rate is tried, and that an application may take to answer. */
const [PAUSE_MS, TRIAL_MS, ANSWER_TIMEOUT_MS] = [100, 2_000, 60_000]

export async function measureFailures(
  scene: Scene,
  sides: ComparisonInputs,
  { rate, isCold, rotations }: Pick<FailureCounts, 'rate' | 'isCold' | 'rotations'>,
): Promise<FailureCounts> {
  const before = processorTimes()
  const official = await countFailed(scene, officialProcesses(scene, sides), { rate, isCold, rotations })
  const keyturn = await countFailed(scene, keyturnProcesses(scene, sides), { rate, isCold, rotations })
  const busy = usedShareSince(before)
  return { database: rowTitleOf(scene), rate, isCold, rotations, official, keyturn, busy }
}

/** Whether the application alone, at this rate, leaves processors for a rotation. */
export async function hasSpareProcessors(scene: Scene, rate: number): Promise<boolean> {
  await using application = await startApplication(scene, await scene.enrol(false), rate)
  const before = processorTimes()
  await sleep(TRIAL_MS)
  const busy = usedShareSince(before)
  await application.stop()
  return busy <= MAX_BUSY_SHARE
}

async function countFailed(
  scene: Scene,
  start: StartProcesses,
  { rate, isCold, rotations }: Pick<FailureCounts, 'rate' | 'isCold' | 'rotations'>,
): Promise<number> {
  const secret = await scene.enrol(false)
  await using warm = await start()
  await warm.rotate(secret)
  await using application = await startApplication(scene, secret, rate)
  for (let i = 0; i < rotations; i++) {
    await sleep(PAUSE_MS)
    if (!isCold) await warm.rotate(secret)
    else {
      await using cold = await start()
      await cold.rotate(secret)
    }
  }
  await sleep(PAUSE_MS)
  return (await application.stop()).failed
}

/** Starts an application in a thread, and waits until it queries. @throws, when it is stopped, if a query failed for another reason */
export async function startApplication(scene: Scene, secret: string, rate: number) {
  const { engine, server, secretsManager, issuer } = scene
  const asked: ApplicationSettings = {
    engine,
    caFile: server.caFile,
    endpoint: secretsManager.url,
    issuer,
    secret,
    queriesPerSecond: rate,
  }
  const worker = new Worker(new URL('application.ts', import.meta.url), { workerData: asked })
  const next = async () =>
    (await once(worker, 'message', { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) }))[0]
  await next()
  // What it throws before it is stopped must wait until somebody asks.
  const ended = once(worker, 'exit').catch(error => error)
  const ask = async (word: 'tell' | 'stop'): Promise<QueryCounts> => {
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
function processorTimes(): { used: number; all: number } {
  const times = cpus().map(({ times: { idle, ...others } }) => ({
    idle,
    used: Object.values(others).reduce((sum, time) => sum + time, 0),
  }))
  const used = times.reduce((sum, time) => sum + time.used, 0)
  return { used, all: times.reduce((sum, { idle }) => sum + idle, used) }
}

function usedShareSince(before: ReturnType<typeof processorTimes>): number {
  const now = processorTimes()
  return (now.used - before.used) / (now.all - before.all)
}

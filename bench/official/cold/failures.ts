import { once } from 'node:events'
import { cpus } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { ComparisonInputs } from '../compare.ts'
import type { Scene } from '../scene.ts'
import type { Engine } from '../source.ts'
import { keyturnProcesses, officialProcesses, rowTitleOf, type StartProcesses } from './sideProcesses.ts'

/**
 * The settings of an application: `caFile` is the certificate of the database, `endpoint` and `issuer` are those of Secrets
 * Manager.
 */
export type ApplicationSettings = {
  engine: Engine
  caFile: string
  endpoint: string
  issuer: string
  secret: string
  queriesPerSecond: number
}

/** How many queries an application made, and how many of them failed. */
export type QueryCounts = { queries: number; failed: number }

/**
 * How many queries of an application failed during `rotations` rotations by each side. `rate` is its queries a second, `busy` the
 * share of all processors that was in use, from 0 to 1.
 */
export type FailureCounts = {
  database: string
  rate: number
  isCold: boolean
  rotations: number
  official: number
  keyturn: number
  busy: number
}

/** If more of the processors is in use, queries wait for processors, and the measurement says nothing about rotations. */
const MAX_BUSY_SHARE = 0.8
/** The pause between two rotations, how long a rate is tried, and how long an application may take to answer. */
const [PAUSE_MS, TRIAL_MS, ANSWER_TIMEOUT_MS] = [100, 2_000, 60_000]

/** Counts an application's failed queries during rotations by each side. */
export async function measureFailures(
  scene: Scene,
  inputs: ComparisonInputs,
  { rate, isCold, rotations }: Pick<FailureCounts, 'rate' | 'isCold' | 'rotations'>,
): Promise<FailureCounts> {
  const before = processorTimes()
  const official = await countFailed(scene, officialProcesses(scene, inputs), { rate, isCold, rotations })
  const keyturn = await countFailed(scene, keyturnProcesses(scene, inputs), { rate, isCold, rotations })
  const busy = usedShareSince(before)
  return { database: rowTitleOf(scene), rate, isCold, rotations, official, keyturn, busy }
}

/** Whether an application at this rate leaves enough of the processors for rotations. */
export async function hasSpareProcessors(scene: Scene, rate: number): Promise<boolean> {
  await using application = await startApplication(scene, await scene.enrol(false), rate)
  const before = processorTimes()
  await sleep(TRIAL_MS)
  const busy = usedShareSince(before)
  await application.stop()
  return busy <= MAX_BUSY_SHARE
}

/** Rotates a secret several times while an application queries. @returns how many queries failed */
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

/**
 * Starts an application in a thread, and waits until it queries.
 * @returns `countsSoFar` asks for the counts; `stop` ends the application and returns them, or throws what the application threw
 */
export async function startApplication(scene: Scene, secret: string, rate: number) {
  const { engine, server, secretsManager, issuer } = scene
  const settings: ApplicationSettings = {
    engine,
    caFile: server.caFile,
    endpoint: secretsManager.url,
    issuer,
    secret,
    queriesPerSecond: rate,
  }
  const worker = new Worker(new URL('application.ts', import.meta.url), { workerData: settings })
  const nextMessage = async () =>
    (await once(worker, 'message', { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) }))[0]
  await nextMessage()
  // An error of the thread is kept until the counts are asked for.
  const ended = once(worker, 'exit').catch(error => error)
  const ask = async (word: 'tell' | 'stop'): Promise<QueryCounts> => {
    worker.postMessage(word)
    const answer = await Promise.race([nextMessage(), ended])
    if (answer?.queries !== undefined) return answer
    throw answer instanceof Error ? answer : new Error('the application ended before it was stopped')
  }
  return {
    countsSoFar: () => ask('tell'),
    stop: () => ask('stop'),
    async [Symbol.asyncDispose]() {
      await worker.terminate()
    },
  }
}

/** Milliseconds since the system started, of all processors together: how long they worked, and how long in all. */
function processorTimes(): { used: number; all: number } {
  const times = cpus().map(({ times: { idle, ...others } }) => ({
    idle,
    used: Object.values(others).reduce((sum, time) => sum + time, 0),
  }))
  const used = times.reduce((sum, time) => sum + time.used, 0)
  return { used, all: times.reduce((sum, { idle }) => sum + idle, used) }
}

/** The share of all processors that was in use since then, from 0 to 1. */
function usedShareSince(before: ReturnType<typeof processorTimes>): number {
  const now = processorTimes()
  return (now.used - before.used) / (now.all - before.all)
}

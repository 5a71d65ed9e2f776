import { setTimeout as sleep } from 'node:timers/promises'
import type { Context } from '../context.ts'
import type { Say } from '../watch/runJobs.ts'
import type { SecretCalls } from './calls.ts'
import { type CopyState, listedReplica, lookAtCopy, replicaStatusText } from './copies.ts'

/**
 * How the wait for a replica ended. `follows`: the Region has the current version. `unseen`: it is InSync, and its Region
 * could not be asked for the version. `failed`: Secrets Manager says so. `late`: the time was over. `stopped`: somebody
 * did not want to wait on. `status` is the service's word.
 */
export type ReplicaWaitResult = {
  end: 'follows' | 'unseen' | 'failed' | 'late' | 'stopped'
  status: string
  there: CopyState
}

export type ReplicaWait = {
  calls: SecretCalls
  arn: string
  region: string
  milliseconds: number
  signal: AbortSignal
}

/** Milliseconds between looks: at first, and in the end. */
const [FIRST_PAUSE_MS, LONGEST_PAUSE_MS] = [500, 5000]

/**
 * Waits until a replica that was just begun has what is current. Right after the call the status may be that of before, so
 * InSync has to come with the version, and Failed has to be seen twice.
 */
export async function waitForReplica(
  context: Context,
  wait: ReplicaWait,
  say: Say,
): Promise<ReplicaWaitResult> {
  const { calls, arn, region, milliseconds, signal } = wait
  const until = Date.now() + milliseconds
  let [before, failed, pause] = ['', 0, FIRST_PAUSE_MS]
  for (;;) {
    const { secret } = await calls.find(arn)
    const replica = listedReplica(secret, region) ?? {}
    const status = replicaStatusText(replica)
    const there = await lookAtCopy(context, secret, region)
    if (status !== before) say(`${status} in ${region}`)
    before = status
    const seen = { status, there }
    failed = replica.Status === 'Failed' ? failed + 1 : 0
    if (failed > 1) return { end: 'failed', ...seen }
    if (replica.Status === 'InSync' && there.state === 'follows') return { end: 'follows', ...seen }
    if (replica.Status === 'InSync' && there.state === 'unseen') return { end: 'unseen', ...seen }
    if (signal.aborted) return { end: 'stopped', ...seen }
    if (Date.now() >= until) return { end: failed ? 'failed' : 'late', ...seen }
    await sleep(pause, undefined, { signal }).catch(() => {})
    pause = Math.min(pause * 1.5, LONGEST_PAUSE_MS)
  }
}

/** Waits until a Region has no such secret any more. @returns whether it has none */
export async function waitUntilRemoved(
  context: Context,
  { calls, arn, region }: ReplicaWait,
): Promise<boolean> {
  const until = Date.now() + 60_000
  for (;;) {
    const { secret } = await calls.find(arn)
    const { state } = await lookAtCopy(context, secret, region)
    if (state === 'empty' && !listedReplica(secret, region)) return true
    if (Date.now() >= until) return false
    await sleep(FIRST_PAUSE_MS)
  }
}

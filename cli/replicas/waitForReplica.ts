import { setTimeout as sleep } from 'node:timers/promises'
import type { Context } from '../context.ts'
import type { Say } from '../watch/runJobs.ts'
import type { SecretCalls } from './calls.ts'
import { type CopyState, listedReplica, lookAtCopy, replicaStatusText } from './copies.ts'

/**
 * How the wait for a replica ended. `follows`: the Region has the current version. `unseen`: the replica's status is InSync, but
 * its Region could not be asked for the version. `failed`: its status is Failed. `late`: the time was over. `stopped`: the user
 * stopped the wait. `status` is the replica's last status, and `there` the state of the copy in its Region.
 */
export type ReplicaWaitResult = {
  end: 'follows' | 'unseen' | 'failed' | 'late' | 'stopped'
  status: string
  there: CopyState
}

/** What to wait for: the replica of the secret `arn` in `region`, for so many milliseconds. */
export type ReplicaWait = {
  calls: SecretCalls
  arn: string
  region: string
  milliseconds: number
  signal: AbortSignal
}

/** Milliseconds between the first two polls. Each further interval is longer, up to LONGEST_INTERVAL_MS. */
const FIRST_INTERVAL_MS = 500
const LONGEST_INTERVAL_MS = 5000
/** Milliseconds that a deleted replica is waited for to be gone. */
const REMOVAL_WAIT_MS = 60_000

/**
 * Waits until a replica has the secret's current version. Right after the call that replicates the secret, Secrets Manager may
 * still return the old status: so InSync counts only together with the version, and Failed only if it is seen twice in a row.
 */
export async function waitForReplica(
  context: Context,
  wait: ReplicaWait,
  say: Say,
): Promise<ReplicaWaitResult> {
  const { calls, arn, region, milliseconds, signal } = wait
  const until = Date.now() + milliseconds
  let [lastStatus, failedCount, interval] = ['', 0, FIRST_INTERVAL_MS]
  for (;;) {
    const { secret } = await calls.find(arn)
    const replica = listedReplica(secret, region) ?? {}
    const status = replicaStatusText(replica)
    const there = await lookAtCopy(context, secret, region)
    if (status !== lastStatus) say(`${status} in ${region}`)
    lastStatus = status
    const observed = { status, there }
    failedCount = replica.Status === 'Failed' ? failedCount + 1 : 0
    if (failedCount > 1) return { end: 'failed', ...observed }
    if (replica.Status === 'InSync' && there.state === 'follows') return { end: 'follows', ...observed }
    if (replica.Status === 'InSync' && there.state === 'unseen') return { end: 'unseen', ...observed }
    if (signal.aborted) return { end: 'stopped', ...observed }
    if (Date.now() >= until) return { end: failedCount ? 'failed' : 'late', ...observed }
    await sleep(interval, undefined, { signal }).catch(() => {})
    interval = Math.min(interval * 1.5, LONGEST_INTERVAL_MS)
  }
}

/** Waits up to a minute for a deleted replica to be gone. @returns whether it is gone */
export async function waitUntilRemoved(
  context: Context,
  { calls, arn, region }: ReplicaWait,
): Promise<boolean> {
  const until = Date.now() + REMOVAL_WAIT_MS
  for (;;) {
    const { secret } = await calls.find(arn)
    const { state } = await lookAtCopy(context, secret, region)
    if (state === 'empty' && !listedReplica(secret, region)) return true
    if (Date.now() >= until) return false
    await sleep(FIRST_INTERVAL_MS)
  }
}

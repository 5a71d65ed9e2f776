import { setTimeout as sleep } from 'node:timers/promises'
import type { DescribeCopyIn } from './detachedCopies.ts'
import { ReplicasBehind } from './errors.ts'
import { type ReplicaRegions, requireReplicasHavePending } from './peerReplicas.ts'
import type { RotationId } from './pipeline.ts'
import type { Store } from './stores/store.ts'

/** Milliseconds for which the pending version is waited for at most, and between two looks. */
export const PENDING_WAIT_MS = { total: 15_000, pause: 1_000 }

/** `late`: it was not waited for any longer, and why. `until`: when the wait ended, ISO 8601. */
type PendingWait = { until: string } & (
  | ({ outcome: 'replicated' } & ReplicaRegions)
  | { outcome: 'late'; why: string }
)

/**
 * Waits until a rotation's pending version has come to the replicas, as a label that is moved again right after can stop
 * replication for good. Nobody is refused meanwhile; and whether the label shows elsewhere at all, AWS does not document.
 */
export async function awaitPending(
  store: Store,
  rotation: RotationId,
  peers: string[],
  askingFor: (arn: string) => DescribeCopyIn,
): Promise<PendingWait> {
  const signal = AbortSignal.timeout(PENDING_WAIT_MS.total)
  const late = new Promise<undefined>(resolve => {
    signal.addEventListener('abort', () => resolve(undefined))
  })
  let why = 'no Region has answered yet'
  async function lookUntilThere(): Promise<ReplicaRegions | undefined> {
    while (!signal.aborted) {
      try {
        const primary = await store.describe(rotation.id)
        return await requireReplicasHavePending(
          primary,
          rotation,
          peers,
          askingFor(primary.arn ?? rotation.id),
        )
      } catch (error) {
        if (!(error instanceof ReplicasBehind)) throw error
        why = error.message
      }
      await sleep(PENDING_WAIT_MS.pause)
    }
    return undefined
  }
  const followed = await Promise.race([lookUntilThere(), late])
  const until = new Date().toISOString()
  return followed ? { outcome: 'replicated', ...followed, until } : { outcome: 'late', why, until }
}

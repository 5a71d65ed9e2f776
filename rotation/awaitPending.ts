import { setTimeout as sleep } from 'node:timers/promises'
import type { DescribeCopyIn } from './detachedCopies.ts'
import { ReplicasBehind } from './errors.ts'
import { type ReplicaRegions, requireReplicasHavePending } from './peerReplicas.ts'
import type { RotationId } from './rotationState.ts'
import type { Store } from './stores/store.ts'

/** How long a rotation waits until replicas have its pending version: at most (`total`), and between two questions (`pause`). */
export const PENDING_WAIT_MS = { total: 15_000, pause: 1_000 }

/**
 * How the wait ended. `replicated`: every replica has the pending version. `late`: the time was over before that, and `why` says
 * what was missing. `until` is when the wait ended, in ISO 8601.
 */
type PendingWait = { until: string } & (
  | ({ outcome: 'replicated' } & ReplicaRegions)
  | { outcome: 'late'; why: string }
)

/**
 * Waits until the replicas have a rotation's pending version. If FinishSecret moved a label before that, the replication could stop
 * for good. The wait is short, and a rotation goes on after it in any case: AWS does not document that replicas show this label.
 * @param peers the Regions that the deployment names as peers, which may be asked
 * @param askingFor makes the function that asks a Region for its copy of the secret with an ARN
 * @throws what describing the secret throws
 */
export async function awaitPending(
  store: Store,
  rotation: RotationId,
  peers: string[],
  askingFor: (arn: string) => DescribeCopyIn,
): Promise<PendingWait> {
  const signal = AbortSignal.timeout(PENDING_WAIT_MS.total)
  const timeIsOver = new Promise<undefined>(resolve => {
    signal.addEventListener('abort', () => resolve(undefined))
  })
  let why = 'no Region has answered yet'
  async function askUntilReplicated(): Promise<ReplicaRegions | undefined> {
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
  const regions = await Promise.race([askUntilReplicated(), timeIsOver])
  const until = new Date().toISOString()
  return regions ? { outcome: 'replicated', ...regions, until } : { outcome: 'late', why, until }
}

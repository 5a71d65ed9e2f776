import { RotationAbandoned, RotationInProgress } from './errors.ts'
import type { StorePipeline } from './pipeline.ts'
import { awaitedReplicas, type PeerAnswer } from './replicas.ts'
import type { Description } from './stores/store.ts'

/**
 * Makes sure that no version of another rotation is pending. If that rotation died and, by the histories of its executions,
 * changed no database, its version is discarded here. To call rollbackSecret would be useless, as there is nothing to undo, and
 * harmful where rollbackSecret cannot work: every rotation would then end as a lockout although nothing had been changed.
 * @throws RotationInProgress if the other rotation runs
 * @throws RotationAbandoned if the other rotation died and cannot be discarded here: it may have changed a database, or replicas
 *   have to be waited for first
 */
export async function clearOtherPending(
  pipeline: StorePipeline,
  { id, token }: { id: string; token: string },
  found: Description,
  answer: PeerAnswer,
): Promise<void> {
  const pending = await findOtherPending(pipeline, found, token)
  if (!pending) return
  if (mustAwaitReplicas(found, answer) || !(await tryDiscard(pipeline, id, pending)))
    throw abandonedError(pending)
}

const abandonedError = (pending: string) =>
  new RotationAbandoned(`version ${pending} is pending, but its rotation does not run any more`)

/**
 * Makes sure that no version of another rotation is pending, without discarding one.
 * @throws RotationInProgress, RotationAbandoned
 */
export async function refuseOtherPending(
  pipeline: Pick<StorePipeline, 'isRotating'>,
  found: Description,
  token: string,
): Promise<void> {
  const pending = await findOtherPending(pipeline, found, token)
  if (pending) throw abandonedError(pending)
}

/**
 * Finds the pending version of a rotation that died, other than the rotation `token`.
 * @returns the token of that version; undefined if there is none
 * @throws RotationInProgress if that rotation runs
 */
export async function findOtherPending(
  { isRotating }: Pick<StorePipeline, 'isRotating'>,
  { pending }: Description,
  token?: string,
): Promise<string | undefined> {
  if (!pending || pending === token) return undefined
  if (await isRotating(pending))
    throw new RotationInProgress(`version ${pending} is pending and its rotation runs`)
  return pending
}

/**
 * Whether replicas have to be waited for before a label is moved. Two moves in a row can stop a replication for good, and this
 * execution did not wait for replicas, as another version was pending (see lookAtReplicasBefore). It does so after the state
 * RollbackAbandoned.
 */
const mustAwaitReplicas = (found: Description, { behind, unasked }: PeerAnswer): boolean =>
  behind !== undefined || unasked !== undefined || awaitedReplicas(found).length > 0

/**
 * Discards the version of a rotation that changed nothing.
 * @returns false if the rotation may have changed something, or the version cannot be discarded: then it needs a rollback
 */
async function tryDiscard(
  { store, hasChangedNothing }: StorePipeline,
  id: string,
  pending: string,
): Promise<boolean> {
  try {
    if (!(await hasChangedNothing(pending))) return false
    await store.discard(id, pending)
    return true
  } catch {
    return false
  }
}

import { RotationAbandoned, RotationInProgress } from './errors.ts'
import type { StorePipeline } from './pipeline.ts'
import { awaitedReplicas, type PeerAnswer } from './replicas.ts'
import type { Description } from './stores/store.ts'

/**
 * Sees that no other rotation's value is pending. One that an execution left which changed no database, by its history, is taken
 * back here and now: rollbackSecret would find nothing to undo, and where it cannot work itself, each rotation would end as a
 * lockout though nothing was ever changed.
 * @throws RotationInProgress if that rotation runs
 * @throws RotationAbandoned if it died, and may have changed a database
 */
export async function clearOtherPending(
  pipeline: StorePipeline,
  { id, token }: { id: string; token: string },
  found: Description,
  answer: PeerAnswer,
): Promise<void> {
  const pending = await findOtherPending(pipeline, found, token)
  if (!pending) return
  if (mustAskOtherRegions(found, answer) || !(await tryTakeBack(pipeline, id, pending)))
    throw abandonedError(pending)
}

const abandonedError = (pending: string) =>
  new RotationAbandoned(`version ${pending} is pending, but its rotation does not run any more`)

/** As clearOtherPending, but that nothing is taken back. @throws RotationInProgress, RotationAbandoned */
export async function refuseOtherPending(
  pipeline: Pick<StorePipeline, 'isRotating'>,
  found: Description,
  token: string,
): Promise<void> {
  const pending = await findOtherPending(pipeline, found, token)
  if (pending) throw abandonedError(pending)
}

/** The version of another rotation that is pending, and has died. @throws RotationInProgress if it runs */
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
 * While something else was pending, replicas were not waited for; and a label that is moved twice in a row can stop their
 * replication for good. After RollbackAbandoned they are looked at again, and waited for.
 */
const mustAskOtherRegions = (found: Description, { behind, unasked }: PeerAnswer): boolean =>
  behind !== undefined || unasked !== undefined || awaitedReplicas(found).length > 0

/** @returns false if it may have changed something, or nobody can tell, or it cannot be taken back: all that a rollback looks at */
async function tryTakeBack(
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

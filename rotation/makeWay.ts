import { RotationAbandoned, RotationInProgress } from './errors.ts'
import type { StorePipeline } from './pipeline.ts'
import { type Answer, awaited } from './replicas.ts'
import type { Description } from './stores/store.ts'

/**
 * Sees that no other rotation's value is pending. One that an execution left which changed no database, by its history, is taken
 * back here and now: rollbackSecret would find nothing to undo, and where it cannot work itself, each rotation would end as a
 * lockout though nothing was ever changed.
 * @throws RotationInProgress if that rotation runs
 * @throws RotationAbandoned if it died, and may have changed a database
 */
export async function makeWay(
  pipeline: StorePipeline,
  { id, token }: { id: string; token: string },
  found: Description,
  answer: Answer,
): Promise<void> {
  const pending = await foreignIn(pipeline, found, token)
  if (!pending) return
  if (asksOtherRegions(found, answer) || !(await tookBack(pipeline, id, pending))) throw abandoned(pending)
}

const abandoned = (pending: string) =>
  new RotationAbandoned(`version ${pending} is pending, but its rotation does not run any more`)

/** As makeWay, but that nothing is taken back. @throws RotationInProgress, RotationAbandoned */
export async function refuseForeign(
  pipeline: Pick<StorePipeline, 'rotating'>,
  found: Description,
  token: string,
): Promise<void> {
  const pending = await foreignIn(pipeline, found, token)
  if (pending) throw abandoned(pending)
}

/** The version of another rotation that is pending, and has died. @throws RotationInProgress if it runs */
export async function foreignIn(
  { rotating }: Pick<StorePipeline, 'rotating'>,
  { pending }: Description,
  token?: string,
): Promise<string | undefined> {
  if (!pending || pending === token) return undefined
  if (await rotating(pending))
    throw new RotationInProgress(`version ${pending} is pending and its rotation runs`)
  return pending
}

/**
 * While something else was pending, replicas were not waited for; and a label that is moved twice in a row can stop their
 * replication for good. After RollbackAbandoned they are looked at again, and waited for.
 */
const asksOtherRegions = (found: Description, { behind, unasked }: Answer): boolean =>
  behind !== undefined || unasked !== undefined || awaited(found).length > 0

/** @returns false if it may have changed something, or nobody can tell, or it cannot be taken back: all that a rollback looks at */
async function tookBack({ store, untouched }: StorePipeline, id: string, pending: string): Promise<boolean> {
  try {
    if (!(await untouched(pending))) return false
    await store.discard(id, pending)
    return true
  } catch {
    return false
  }
}

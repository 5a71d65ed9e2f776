import type { Credential } from './credential.ts'
import { engineTraits } from './engines/traits.ts'
import { Conflict, InvalidCredential, LockedOut, RotationInProgress } from './errors.ts'
import { explainRefusal } from './explainRefusal.ts'
import { parseGrace, parseRollbackOptions, type RollbackOptions } from './options.ts'
import {
  makeChange,
  openStore,
  type Pipeline,
  type Rotation,
  type RotationId,
  readIfParsable,
  readOtherTokens,
  withDatabaseOf,
} from './pipeline.ts'
import type { Description, Version } from './stores/store.ts'
import { strategies } from './strategies/index.ts'
import { isPendingOpen } from './strategies/restore.ts'
import type { FailedChange, Outcome } from './strategies/strategy.ts'
import { strategyFor } from './strategies/strategyFor.ts'
import type { StrategyName } from './strategies/strategyNames.ts'

/**
 * How a rollback ended: as its strategy says (see Outcome); `nothing`, there was no value to take back; `untouched`,
 * the rotation had changed nothing in the database, which cannot be asked about current; `finished`, the rotation had
 * in fact succeeded.
 */
type RolledBack = { token?: string; outcome: Outcome | 'nothing' | 'untouched' | 'finished' }

/** What of a failed rotation is known; all but its id and token only if createSecret had come to its end. */
type FailedRotation = RotationId & RollbackOptions & Partial<Pick<Rotation, 'user' | 'host' | 'replaces'>>

/** Moved by others more often than this within one rollback: give up, and be retried. */
const MAX_ROUNDS_COUNT = 3

/**
 * Takes a rotation back: current logs in, and its value is no longer pending. What createSecret found out is used if it
 * is there, else the tags tell. If the database does not let us look, that is no failure as long as it is untouched.
 * @throws LockedOut if current cannot be brought back; nothing is pending then if it was `before`
 */
export async function rollback(given: Pipeline, rotation: FailedRotation): Promise<RolledBack> {
  const { id, token } = rotation
  const pipeline = askHistoryOnce(given)
  for (let round = 0; round < MAX_ROUNDS_COUNT; round++)
    try {
      const found = await pipeline.store.describe(id)
      if (found.current === token) return { token, outcome: 'finished' }
      const rolledBack = await rollbackFound(pipeline, rotation, found)
      if (rolledBack) return rolledBack
    } catch (error) {
      const untouched =
        error instanceof LockedOut ? error.wasLockedOutBefore : await pipeline.hasChangedNothing(token)
      if (!untouched) throw error
      // The server is down, current is of no use to log in with, or the secret is gone: nothing has to be undone there.
      await discardIfThere(pipeline, id, token)
      if (error instanceof LockedOut) throw error
      return { token, outcome: 'untouched' }
    }
  throw new Conflict('current keeps moving')
}

/** The same, but that it asks once whether the rotation left all untouched: what it did is over. */
function askHistoryOnce(pipeline: Pipeline): Pipeline {
  let known: boolean | undefined
  return {
    ...pipeline,
    async hasChangedNothing(token) {
      known ??= await pipeline.hasChangedNothing(token)
      return known
    },
  }
}

/** A secret that was deleted has nothing pending either. */
async function discardIfThere({ store }: Pipeline, id: string, token: string): Promise<void> {
  try {
    await store.discard(id, token)
  } catch (error) {
    if (!(error instanceof InvalidCredential) || error.field !== 'id') throw error
  }
}

/** @returns undefined if current was moved meanwhile */
async function rollbackFound(
  pipeline: Pipeline,
  rotation: FailedRotation,
  found: Description,
): Promise<RolledBack | undefined> {
  const { id, token } = rotation
  const known = rotation.engine ? rotation : parseRollbackOptions(found.tags, pipeline.defaults)
  const store = await openStore(pipeline, known)
  const pending = await readIfParsable(store, id, { token })
  if (!pending) {
    if (found.pending === token) await store.discard(id, token)
    return { token, outcome: 'nothing' }
  }
  if (!found.current) throw new LockedOut('the secret has no current version')
  const current = await store.read(id, { token: found.current, stage: 'current' })
  if (!current) return undefined
  // Whose password it is was changed in the parameter that says so; no database was told anything.
  const { user = current.credential.username, host = current.credential.host } = rotation
  if (current.credential.username !== user || current.credential.host !== host)
    if (current.token === rotation.replaces && (await pipeline.hasChangedNothing(token))) {
      await store.discard(id, token)
      return { token, outcome: 'untouched' }
    }
  const reading = { ...pipeline, store }
  const outcome = await undo(reading, id, found, current, pending, known).catch(async error => {
    if (!(error instanceof LockedOut) || !(await pipeline.hasChangedNothing(token).catch(() => false)))
      throw error
    const engine = await pipeline.loadEngine(current.credential.engine)
    throw new LockedOut(
      error.message,
      await explainRefusal(engine, makeChange(reading, id, current, pending)),
    )
  })
  if (outcome === 'restored' && (await store.describe(id)).current !== current.token) return undefined
  await store.discard(id, token)
  return { token, outcome }
}

/**
 * Takes back a value that no database was told, and asks none. What an earlier execution of the same version may have set stays
 * as it is: with the secret promoted in another Region, the database may be that Region's by now, and know no other password.
 */
export async function discardIfUnchanged(pipeline: Pipeline, { id, token }: RotationId): Promise<RolledBack> {
  if (!(await pipeline.hasChangedNothing(token))) return { token, outcome: 'left' }
  await discardIfThere(pipeline, id, token)
  return { token, outcome: 'untouched' }
}

/** Rolls back whichever rotation died and left its value pending. @throws RotationInProgress if it runs after all */
export async function rollbackAbandoned(pipeline: Pipeline, id: string): Promise<RolledBack> {
  const { pending } = await pipeline.store.describe(id)
  if (!pending) return { outcome: 'nothing' }
  if (await pipeline.isRotating(pending))
    throw new RotationInProgress(`the rotation of version ${pending} runs`)
  return rollback(pipeline, { id, token: pending })
}

async function undo(
  pipeline: Pipeline,
  id: string,
  found: Description,
  current: Version,
  pending: Version,
  known: RollbackOptions,
): Promise<Outcome> {
  const { store, isRotating, isExecutionRunning } = pipeline
  const engine = await pipeline.loadEngine(current.credential.engine)
  const name = strategyThatSet(pending.credential, current.credential, known)
  const failed: FailedChange = {
    ...makeChange(pipeline, id, current, {
      ...pending,
      credential: withDatabaseOf(current, pending.credential),
    }),
    async otherRotation() {
      // All at once: the application may be waiting for its password.
      const candidates = (await readOtherTokens(store, id, current, pending)).filter(
        token => token !== found.previous,
      )
      const run = await Promise.all(candidates.map(isRotating))
      const rival = candidates.find((_, i) => run[i])
      return rival === undefined ? undefined : { pending: rival === found.pending }
    },
    hasChangedNothing: () => pipeline.hasChangedNothing(pending.token).catch(() => false),
    wasSet: async () => (await pipeline.wasSet?.(pending.token).catch(() => false)) ?? false,
    isPreviousOpen: async () =>
      parseGrace(found.tags, pipeline.defaults) === 'never' || (await isExecutionRunning(current.token)),
  }
  const outcome = await strategies[name].undo(engine, failed)
  if (name === 'dual-password' || outcome !== 'intact') return outcome
  // Two passwords log in: dual-password set one, and the tag was changed since.
  const both =
    engineTraits[current.credential.engine].actorByStrategy['dual-password'] &&
    pending.credential.hasSameLogin(current.credential) &&
    pending.credential.password !== current.credential.password &&
    (await isPendingOpen(engine, failed))
  return both ? strategies['dual-password'].undo(engine, failed) : outcome
}

/** The tag may have been changed since, but that it turned two users is to be seen. */
function strategyThatSet(pending: Credential, current: Credential, known: RollbackOptions): StrategyName {
  const name = strategyFor(current, known)
  return pending.username === current.username || strategies[name].pairOf ? name : 'alternating-users'
}

import { collectChange, withDatabaseOf } from './collectChange.ts'
import type { Credential } from './credential.ts'
import { engineTraits } from './engines/traits.ts'
import { Conflict, InvalidCredential, LockedOut, RotationInProgress } from './errors.ts'
import { explainRefusal } from './explainRefusal.ts'
import { parseGrace, parseRollbackOptions, type RollbackOptions } from './options.ts'
import type { Pipeline } from './pipeline.ts'
import type { Rotation, RotationId } from './rotationState.ts'
import { listOtherTokens, openStore, readIfParsable } from './storedVersions.ts'
import type { Description, Version } from './stores/store.ts'
import { strategies } from './strategies/index.ts'
import { isPendingOpen } from './strategies/restore.ts'
import type { FailedChange, Outcome } from './strategies/strategy.ts'
import { strategyFor } from './strategies/strategyFor.ts'
import type { StrategyName } from './strategies/strategyNames.ts'

/**
 * How a rollback ended, and the token of the version that was rolled back. Beside the strategy's outcomes (see Outcome):
 *
 * - `nothing`: there was no pending value; or it could not be parsed, so that it was never set in a database.
 * - `untouched`: the rotation had changed nothing in the database. Whether current logs in is not known, as the database was not
 *   asked or could not answer.
 * - `finished`: the rotation had in fact succeeded, so nothing was undone.
 */
type RolledBack = { token?: string; outcome: Outcome | 'nothing' | 'untouched' | 'finished' }

/**
 * What is known of a failed rotation. Only its id and token are there if it failed before the end of createSecret, or if it is an
 * abandoned rotation, whose state this execution does not have.
 */
type FailedRotation = RotationId & RollbackOptions & Partial<Pick<Rotation, 'user' | 'host' | 'replaces'>>

/** How often a rollback starts over because somebody else changed the current version. Then it fails, and is retried. */
const MAX_ROUNDS_COUNT = 3

/**
 * Rolls a rotation back. Afterwards the rotation's version is no longer pending. The outcomes `intact`, `restored` and `open` say
 * that current logs in. The format of the values and the strategy come from the state that createSecret made, or from the tags
 * where there is no such state. A database that cannot be reached is no failure if the rotation had changed nothing in it.
 * @throws LockedOut if current cannot be made valid again. If current was refused before the rotation began
 *   (`wasLockedOutBefore`), the pending version is discarded all the same.
 * @throws Conflict if others keep changing the current version, or what else the store or the engine throws
 */
export async function rollback(basePipeline: Pipeline, rotation: FailedRotation): Promise<RolledBack> {
  const { id, token } = rotation
  const pipeline = askHistoryOnce(basePipeline)
  for (let round = 0; round < MAX_ROUNDS_COUNT; round++)
    try {
      const found = await pipeline.store.describe(id)
      if (found.current === token) return { token, outcome: 'finished' }
      const rolledBack = await tryRollback(pipeline, rotation, found)
      if (rolledBack) return rolledBack
    } catch (error) {
      const isUntouched =
        error instanceof LockedOut ? error.wasLockedOutBefore : await pipeline.hasChangedNothing(token)
      if (!isUntouched) throw error
      // The server is down, current cannot log in, or the secret was deleted. There is nothing to undo in the database.
      await discardIfThere(pipeline, id, token)
      if (error instanceof LockedOut) throw error
      return { token, outcome: 'untouched' }
    }
  throw new Conflict('other writers keep changing the current version')
}

/** The same pipeline, which asks the execution's history only once: what the failed rotation did does not change any more. */
function askHistoryOnce(pipeline: Pipeline): Pipeline {
  let answer: boolean | undefined
  return {
    ...pipeline,
    async hasChangedNothing(token) {
      answer ??= await pipeline.hasChangedNothing(token)
      return answer
    },
  }
}

/** Discards the version `token`. A secret that was deleted has no pending version, so that is success too. */
async function discardIfThere({ store }: Pipeline, id: string, token: string): Promise<void> {
  try {
    await store.discard(id, token)
  } catch (error) {
    if (!(error instanceof InvalidCredential) || error.field !== 'id') throw error
  }
}

/** One round of a rollback. @returns undefined if somebody else changed the current version meanwhile: start over */
async function tryRollback(
  pipeline: Pipeline,
  rotation: FailedRotation,
  found: Description,
): Promise<RolledBack | undefined> {
  const { id, token } = rotation
  const options = rotation.engine ? rotation : parseRollbackOptions(found.tags, pipeline.defaults)
  const store = await openStore(pipeline, options)
  const pending = await readIfParsable(store, id, { token })
  if (!pending) {
    if (found.pending === token) await store.discard(id, token)
    return { token, outcome: 'nothing' }
  }
  if (!found.current) throw new LockedOut('the secret has no current version')
  const current = await store.read(id, { token: found.current, stage: 'current' })
  if (!current) return undefined

  // If the version that the rotation was to replace is still current, but its user or host is another, somebody has edited the
  // parameter that keyturn:connection names. If the rotation changed no database, it is enough to discard its value.
  const { user = current.credential.username, host = current.credential.host } = rotation
  if (current.credential.username !== user || current.credential.host !== host)
    if (current.token === rotation.replaces && (await pipeline.hasChangedNothing(token))) {
      await store.discard(id, token)
      return { token, outcome: 'untouched' }
    }

  const withFormat = { ...pipeline, store }
  const outcome = await undo(withFormat, id, found, current, pending, options).catch(async error => {
    if (!(error instanceof LockedOut) || !(await pipeline.hasChangedNothing(token).catch(() => false)))
      throw error
    const engine = await pipeline.loadEngine(current.credential.engine)
    const explanation = await explainRefusal(engine, collectChange(withFormat, id, current, pending))
    throw LockedOut.before(error.message, explanation)
  })
  if (outcome === 'restored' && (await store.describe(id)).current !== current.token) return undefined
  await store.discard(id, token)
  return { token, outcome }
}

/**
 * Discards the pending version of a rotation that certainly changed no database, without connecting to one. If an earlier execution
 * of the same version may have set the password, nothing is discarded, and the outcome is `left`: where the secret was promoted in
 * another Region, the database may belong to that Region now, and that password may be the only one that it accepts. No other
 * rotation is at work then, unlike where a strategy's outcome is `left`.
 */
export async function discardIfUnchanged(pipeline: Pipeline, { id, token }: RotationId): Promise<RolledBack> {
  if (!(await pipeline.hasChangedNothing(token))) return { token, outcome: 'left' }
  await discardIfThere(pipeline, id, token)
  return { token, outcome: 'untouched' }
}

/**
 * Rolls back the rotation that died and left its version pending, whichever that was.
 * @throws RotationInProgress if that rotation still runs; else as `rollback`
 */
export async function rollbackAbandoned(pipeline: Pipeline, id: string): Promise<RolledBack> {
  const { pending } = await pipeline.store.describe(id)
  if (!pending) return { outcome: 'nothing' }
  if (await pipeline.isRotating(pending))
    throw new RotationInProgress(`the rotation of version ${pending} runs`)
  return rollback(pipeline, { id, token: pending })
}

/**
 * Has the strategy undo the change in the database. `options` are those of the failed rotation, or those of the secret's tags if
 * the failed rotation's are not known.
 */
async function undo(
  pipeline: Pipeline,
  id: string,
  found: Description,
  current: Version,
  pending: Version,
  options: RollbackOptions,
): Promise<Outcome> {
  const { store, isRotating, isExecutionRunning } = pipeline
  const engine = await pipeline.loadEngine(current.credential.engine)
  const name = strategyThatSet(pending.credential, current.credential, options)
  const failed: FailedChange = {
    ...collectChange(pipeline, id, current, {
      ...pending,
      credential: withDatabaseOf(current, pending.credential),
    }),
    async otherRotation() {
      // The rotation that made the previous version changes no database any more, as its version has been current.
      const candidates = (await listOtherTokens(store, id, current, pending)).filter(
        token => token !== found.previous,
      )
      // The executions are asked all at once, as the application may be refused until this rollback is done.
      const areRotating = await Promise.all(candidates.map(isRotating))
      const otherToken = candidates.find((_, i) => areRotating[i])
      return otherToken === undefined ? undefined : { isPending: otherToken === found.pending }
    },
    hasChangedNothing: () => pipeline.hasChangedNothing(pending.token).catch(() => false),
    wasSet: async () => (await pipeline.wasSet?.(pending.token).catch(() => false)) ?? false,
    isPreviousOpen: async () =>
      parseGrace(found.tags, pipeline.defaults) === 'never' || (await isExecutionRunning(current.token)),
  }

  const outcome = await strategies[name].undo(engine, failed)
  if (name === 'dual-password' || outcome !== 'intact') return outcome
  // If the pending password of the same user logs in beside the current one, the rotation ran as dual-password, and the tag was
  // changed since.
  const hasTwoPasswords =
    engineTraits[current.credential.engine].actorByStrategy['dual-password'] &&
    pending.credential.isForSameUser(current.credential) &&
    pending.credential.password !== current.credential.password &&
    (await isPendingOpen(engine, failed))
  return hasTwoPasswords ? strategies['dual-password'].undo(engine, failed) : outcome
}

/**
 * The strategy that set the pending password. `options` may name another one, as they may come from a tag that was changed since.
 * But where the two values have different users, the strategy was one with two users.
 */
function strategyThatSet(pending: Credential, current: Credential, options: RollbackOptions): StrategyName {
  const name = strategyFor(current, options)
  return pending.username === current.username || strategies[name].pairOf ? name : 'alternating-users'
}

import { readAdminOf } from './admin.ts'
import { isHomeElsewhere } from './arn.ts'
import { UserInUse } from './engines/userInUse.ts'
import { Conflict } from './errors.ts'
import { parseRollbackOptions } from './options.ts'
import { openStore, type Pipeline, type Rotation, readIfParsable } from './pipeline.ts'
import { describeReplica, laggingReplicas } from './replicas.ts'
import type { Description, Store, Version } from './stores/store.ts'
import { strategies } from './strategies/index.ts'
import { strategyFor } from './strategies/strategyFor.ts'
import { homeIn } from './tags.ts'

/**
 * `superseded`: a newer rotation runs or has run, or may have in the Region where the secret is at home now, and what this
 * one replaced is its business. `halfway`: nothing is to be closed yet, another rotation has to follow. `kept`: it is
 * closed, but was to be dropped; `reason` says why it is not, and the next rotation uses it again or drops it.
 */
type Retired = { outcome: 'retired' | 'superseded' | 'halfway' | 'kept'; reason?: string }

/** Milliseconds for which sessions of what is to be dropped are waited for: less than a state machine retries. */
export const RETIRE_WAIT_MS = { sessions: 30_000 }

/** Since when this process has waited for the sessions of a rotation, by its token. */
const waitingSince = new Map<string, number>()

/**
 * Closes what this rotation replaced. `empty` are Regions that turned out to have no such secret, so that nobody is refused
 * there. If another rotation takes it up at the same moment, it is opened again with that rotation's password.
 */
export async function retire(pipeline: Pipeline, rotation: Rotation, empty: string[] = []): Promise<Retired> {
  const store = await openStore(pipeline, rotation)
  const { id, token, clone } = rotation
  const strategy = strategies[rotation.strategy]
  const before = await store.describe(id)
  const current = await readCurrentIfResponsible(pipeline, store, rotation, before)
  // Once another Region rotates the same user, the application may log in with what this rotation replaced.
  const isOfAnother = isHomeElsewhere(before.arn, homeIn(before.tags))
  if (!current || !strategy.retire || isOfAnother) return { outcome: 'superseded' }
  // The label of this rotation's own version stays where it is when somebody makes another one current.
  const pending = (found: Description) => (found.pending === token ? undefined : found.pending)
  // What becomes of another one is not known yet: should it fail, what was replaced has still to be closed.
  if (pending(before)) throw new Conflict(`version ${before.pending} is pending; waiting for its rotation`)
  const [behind] = laggingReplicas(before, empty)
  // It may still hand out what is to be closed.
  if (behind) throw new Conflict(`what was replaced stays open: ${describeReplica(behind)}`)
  const { credential } = current
  if (strategy.isOnClone?.(credential.username)) return { outcome: 'halfway' }
  const engine = await pipeline.loadEngine(credential.engine)
  let outcome: Retired['outcome'] = 'retired'
  const retiring = strategy.retire(engine, {
    current: credential,
    readAdmin: () => readAdminOf(pipeline, credential),
    async reusedBy() {
      const after = await store.describe(id)
      const newer = after.current === current.token ? pending(after) : after.current
      if (!newer) return undefined
      outcome = 'superseded'
      return (await store.read(id, { token: newer }))?.credential
    },
    drop: clone === 'drop',
  })
  const reason = await retiring.catch(error => keepIfInUse(error, token))
  waitingSince.delete(token)
  return reason && outcome === 'retired' ? { outcome: 'kept', reason } : { outcome }
}

/** @throws UserInUse as long as there is patience for it */
function keepIfInUse(error: unknown, token: string): string {
  if (!(error instanceof UserInUse)) throw error
  const since = waitingSince.get(token) ?? Date.now()
  waitingSince.set(token, since)
  if (Date.now() - since < RETIRE_WAIT_MS.sessions) throw error
  return error.message
}

/**
 * The current version, if what the rotation replaced is still its own to close. That may be a later version than the
 * rotation's: somebody edited the value, or another strategy goes on with the user, and closes nothing of this.
 */
async function readCurrentIfResponsible(
  { defaults }: Pipeline,
  store: Store,
  { id, token, host, user, nextUser, strategy }: Rotation,
  { tags }: Description,
): Promise<Version | undefined> {
  const current = await store.read(id, { stage: 'current' })
  if (current?.token === token) return current
  if (current?.credential.host !== host || current.credential.username !== nextUser) return undefined
  const own = user === nextUser ? await readIfParsable(store, id, { token }) : undefined
  if (own && own.credential.password === current.credential.password) return current
  if (user === nextUser)
    return strategyFor(current.credential, parseRollbackOptions(tags, defaults)) === strategy
      ? undefined
      : current
  const previous = await readIfParsable(store, id, { stage: 'previous' })
  return previous?.credential.username === user ? undefined : current
}

import { readAdminOf } from './admin.ts'
import { isHomeElsewhere } from './arn.ts'
import { UserInUse } from './engines/userInUse.ts'
import { Conflict } from './errors.ts'
import { parseRollbackOptions } from './options.ts'
import type { Pipeline } from './pipeline.ts'
import { describeReplica, laggingReplicas } from './replicas.ts'
import type { Rotation } from './rotationState.ts'
import { openStore, readIfParsable } from './storedVersions.ts'
import type { Description, Store, Version } from './stores/store.ts'
import { strategies } from './strategies/index.ts'
import { strategyFor } from './strategies/strategyFor.ts'
import { homeIn } from './tags.ts'

/**
 * How a retirement ended:
 *
 * - `retired`: what this rotation replaced is closed, and a clone that should be dropped is dropped.
 * - `superseded`: closing is not up to this rotation any more. A newer rotation closes what was replaced, or the rotations of
 *   another Region do, where the secret is at home now. Or a newer version was stored while this rotation closed something
 *   (`reusedBy`): if that version uses the user or password that was closed, that was opened again.
 * - `halfway`: the application is on a temporary clone. Nothing is closed before the rotation that moves it back.
 * - `kept`: the clone should be dropped, but is only closed, and `reason` says why. The next rotation uses or drops it.
 */
type Retired = { outcome: 'retired' | 'superseded' | 'halfway' | 'kept'; reason?: string }

/**
 * Milliseconds for which a retirement waits, over several tries, for the open sessions of a clone that is to be dropped. The state
 * machine retries for longer than that.
 */
export const RETIRE_WAIT_MS = { sessions: 30_000 }

/** The time (Date.now()) since which this process has waited for open sessions, by the rotation's token. */
const waitingSince = new Map<string, number>()

/**
 * Closes what this rotation replaced: the other user, the clone, or the old one of two passwords. If another rotation starts to
 * use the same user or password at that moment, this opens it again with that rotation's password.
 * @param empty Regions for which the secret lists a replica and which have no copy of it, so that no application is refused there
 * @throws Conflict if another version is pending or a replica is not in sync, and UserInUse if the clone has open sessions:
 *   both are retried
 */
export async function retire(pipeline: Pipeline, rotation: Rotation, empty: string[] = []): Promise<Retired> {
  const store = await openStore(pipeline, rotation)
  const { id, token, clone } = rotation
  const strategy = strategies[rotation.strategy]
  const before = await store.describe(id)
  const current = await readCurrentIfResponsible(pipeline, store, rotation, before)
  // The rotations of another Region may have given the application the user that this rotation replaced.
  const isAtHomeElsewhere = isHomeElsewhere(before.arn, homeIn(before.tags))
  if (!current || !strategy.retire || isAtHomeElsewhere) return { outcome: 'superseded' }

  // When somebody edits the value, the pending label may stay on this rotation's own version. Then no other version is pending.
  const otherPending = (found: Description) => (found.pending === token ? undefined : found.pending)
  // How the other rotation ends is not known yet. If that rotation fails, this one still has to close what it has replaced itself.
  if (otherPending(before))
    throw new Conflict(`version ${before.pending} is pending; waiting for its rotation`)
  const [behind] = laggingReplicas(before, empty)
  // Applications in that Region may still read the login that is to be closed.
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
      const newer = after.current === current.token ? otherPending(after) : after.current
      if (!newer) return undefined
      outcome = 'superseded'
      return (await store.read(id, { token: newer }))?.credential
    },
    drop: clone === 'drop',
  })
  const reason = await retiring.catch(error => keptReason(error, token))
  waitingSince.delete(token)
  return reason && outcome === 'retired' ? { outcome: 'kept', reason } : { outcome }
}

/**
 * Decides about the error of a retirement.
 * @returns why a clone with open sessions is kept, once the wait for its sessions is over
 * @throws UserInUse before that, so that the state machine retries; every other error as it is
 */
function keptReason(error: unknown, token: string): string {
  if (!(error instanceof UserInUse)) throw error
  const since = waitingSince.get(token) ?? Date.now()
  waitingSince.set(token, since)
  if (Date.now() - since < RETIRE_WAIT_MS.sessions) throw error
  return error.message
}

/**
 * Reads the current version, if this rotation still has to close what it replaced. That can be so even if a later version than
 * this rotation's is current: somebody edited the value, or a later rotation with another strategy kept the user, and closes only
 * what it replaced itself.
 * @returns undefined if a later rotation closes what this one replaced
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
  // If previous is for `user`, two newer rotations went back to `user` and on to `nextUser`. The second of them closes `user`.
  return previous?.credential.username === user ? undefined : current
}

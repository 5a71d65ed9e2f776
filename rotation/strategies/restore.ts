import type { Credential } from '../credential.ts'
import type { Engine } from '../engines/engine.ts'
import { NoSuchUser } from '../engines/noSuchUser.ts'
import { engineTraits } from '../engines/traits.ts'
import { Conflict, LockedOut, RotationError, Throttled, Unreachable } from '../errors.ts'
import { logsIn, setPasswordAs, tryLogin } from './login.ts'
import type { FailedChange, Outcome } from './strategy.ts'

/** Sets current's password back, for who logs in with `key`. False if nobody does. */
type Restore = (key: Credential) => Promise<boolean>

/**
 * Makes current log in again. The user itself sets its password back, with whichever stored value still logs it in; an
 * admin does so (by a `restore` of its own) only for who logs in with such a value. Current, the usual proof that
 * whoever wrote the secret may have this user, is what is missing.
 *
 * 1. Current logs in: nothing to do. If a pooler lets it in that proves nothing, so the one user that there is gets its
 *    password once more, over the connection that the pooler has; unless nothing was changed, or another rotation runs.
 * 2. Our pending value logs in. If another rotation took pending over and still runs, it may be about to change the
 *    password: wait for it (Conflict is retried).
 * 3. It does not, but another rotation runs: the password is that rotation's, which finishes or rolls back itself.
 * 4. Any other stored value of the same user logs in: an earlier rotation that died, or a restored database.
 * 5. None does: LockedOut.
 */
export async function restoreCurrent(
  engine: Engine,
  change: FailedChange,
  restore: Restore = key => setPasswordAs(engine, key, change.current),
): Promise<Outcome> {
  const { current, pending } = change
  const login = await probeLogin(engine, current)
  if (login && !(login.pooled && pending.hasSameLogin(current))) return 'intact'
  const restoredWith = async (key: Credential) => {
    if (!(await restore(key))) return false
    if (await logsIn(engine, current)) return true
    throw new LockedOut(`${current}: refused right after its password was set`)
  }
  if (login && (await change.hasChangedNothing())) return 'intact'
  const rival = await change.otherRotation()
  if (login && rival) return 'left'
  if (login && (await restoredWith(current))) return 'restored'
  // What was never set is not tried: the server may lock the account after a few refused logins.
  if (pending.hasSameLogin(current) && !(await change.hasChangedNothing())) {
    if (rival?.pending && (await logsIn(engine, pending)))
      throw new Conflict(`${current}: another rotation is at work; waiting for it to end`)
    if (await restoredWith(pending)) return 'restored'
  }
  if (rival) return 'left'
  return await restoreWithStored(engine, change, restoredWith)
}

/** Cases 4 and 5. */
async function restoreWithStored(
  engine: Engine,
  change: FailedChange,
  restoredWith: Restore,
): Promise<'restored'> {
  const { current } = change
  let untried = ''
  let tries: number | undefined
  for await (const { credential } of change.storedValues()) {
    tries ??= await triesLeft(engine, change)
    if (tries-- <= 0) {
      untried += '; older ones were not tried, as the server may lock the account after refused logins'
      break
    }
    try {
      if (await restoredWith(credential)) return 'restored'
    } catch (error) {
      if (!(error instanceof RotationError) || isRetryable(error) || error instanceof LockedOut) throw error
      // One that cannot be tried, as it says "ssl": false for example, is no reason not to try the others.
      untried = `; one could not be tried: ${error.message}`
    }
  }
  throw new LockedOut(`${current}: neither current nor any other stored value logs in${untried}`)
}

/** Refused logins that may have gone before: of current three times, the first in a rehearsal, of pending and of previous. */
const EARLIER_REFUSALS_COUNT = 5
/** How many stored values are tried where nobody can tell how many refused logins lock the account. */
const DEFAULT_TRIES_COUNT = 2

/** How many stored values may be tried, and all refused, without that the server locks the account. */
async function triesLeft(
  engine: Engine,
  { current, readAdmin }: Pick<FailedChange, 'current' | 'readAdmin'>,
): Promise<number> {
  if (!engineTraits[current.engine].locksAccounts) return Number.POSITIVE_INFINITY
  if (!current.masterarn) return DEFAULT_TRIES_COUNT
  try {
    await using admin = await engine.login(await readAdmin())
    const limit = (await admin.failedLoginsUntilLock?.(current.username)) || Number.POSITIVE_INFINITY
    return limit - 1 - EARLIER_REFUSALS_COUNT
  } catch {
    return DEFAULT_TRIES_COUNT
  }
}

/** What a login tells, if the credential logs in. */
async function probeLogin(engine: Engine, credential: Credential): Promise<{ pooled: boolean } | undefined> {
  await using session = await tryLogin(engine, credential)
  return session && { pooled: session.behindPooler === true }
}

type UndoBesideCurrent = {
  /** The user that pending is for. What names another, or another server, was written by somebody else. */
  user: string
  /** Takes pending's password away; false if nobody could be proven for that. */
  close(): Promise<boolean>
  restore?: Restore
  /** Whether closing could break another rotation that runs. */
  skipWhileAnotherRuns?: boolean
}

/** Undoes a change under which current logs in beside pending: brings current back if need be, and closes pending. */
export async function undoBesideCurrent(
  engine: Engine,
  change: FailedChange,
  { user, close, restore, skipWhileAnotherRuns = true }: UndoBesideCurrent,
): Promise<Outcome> {
  const { current, pending } = change
  const outcome = await restoreCurrent(engine, change, restore)
  if (!pending.hasSameLogin(current.with({ username: user }))) return outcome
  if (outcome === 'left' || !(await isPendingOpen(engine, change))) return outcome
  try {
    if (skipWhileAnotherRuns && (await change.otherRotation())) return outcome
    return (await close()) ? outcome : 'open'
  } catch (error) {
    if (isRetryable(error)) throw error
    if (error instanceof NoSuchUser) return outcome
    // What would close it is of no use any more. Current logs in, and that is what must not be put at stake.
    return 'open'
  }
}

/**
 * Whether pending may log in: here, or where the admin sets passwords, of which this server may be a late copy. What was
 * never set is not tried: some servers lock an account after refused logins, and it may be current's.
 */
export async function isPendingOpen(engine: Engine, change: FailedChange): Promise<boolean> {
  const { current, pending, readAdmin } = change
  if (await change.hasChangedNothing()) return false
  try {
    if (await logsIn(engine, pending)) return true
    // A pooler refuses whom it does not know, whatever the server does.
    if (!pending.hasSameLogin(current) && (await probeLogin(engine, current))?.pooled) return true
  } catch {
    // It may not from here, not into this database, or not so often at once, whatever its password; MariaDB says so of
    // some that are not there. That the server does not answer any more is seen when it is closed.
    return true
  }
  if (!pending.masterarn) return false
  try {
    const admin = await readAdmin()
    if (admin.address === pending.address) return false
    return await logsIn(engine, pending.with({ host: admin.host, port: admin.port }))
  } catch (error) {
    if (isRetryable(error)) throw error
    // An admin who is of no use has set nothing either, as far as anybody can tell.
    return false
  }
}

/** What may stop even a rollback whose current logs in: another try will know more. */
const isRetryable = (error: unknown) =>
  error instanceof Unreachable || error instanceof Conflict || error instanceof Throttled

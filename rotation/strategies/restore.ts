import type { Credential } from '../credential.ts'
import type { Engine } from '../engines/engine.ts'
import { NoSuchUser } from '../engines/noSuchUser.ts'
import { engineTraits } from '../engines/traits.ts'
import { Conflict, LockedOut, RotationError, Throttled, Unreachable } from '../errors.ts'
import { logsIn, setPasswordAs, tryLogin } from './login.ts'
import type { FailedChange, Outcome } from './strategy.ts'

/** Logs in with `key` and sets the current password back. @returns false if `key` is refused */
type Restore = (key: Credential) => Promise<boolean>

/**
 * Makes the current value log in again, after a rotation that failed. If current does not log in, another stored value that still
 * does proves the user. The user then sets its password back itself, or an admin does where `restore` says so.
 *
 * 1. Current logs in: there is nothing to do. But if a pooler let it in, that does not prove what the server knows. So if
 *    pending is for the same user, the user's password is set again by a login with current, unless the rotation changed nothing
 *    or another one runs.
 * 2. This rotation's pending value logs in: set current's password back. But if another rotation has made its own version pending
 *    and still runs, it may be about to change the password: wait for it (Conflict is retried).
 * 3. Neither logs in, and another rotation runs: the password is that rotation's, which finishes or rolls itself back.
 * 4. Another stored value of the same user logs in, after an earlier rotation died or the database was restored from a backup: set
 *    current's password back.
 * 5. No stored value logs in.
 *
 * @throws LockedOut in case 5, or if current is refused right after its password was set; Conflict; what else a login or the
 *   change throws
 */
export async function restoreCurrent(
  engine: Engine,
  change: FailedChange,
  restore: Restore = key => setPasswordAs(engine, key, change.current),
): Promise<Outcome> {
  const { current, pending } = change
  const login = await probeLogin(engine, current)
  if (login && !(login.isBehindPooler && pending.isForSameUser(current))) return 'intact'
  const restoredWith = async (key: Credential) => {
    if (!(await restore(key))) return false
    if (await logsIn(engine, current)) return true
    throw new LockedOut(`${current}: refused right after its password was set`)
  }
  // If `login` is set from here on, it is the login of case 1 that a pooler let in.
  if (login && (await change.hasChangedNothing())) return 'intact'
  const otherRotation = await change.otherRotation()
  if (login && otherRotation) return 'left'
  if (login && (await restoredWith(current))) return 'restored'
  // A pending value that was never set is not tried, as the server may lock the account after a few refused logins.
  if (pending.isForSameUser(current) && !(await change.hasChangedNothing())) {
    if (otherRotation?.isPending && (await logsIn(engine, pending)))
      throw new Conflict(`${current}: another rotation is at work; waiting for it to end`)
    if (await restoredWith(pending)) return 'restored'
  }
  if (otherRotation) return 'left'
  return await restoreWithStored(engine, change, restoredWith)
}

/** Cases 4 and 5 of restoreCurrent. @throws LockedOut */
async function restoreWithStored(
  engine: Engine,
  change: FailedChange,
  restoredWith: Restore,
): Promise<'restored'> {
  const { current } = change
  /** What is added to the message of LockedOut about values that were not tried. */
  let untried = ''
  let tries: number | undefined
  for await (const { credential } of change.storedValues()) {
    tries ??= await countTriesLeft(engine, change)
    if (tries-- <= 0) {
      untried += '; older ones were not tried, as the server may lock the account after refused logins'
      break
    }
    try {
      if (await restoredWith(credential)) return 'restored'
    } catch (error) {
      if (!(error instanceof RotationError) || isRetryable(error) || error instanceof LockedOut) throw error
      // A value that cannot be tried, for example as it says "ssl": false, does not keep the others from being tried.
      untried = `; one could not be tried: ${error.message}`
    }
  }
  throw new LockedOut(`${current}: neither current nor any other stored value logs in${untried}`)
}

/**
 * How many refused logins this rotation may have made before it tries other stored values: three with current (one of them in the
 * rehearsal), one with pending, and one with previous.
 */
const EARLIER_REFUSALS_COUNT = 5
/** How many stored values are tried where nobody can tell after how many refused logins the server locks the account. */
const DEFAULT_TRIES_COUNT = 2

/** How many stored values may be tried and refused before the server would lock the account. */
async function countTriesLeft(
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

/** Logs in once. @returns whether a pooler stands in between; undefined if the credential is refused */
async function probeLogin(
  engine: Engine,
  credential: Credential,
): Promise<{ isBehindPooler: boolean } | undefined> {
  await using session = await tryLogin(engine, credential)
  return session && { isBehindPooler: session.isBehindPooler === true }
}

type UndoBesideCurrent = {
  /**
   * The user that a pending value of this strategy is for. A pending value with another user or server was not made by the strategy,
   * so nothing is closed for that value.
   */
  user: string
  /**
   * Makes the pending password not log in any more.
   * @returns false if somebody else has set that password, so that it stays open
   */
  close(): Promise<boolean>
  /** Sets current's password back in the strategy's own way. Where this is left out, the user sets it by its own login. */
  restore?: Restore
  /** Whether pending stays open while another rotation runs, as closing it could break that rotation. True by default. */
  skipWhileAnotherRuns?: boolean
}

/**
 * Undoes a change that let pending log in beside current: makes current log in again if need be, then closes pending.
 * @throws as restoreCurrent
 */
export async function undoBesideCurrent(
  engine: Engine,
  change: FailedChange,
  { user, close, restore, skipWhileAnotherRuns = true }: UndoBesideCurrent,
): Promise<Outcome> {
  const { current, pending } = change
  const outcome = await restoreCurrent(engine, change, restore)
  if (!pending.isForSameUser(current.with({ username: user }))) return outcome
  if (outcome === 'left' || !(await isPendingOpen(engine, change))) return outcome
  try {
    if (skipWhileAnotherRuns && (await change.otherRotation())) return outcome
    return (await close()) ? outcome : 'open'
  } catch (error) {
    if (isRetryable(error)) throw error
    if (error instanceof NoSuchUser) return outcome
    // Pending cannot be closed. Current logs in, which matters more, so the rollback succeeds and says that pending is open.
    return 'open'
  }
}

/**
 * Whether the pending value may log in, on its own server or on the admin's: its own server may be a read replica that has not got
 * the password yet. A value that was never set is not tried, as some servers lock an account after several refused logins, and the
 * account may be that of the current value.
 */
export async function isPendingOpen(engine: Engine, change: FailedChange): Promise<boolean> {
  const { current, pending, readAdmin } = change
  if (await change.hasChangedNothing()) return false
  try {
    if (await logsIn(engine, pending)) return true
    // A pooler may refuse a user that it does not know, although the server would let the user in.
    if (!pending.isForSameUser(current) && (await probeLogin(engine, current))?.isBehindPooler) return true
  } catch {
    // The user was refused for another reason than its password: from this host, for this database, or as it has too many
    // connections. MariaDB answers so for some users that do not exist. If the server is down, closing pending will show it.
    return true
  }
  if (!pending.masterarn) return false
  try {
    const admin = await readAdmin()
    if (admin.address === pending.address) return false
    return await logsIn(engine, pending.with({ host: admin.host, port: admin.port }))
  } catch (error) {
    if (isRetryable(error)) throw error
    // The admin's value cannot be used, or its server cannot tell. Most likely the password was not set there either.
    return false
  }
}

/** Whether an error may pass by itself. Such an error is thrown even where current logs in, so that the rollback is retried. */
const isRetryable = (error: unknown) =>
  error instanceof Unreachable || error instanceof Conflict || error instanceof Throttled

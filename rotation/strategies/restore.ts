import type { Credential } from '../credential.ts'
import type { Engine } from '../engines/engine.ts'
import { Conflict, LockedOut } from '../errors.ts'
import { logsIn, tryLogin } from './login.ts'
import type { FailedChange, Outcome } from './strategy.ts'

/**
 * Makes current log in again. The user itself sets its password back, with whichever stored value still logs it in;
 * no admin is asked, since current, the proof that whoever wrote the secret may have this user, is what is missing.
 *
 * 1. Current logs in: nothing to do.
 * 2. Our pending value logs in. If another rotation took pending over and still runs, it may be about to change the
 *    password: wait for it (Conflict is retried).
 * 3. It does not, but another rotation runs: the password is that rotation's, which finishes or rolls back itself.
 * 4. Any other stored value of the same user logs in: an earlier rotation that died, or a restored database.
 * 5. None does: LockedOut.
 */
export async function restoreCurrent(engine: Engine, change: FailedChange): Promise<Outcome> {
  const { current, pending } = change
  if (await logsIn(engine, current)) return 'intact'
  const rival = await change.rival()
  if (pending.sameUser(current) && (await restoreWith(engine, pending, current, rival?.pending)))
    return 'restored'
  if (rival) return 'left'
  for await (const stored of change.stored())
    if (await restoreWith(engine, stored, current)) return 'restored'
  throw new LockedOut(`${current}: neither current nor any other stored value logs in`)
}

async function restoreWith(
  engine: Engine,
  key: Credential,
  current: Credential,
  wait = false,
): Promise<boolean> {
  await using session = await tryLogin(engine, key)
  if (!session) return false
  if (wait) throw new Conflict(`${current}: another rotation is at work; waiting for it to end`)
  await session.setPassword(current.username, current.password)
  if (!(await logsIn(engine, current)))
    throw new LockedOut(`${current}: refused right after its password was set`)
  return true
}

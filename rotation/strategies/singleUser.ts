import type { Credential } from '../credential.ts'
import type { Engine } from '../engines/engine.ts'
import { PasswordNotChecked } from '../engines/passwordNotChecked.ts'
import { Conflict, LoginRefused } from '../errors.ts'
import { logsIn, tryLogin } from './login.ts'
import { proveAuthQuery, requireAuthQuery } from './pooler.ts'
import { restoreCurrent } from './restore.ts'
import type { Change, ChangePreview, FailedChange, Outcome, Strategy } from './strategy.ts'

/** The same user gets a new password. Current does not log in between setSecret and finishSecret. */
export class SingleUser implements Strategy {
  readonly hasOutage = true

  nextUser(current: Credential): string {
    return current.username
  }

  /**
   * 1. Current logs in: set the new password.
   * 2. Pending logs in: it was set by an earlier try.
   * 3. Previous logs in, as the same user: the database was restored to an older state; set the new password.
   */
  async apply(engine: Engine, { current, pending, readPrevious, pooler }: Change): Promise<void> {
    const set = async (key: Credential) => {
      await using session = await tryLogin(engine, key)
      if (!session) return false
      requireAuthQuery(session, key, pooler)
      await session.setPassword(pending.username, pending.password, { reversibly: true })
      if (session.behindPooler) await proveAuthQuery(engine, session, pending, key)
      return true
    }
    if (await set(current)) return
    if (await logsIn(engine, pending)) return
    const older = await readPrevious()
    if (older?.hasSameLogin(current) && (await set(older))) return
    throw new LoginRefused(`${current}: current, pending and previous were all refused`)
  }

  async wouldApply({ session, pending }: ChangePreview): Promise<string[]> {
    await session.wouldSetPassword(pending.username, pending.password, { reversibly: true })
    return []
  }

  async undo(engine: Engine, change: FailedChange): Promise<Outcome> {
    try {
      return await restoreCurrent(engine, change)
    } catch (error) {
      if (!(error instanceof PasswordNotChecked) || !(await restoreUnproven(engine, change))) throw error
      return 'restored'
    }
  }
}

/**
 * The server lets the user in without looking at a password, and did not when this rotation proved whose user it is and
 * set pending. The application may come in by another way, where one is asked for. That the server takes current's
 * again is all that can be proven.
 * @returns false if pending is not known to have been set for this user: then anybody may have written the values
 */
async function restoreUnproven(
  engine: Engine,
  { current, pending, otherRotation, wasSet }: FailedChange,
): Promise<boolean> {
  if (!engine.loginUnchecked || !pending.hasSameLogin(current) || !(await wasSet?.())) return false
  if (await otherRotation())
    throw new Conflict(`${current}: another rotation is at work; waiting for it to end`)
  await using session = await engine.loginUnchecked(current)
  await session.setPassword(current.username, current.password)
  return true
}

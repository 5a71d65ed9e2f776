import type { Credential } from '../credential.ts'
import type { Engine } from '../engines/engine.ts'
import { PasswordNotChecked } from '../engines/passwordNotChecked.ts'
import { Conflict, LoginRefused } from '../errors.ts'
import { logsIn, tryLogin } from './login.ts'
import { proveAuthQuery, requireAuthQuery } from './pooler.ts'
import { restoreCurrent } from './restore.ts'
import type { Change, ChangePreview, FailedChange, Outcome, Strategy } from './strategy.ts'

/** The user gets a new password. The current one is refused from setSecret to finishSecret. */
export class SingleUser implements Strategy {
  readonly hasOutage = true

  nextUser(current: Credential): string {
    return current.username
  }

  /**
   * 1. Current logs in: set the new password.
   * 2. Pending logs in: an earlier try has set it.
   * 3. Previous logs in, as the same user: the database was restored from an older backup; set the new password.
   */
  async apply(engine: Engine, { current, pending, readPrevious, pooler }: Change): Promise<void> {
    const setBy = async (key: Credential) => {
      await using session = await tryLogin(engine, key)
      if (!session) return false
      requireAuthQuery(session, key, pooler)
      await session.setPassword(pending.username, pending.password, { reversibly: true })
      if (session.isBehindPooler) await proveAuthQuery(engine, session, pending, key)
      return true
    }
    if (await setBy(current)) return
    if (await logsIn(engine, pending)) return
    const previous = await readPrevious()
    if (previous?.isForSameUser(current) && (await setBy(previous))) return
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
 * Sets current's password back where the server now lets the user in without checking a password. The server did check one when
 * this rotation set pending. It may still ask an application on another host for its password. So current's password is set back,
 * although no login can prove that the server accepts it.
 * @returns false if it is not certain that this rotation set pending for this user: everybody who may write the secret could
 *   otherwise have the password of any user set
 */
async function restoreUnproven(
  engine: Engine,
  { current, pending, otherRotation, wasSet }: FailedChange,
): Promise<boolean> {
  if (!engine.loginUnchecked || !pending.isForSameUser(current) || !(await wasSet?.())) return false
  if (await otherRotation())
    throw new Conflict(`${current}: another rotation is at work; waiting for it to end`)
  await using session = await engine.loginUnchecked(current)
  await session.setPassword(current.username, current.password)
  return true
}

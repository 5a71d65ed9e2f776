import type { Credential } from '../credential.ts'
import type { Engine } from '../engines/engine.ts'
import { Unproven } from '../engines/unproven.ts'
import { Conflict, LoginRefused } from '../errors.ts'
import { logsIn, tryLogin } from './login.ts'
import { proveAsking, requireAsking } from './pooler.ts'
import { restoreCurrent } from './restore.ts'
import type { Beforehand, Change, FailedChange, Outcome, Strategy } from './strategy.ts'

/** The same user gets a new password. Current does not log in between setSecret and finishSecret. */
export class SingleUser implements Strategy {
  readonly outage = true

  nextUser(current: Credential): string {
    return current.username
  }

  /**
   * 1. Current logs in: set the new password.
   * 2. Pending logs in: it was set by an earlier try.
   * 3. Previous logs in, as the same user: the database was restored to an older state; set the new password.
   */
  async apply(engine: Engine, { current, pending, previous, pooler }: Change): Promise<void> {
    const set = async (key: Credential) => {
      await using session = await tryLogin(engine, key)
      if (!session) return false
      requireAsking(session, key, pooler)
      await session.setPassword(pending.username, pending.password, { reversibly: true })
      if (session.pooled) await proveAsking(engine, session, pending, key)
      return true
    }
    if (await set(current)) return
    if (await logsIn(engine, pending)) return
    const older = await previous()
    if (older?.sameLogin(current) && (await set(older))) return
    throw new LoginRefused(`${current}: current, pending and previous were all refused`)
  }

  async wouldApply({ session, pending }: Beforehand): Promise<string[]> {
    await session.wouldSetPassword(pending.username, pending.password, { reversibly: true })
    return []
  }

  async undo(engine: Engine, change: FailedChange): Promise<Outcome> {
    try {
      return await restoreCurrent(engine, change)
    } catch (error) {
      if (!(error instanceof Unproven) || !(await restoreUnproven(engine, change))) throw error
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
  { current, pending, rival, wasSet }: FailedChange,
): Promise<boolean> {
  if (!engine.enter || !pending.sameLogin(current) || !(await wasSet?.())) return false
  if (await rival()) throw new Conflict(`${current}: another rotation is at work; waiting for it to end`)
  await using session = await engine.enter(current)
  await session.setPassword(current.username, current.password)
  return true
}

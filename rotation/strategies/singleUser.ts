import type { Credential } from '../credential.ts'
import type { Engine } from '../engines/engine.ts'
import { LoginRefused } from '../errors.ts'
import { logsIn, tryLogin } from './login.ts'
import { proveAsking, requireAsking } from './pooler.ts'
import { restoreCurrent } from './restore.ts'
import type { Change, FailedChange, Outcome, Strategy } from './strategy.ts'

/** The same user gets a new password. Current does not log in between setSecret and finishSecret. */
export class SingleUser implements Strategy {
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

  undo(engine: Engine, change: FailedChange): Promise<Outcome> {
    return restoreCurrent(engine, change)
  }
}

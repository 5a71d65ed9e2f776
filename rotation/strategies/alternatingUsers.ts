import { setTimeout as sleep } from 'node:timers/promises'
import type { Credential } from '../credential.ts'
import type { Engine, Pair, Session } from '../engines/engine.ts'
import { InUse } from '../engines/inUse.ts'
import { undefinedIfAbsent } from '../engines/noSuchUser.ts'
import { Stranger } from '../engines/stranger.ts'
import { traits } from '../engines/traits.ts'
import { Unproven } from '../engines/unproven.ts'
import { InvalidCredential, NotPermitted, Unreachable } from '../errors.ts'
import { unknownPassword } from '../password.ts'
import { adminSession, requireAdmin, tryAdminSession } from './adminSession.ts'
import { awaitLogin, logsIn, setWith } from './login.ts'
import type { StrategyName } from './names.ts'
import { undoBesideCurrent } from './restore.ts'
import type { Applied, Beforehand, Change, FailedChange, Outcome, Retirement, Strategy } from './strategy.ts'

/** AWS's convention for the second user's name. */
const SUFFIX = '_clone'

/** A user and its clone take turns, so that current logs in at every instant. Needs an admin's credential. */
export class AlternatingUsers implements Strategy {
  readonly name: StrategyName = 'alternating-users'

  nextUser(current: Credential): string {
    requireAdmin(current, this.name)
    const { clone } = this.pair(current.username)
    const { longest, unit } = traits[current.engine].userName
    if ((unit === 'bytes' ? Buffer.byteLength(clone) : [...clone].length) > longest)
      throw new InvalidCredential(
        'username',
        `should have at most ${longest - SUFFIX.length} ${unit}, so that its clone's name fits`,
      )
    return this.#partner(current.username)
  }

  pair(username: string): Pair {
    const user = username.endsWith(SUFFIX) ? username.slice(0, -SUFFIX.length) : username
    return { user, clone: user + SUFFIX }
  }

  async apply(engine: Engine, { current, pending, admin }: Change): Promise<Applied> {
    await using acting = await adminSession(engine, current, admin)
    const { username: user, password } = pending
    const left = await acting.session.cloneUser(this.pair(current.username), { user, password })
    return { address: acting.address, left }
  }

  async wouldApply({ session, current, pending }: Beforehand): Promise<string[]> {
    return session.wouldClone(this.pair(current.username), pending.username)
  }

  /**
   * Current was not touched unless two rotations met. The other user gets back what it had: the password of previous
   * while its grace time runs, else none.
   */
  undo(engine: Engine, change: FailedChange): Promise<Outcome> {
    const { pending, current, admin, previous, previousIsOpen } = change
    const close = async () => {
      const before = await previous()
      await using acting = await adminSession(engine, current, admin)
      const { session } = acting
      if (before?.sameLogin(pending) && (await previousIsOpen()))
        await session.setPassword(before.username, before.password)
      else {
        try {
          await session.lockUser(pending.username, this.pair(pending.username))
        } catch (error) {
          if (!(error instanceof Stranger)) throw error
          // Somebody else's user that lets everybody in was not opened by us.
          return await logsIn(engine, pending.with({ password: unknownPassword() })).catch(trueIfUnproven)
        }
      }
      return true
    }
    return undoBesideCurrent(engine, change, {
      user: this.#partner(current.username),
      close,
      restore: key => this.#restore(engine, key, change),
    })
  }

  /**
   * Not every user may set its own password, and none may on a read replica: the admin then does it, for who has logged
   * in as that user.
   */
  async #restore(engine: Engine, key: Credential, { current, admin }: FailedChange): Promise<boolean> {
    try {
      return await setWith(engine, key, current)
    } catch (error) {
      if (!(error instanceof NotPermitted || error instanceof Unreachable)) throw error
      if (error instanceof Unreachable) {
        const found = await admin().catch(() => current)
        if (found.address === current.address) throw error
      }
      await using acting = await tryAdminSession(engine, key, admin)
      if (!acting) return false
      await acting.session.setPassword(current.username, current.password)
      if (acting.address !== current.address) await awaitLogin(engine, current)
      return true
    }
  }

  /** What is to be dropped is closed first, so that its sessions only get fewer. */
  async retire(engine: Engine, { current, admin, takenUp, drop }: Retirement): Promise<string | undefined> {
    await using acting = await adminSession(engine, current, admin)
    const { session } = acting
    const pair = this.pair(current.username)
    const partner = this.#partner(current.username)
    await session.lockUser(partner, pair).catch(undefinedIfAbsent)
    let refusal: unknown
    const kept = drop
      ? await dropUnused(session, pair).catch(error => {
          refusal = error
        })
      : undefined
    // In the same session: by now current may be closed as well, and could not prove us again.
    const taken = await takenUp()
    if (taken?.sameLogin(current.with({ username: partner }))) {
      await session.cloneUser(pair, { user: partner, password: taken.password })
      if (refusal instanceof InUse) return undefined
    }
    if (refusal) throw refusal
    return kept ?? undefined
  }

  #partner(username: string): string {
    const { user, clone } = this.pair(username)
    return username === clone ? user : clone
  }
}

/** Milliseconds between two looks at sessions, some of which may be about to end. */
export const LOOKS = [50, 100, 250, 500, 1000]

/**
 * Drops the clone if nobody has a session of it.
 * @returns why it is kept, if that is not to be seen
 * @throws InUse if somebody has; as dropUser
 */
async function dropUnused(session: Session, pair: Pair): Promise<string | undefined> {
  for (const pause of [...LOOKS, undefined]) {
    const open = await session.sessionsOf(pair.clone)
    if (open === undefined)
      return `${pair.clone} is locked, and not dropped: the admin may not see whether it has open sessions`
    if (open === 0) return await session.dropUser(pair).then(() => undefined)
    if (pause === undefined)
      throw new InUse(`${pair.clone} is locked, and not dropped: ${open} of its sessions are open`)
    await sleep(pause)
  }
}

function trueIfUnproven(error: unknown): true {
  if (!(error instanceof Unproven)) throw error
  return true
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { Credential } from '../credential.ts'
import type { Engine, Session, UserPair } from '../engines/engine.ts'
import { undefinedIfNoSuchUser } from '../engines/noSuchUser.ts'
import { NotAClone } from '../engines/notAClone.ts'
import { PasswordNotChecked } from '../engines/passwordNotChecked.ts'
import { engineTraits } from '../engines/traits.ts'
import { UserInUse } from '../engines/userInUse.ts'
import { InvalidCredential, NotPermitted, Unreachable } from '../errors.ts'
import { generateUnknownPassword } from '../password.ts'
import { openAdminSession, requireAdmin, tryOpenAdminSession } from './adminSession.ts'
import { awaitLogin, logsIn, setPasswordAs } from './login.ts'
import { undoBesideCurrent } from './restore.ts'
import type {
  Applied,
  Change,
  ChangePreview,
  FailedChange,
  Outcome,
  Retirement,
  Strategy,
} from './strategy.ts'
import type { StrategyName } from './strategyNames.ts'

/** AWS's convention for the second user's name. */
const CLONE_SUFFIX = '_clone'

/** A user and its clone take turns, so that current logs in at every instant. Needs an admin's credential. */
export class AlternatingUsers implements Strategy {
  readonly name: StrategyName = 'alternating-users'

  nextUser(current: Credential): string {
    requireAdmin(current, this.name)
    const { clone } = this.pairOf(current.username)
    const { maxLength, unit } = engineTraits[current.engine].userName
    if ((unit === 'bytes' ? Buffer.byteLength(clone) : [...clone].length) > maxLength)
      throw new InvalidCredential(
        'username',
        `should have at most ${maxLength - CLONE_SUFFIX.length} ${unit}, so that its clone's name fits`,
      )
    return this.#partner(current.username)
  }

  pairOf(username: string): UserPair {
    const user = username.endsWith(CLONE_SUFFIX) ? username.slice(0, -CLONE_SUFFIX.length) : username
    return { user, clone: user + CLONE_SUFFIX }
  }

  async apply(engine: Engine, { current, pending, readAdmin }: Change): Promise<Applied> {
    await using acting = await openAdminSession(engine, current, readAdmin)
    const { username: user, password } = pending
    const left = await acting.session.cloneUser(this.pairOf(current.username), { user, password })
    return { address: acting.address, left }
  }

  async wouldApply({ session, current, pending }: ChangePreview): Promise<string[]> {
    return session.wouldClone(this.pairOf(current.username), pending.username)
  }

  /**
   * Current was not touched unless two rotations met. The other user gets back what it had: the password of previous
   * while its grace time runs, else none.
   */
  undo(engine: Engine, change: FailedChange): Promise<Outcome> {
    const { pending, current, readAdmin, readPrevious, isPreviousOpen } = change
    const close = async () => {
      const before = await readPrevious()
      await using acting = await openAdminSession(engine, current, readAdmin)
      const { session } = acting
      if (before?.hasSameLogin(pending) && (await isPreviousOpen()))
        await session.setPassword(before.username, before.password)
      else {
        try {
          await session.lockUser(pending.username, this.pairOf(pending.username))
        } catch (error) {
          if (!(error instanceof NotAClone)) throw error
          // Somebody else's user that lets everybody in was not opened by us.
          return await logsIn(engine, pending.with({ password: generateUnknownPassword() })).catch(
            trueIfUnproven,
          )
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
  async #restore(engine: Engine, key: Credential, { current, readAdmin }: FailedChange): Promise<boolean> {
    try {
      return await setPasswordAs(engine, key, current)
    } catch (error) {
      if (!(error instanceof NotPermitted || error instanceof Unreachable)) throw error
      if (error instanceof Unreachable) {
        const found = await readAdmin().catch(() => current)
        if (found.address === current.address) throw error
      }
      await using acting = await tryOpenAdminSession(engine, key, readAdmin)
      if (!acting) return false
      await acting.session.setPassword(current.username, current.password)
      if (acting.address !== current.address) await awaitLogin(engine, current)
      return true
    }
  }

  /** What is to be dropped is closed first, so that its sessions only get fewer. */
  async retire(
    engine: Engine,
    { current, readAdmin, reusedBy, drop }: Retirement,
  ): Promise<string | undefined> {
    await using acting = await openAdminSession(engine, current, readAdmin)
    const { session } = acting
    const pair = this.pairOf(current.username)
    const partner = this.#partner(current.username)
    await session.lockUser(partner, pair).catch(undefinedIfNoSuchUser)
    let refusal: unknown
    const kept = drop
      ? await dropUnused(session, pair).catch(error => {
          refusal = error
        })
      : undefined
    // In the same session: by now current may be closed as well, and could not prove us again.
    const taken = await reusedBy()
    if (taken?.hasSameLogin(current.with({ username: partner }))) {
      await session.cloneUser(pair, { user: partner, password: taken.password })
      if (refusal instanceof UserInUse) return undefined
    }
    if (refusal) throw refusal
    return kept ?? undefined
  }

  #partner(username: string): string {
    const { user, clone } = this.pairOf(username)
    return username === clone ? user : clone
  }
}

/** Milliseconds between two looks at sessions, some of which may be about to end. */
export const SESSION_LOOK_PAUSES_MS = [50, 100, 250, 500, 1000]

/**
 * Drops the clone if nobody has a session of it.
 * @returns why it is kept, if that is not to be seen
 * @throws UserInUse if somebody has; as dropClone
 */
async function dropUnused(session: Session, pair: UserPair): Promise<string | undefined> {
  for (const pause of [...SESSION_LOOK_PAUSES_MS, undefined]) {
    const open = await session.countSessions(pair.clone)
    if (open === undefined)
      return `${pair.clone} is locked, and not dropped: the admin may not see whether it has open sessions`
    if (open === 0) return await session.dropClone(pair).then(() => undefined)
    if (pause === undefined)
      throw new UserInUse(`${pair.clone} is locked, and not dropped: ${open} of its sessions are open`)
    await sleep(pause)
  }
}

function trueIfUnproven(error: unknown): true {
  if (!(error instanceof PasswordNotChecked)) throw error
  return true
}

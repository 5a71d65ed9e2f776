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

/**
 * The end of the second user's name, as in AWS's rotation templates.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotation-strategy.html
 */
const CLONE_SUFFIX = '_clone'

/** A user and its clone take turns, so that the current value logs in at every moment. An admin makes and changes both users. */
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
    const left = await acting.session.openUser(this.pairOf(current.username), { user, password })
    return { address: acting.address, left }
  }

  async wouldApply({ session, current, pending }: ChangePreview): Promise<string[]> {
    return session.wouldOpenUser(this.pairOf(current.username), pending.username)
  }

  /**
   * The current user was not changed, unless two rotations ran at the same time. The other user gets back what it had: the previous
   * version's password while the grace time runs, else none that anybody knows.
   */
  undo(engine: Engine, change: FailedChange): Promise<Outcome> {
    const { pending, current, readAdmin, readPrevious, isPreviousOpen } = change
    const close = async () => {
      const before = await readPrevious()
      await using acting = await openAdminSession(engine, current, readAdmin)
      const { session } = acting
      if (before?.isForSameUser(pending) && (await isPreviousOpen()))
        await session.setPassword(before.username, before.password)
      else {
        try {
          await session.closeUser(pending.username, this.pairOf(pending.username))
        } catch (error) {
          if (!(error instanceof NotAClone)) throw error
          // The user is no clone of Keyturn's, so Keyturn did not set its password. If the server lets the user in with any
          // password, there is no pending password to close. If not, somebody else gave the user this password: it stays open.
          return await logsIn(engine, pending.with({ password: generateUnknownPassword() })).catch(
            trueIfPasswordNotChecked,
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
   * Sets the current user's password back, by a login with `key`, a stored value of the same user. The user does this itself, or
   * the admin where the user cannot: not every user may set its own password (NotPermitted), and on a read replica, whose value
   * names another server than the admin's, none can (Unreachable).
   * @returns false if `key` is refused
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

  /** Closes the other user. Even a clone that is to be dropped is closed first, so that no new sessions are opened meanwhile. */
  async retire(
    engine: Engine,
    { current, readAdmin, reusedBy, drop }: Retirement,
  ): Promise<string | undefined> {
    await using acting = await openAdminSession(engine, current, readAdmin)
    const { session } = acting
    const pair = this.pairOf(current.username)
    const partner = this.#partner(current.username)
    await session.closeUser(partner, pair).catch(undefinedIfNoSuchUser)
    let refusal: unknown
    const kept = drop
      ? await dropUnused(session, pair).catch(error => {
          refusal = error
        })
      : undefined
    // The admin's session stays the same for this: another rotation may have closed the current user by now, and a new session of
    // the admin needs a login of that user as its proof.
    const reusing = await reusedBy()
    if (reusing?.isForSameUser(current.with({ username: partner }))) {
      await session.openUser(pair, { user: partner, password: reusing.password })
      // The clone is in use again, so it is not to be dropped, and its open sessions do not matter.
      if (refusal instanceof UserInUse) return undefined
    }
    if (refusal) throw refusal
    return kept ?? undefined
  }

  /** The other user of the pair: the clone of a user, or the user of a clone. */
  #partner(username: string): string {
    const { user, clone } = this.pairOf(username)
    return username === clone ? user : clone
  }
}

/** Milliseconds between two counts of a clone's open sessions, some of which may be about to end. */
export const SESSION_LOOK_PAUSES_MS = [50, 100, 250, 500, 1000]

/**
 * Drops the clone if it has no open sessions, or none after some looks.
 * @returns why the clone is kept, if the admin may not see the clone's sessions; else undefined
 * @throws UserInUse if sessions are open, and what dropClone throws
 */
async function dropUnused(session: Session, pair: UserPair): Promise<string | undefined> {
  for (const pause of [...SESSION_LOOK_PAUSES_MS, undefined]) {
    const open = await session.countSessions(pair.clone)
    if (open === undefined)
      return `${pair.clone} is closed, and not dropped: the admin may not see whether it has open sessions`
    if (open === 0) return await session.dropClone(pair).then(() => undefined)
    if (pause === undefined)
      throw new UserInUse(`${pair.clone} is closed, and not dropped: ${open} of its sessions are open`)
    await sleep(pause)
  }
}

/** Turns PasswordNotChecked into true, for a `catch`: the server lets the user in with any password. @throws every other error */
function trueIfPasswordNotChecked(error: unknown): true {
  if (!(error instanceof PasswordNotChecked)) throw error
  return true
}

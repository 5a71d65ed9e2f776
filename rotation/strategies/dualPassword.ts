import type { Credential } from '../credential.ts'
import type { DualPasswordCalls, Engine } from '../engines/engine.ts'
import { engineTraits } from '../engines/traits.ts'
import { Conflict, LoginRefused, NotPermitted } from '../errors.ts'
import { type ActingSession, requireAdmin, toActingSession, tryOpenAdminSession } from './adminSession.ts'
import { logsIn, tryLogin } from './login.ts'
import { undoBesideCurrent } from './restore.ts'
import type {
  Applied,
  Change,
  ChangePreview,
  FailedChange,
  Outcome,
  Retirement,
  StoredValue,
  Strategy,
} from './strategy.ts'

/**
 * One user has two valid passwords: the new one, and the old one until the grace time is over. The user sets its passwords itself,
 * or an admin does, depending on the engine (see `actorByStrategy` in engines/traits.ts).
 */
export class DualPassword implements Strategy {
  readonly name = 'dual-password'

  nextUser(current: Credential): string {
    requireAdmin(current, this.name)
    return current.username
  }

  /** Adds the pending password, by a login with current; or with previous, if the database was restored from an older backup. */
  async apply(
    engine: Engine,
    { current, pending, readPrevious, storedValues, readAdmin }: Change,
  ): Promise<Applied> {
    const addWith = async (key: Credential): Promise<Applied | undefined> => {
      await using acting = await this.#openActingSession(engine, key, readAdmin)
      if (!acting) return undefined
      const passwords = dualPasswordOf(acting)
      const add = () => passwords.add(pending.username, pending.password, key.password)
      try {
        await add()
      } catch (error) {
        if (!(error instanceof Conflict) || !setsOwnPassword(key)) throw error
        await closeOtherPassword(engine, key, storedValues(), error)
        await add()
      }
      return { address: acting.address, left: [] }
    }
    const applied = await addWith(current)
    if (applied) return applied
    const previous = await readPrevious()
    const appliedByPrevious = previous?.isForSameUser(current) ? await addWith(previous) : undefined
    if (!appliedByPrevious) throw new LoginRefused(`${current}: current and previous were both refused`)
    return appliedByPrevious
  }

  async wouldApply({ session, current, pending }: ChangePreview): Promise<string[]> {
    await dualPasswordOf({ session }).wouldAdd(pending.username, pending.password, current.password)
    return []
  }

  /** Removes the pending password, if it was set, and makes the current one log in if it does not. */
  undo(engine: Engine, change: FailedChange): Promise<Outcome> {
    const { current, pending, readAdmin } = change
    const keepCurrent = async (key: Credential) => {
      await using acting = await this.#openActingSession(engine, key, readAdmin)
      if (acting) await dualPasswordOf(acting).keepOnly(current.username, current.password)
      return acting !== undefined
    }
    return undoBesideCurrent(engine, change, {
      user: current.username,
      restore: keepCurrent,
      close: () => keepCurrent(setsOwnPassword(current) ? pending : current),
      // A user that sets its own passwords has to name the one that it removes, so it cannot remove that of another rotation by
      // mistake. And the other rotation cannot go on before this rotation's password is removed.
      skipWhileAnotherRuns: !setsOwnPassword(current),
    })
  }

  async retire(engine: Engine, { current, readAdmin, reusedBy }: Retirement): Promise<undefined> {
    await using acting = await this.#openActingSession(engine, current, readAdmin)
    if (!acting) throw new LoginRefused(`${current}: current was refused`)
    const passwords = dualPasswordOf(acting)
    await passwords.keepOnly(current.username, current.password)
    const reusing = await reusedBy()
    if (reusing?.isForSameUser(current))
      await passwords.add(current.username, reusing.password, current.password)
  }

  /**
   * Opens a session that may set the user's passwords: the user's own, or an admin's. `key`, a value of the user, proves the user.
   * @returns undefined if `key` is refused
   */
  async #openActingSession(
    engine: Engine,
    key: Credential,
    readAdmin: Change['readAdmin'],
  ): Promise<ActingSession | undefined> {
    if (!setsOwnPassword(key)) return tryOpenAdminSession(engine, key, readAdmin)
    const session = await tryLogin(engine, key)
    return session && toActingSession(session, key)
  }
}

/**
 * Removes the other password of a user that logs in with `key`, so that a new one can be added. A user that sets its own passwords
 * can replace only the first of its two, and has to name that password. If the server's password rules prevented a rollback, a
 * discarded password may have stayed there. It is found by a login with each stored value.
 * @throws Conflict if no stored value has that password, or its value is in use
 */
async function closeOtherPassword(
  engine: Engine,
  key: Credential,
  storedValues: AsyncIterable<StoredValue>,
  conflict: Conflict,
): Promise<void> {
  for await (const { credential, isInUse } of storedValues) {
    if (credential.password === key.password) continue
    await using session = await tryLogin(engine, key.with({ password: credential.password }))
    if (session) {
      if (await isInUse()) throw conflict
      await dualPasswordOf({ session }).keepOnly(key.username, key.password)
      return
    }
    // The server may lock the account after several refused logins in a row. A login that is accepted ends the row.
    await logsIn(engine, key)
  }
  throw new Conflict(
    `${conflict.message}; or the first of its two passwords is none that is stored, and current's is the second: then have an administrator set current's as the only one`,
  )
}

/** Whether the user itself, not an admin, sets its passwords on this engine. */
const setsOwnPassword = ({ engine }: Credential) =>
  engineTraits[engine].actorByStrategy['dual-password'] === 'user'

/** @throws NotPermitted if the server cannot keep two passwords of a user */
function dualPasswordOf({ session: { dualPassword } }: Pick<ActingSession, 'session'>): DualPasswordCalls {
  if (!dualPassword) throw new NotPermitted('this server keeps one password of a user only')
  return dualPassword
}

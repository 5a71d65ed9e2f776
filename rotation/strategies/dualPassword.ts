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
 * One user with two valid passwords: current's goes on until the grace time is over. The user sets them itself, or an
 * admin does where the engine wants one.
 */
export class DualPassword implements Strategy {
  readonly name = 'dual-password'

  nextUser(current: Credential): string {
    requireAdmin(current, this.name)
    return current.username
  }

  /** With current; or, if the database was restored to an older state, with previous. */
  async apply(
    engine: Engine,
    { current, pending, readPrevious, storedValues, readAdmin }: Change,
  ): Promise<Applied> {
    const addWith = async (key: Credential): Promise<Applied | undefined> => {
      await using acting = await this.#openActingSession(engine, key, readAdmin)
      if (!acting) return undefined
      const passwords = passwordsOf(acting)
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
    const older = await readPrevious()
    const restored = older?.hasSameLogin(current) ? await addWith(older) : undefined
    if (!restored) throw new LoginRefused(`${current}: current and previous were both refused`)
    return restored
  }

  async wouldApply({ session, current, pending }: ChangePreview): Promise<string[]> {
    await passwordsOf({ session }).wouldAdd(pending.username, pending.password, current.password)
    return []
  }

  /** Current's password is left alone; pending's, if it was set, is taken away. */
  undo(engine: Engine, change: FailedChange): Promise<Outcome> {
    const { current, pending, readAdmin } = change
    const keepCurrent = async (key: Credential) => {
      await using acting = await this.#openActingSession(engine, key, readAdmin)
      if (acting) await passwordsOf(acting).keepOnly(current.username, current.password)
      return acting !== undefined
    }
    return undoBesideCurrent(engine, change, {
      user: current.username,
      restore: keepCurrent,
      close: () => keepCurrent(setsOwnPassword(current) ? pending : current),
      // Who sets its own password names the one it replaces, so it cannot take another rotation's away; and that
      // one cannot go on before ours is gone.
      skipWhileAnotherRuns: !setsOwnPassword(current),
    })
  }

  async retire(engine: Engine, { current, readAdmin, reusedBy }: Retirement): Promise<undefined> {
    await using acting = await this.#openActingSession(engine, current, readAdmin)
    if (!acting) throw new LoginRefused(`${current}: current was refused`)
    const passwords = passwordsOf(acting)
    await passwords.keepOnly(current.username, current.password)
    const taken = await reusedBy()
    if (taken?.hasSameLogin(current)) await passwords.add(current.username, taken.password, current.password)
  }

  /** A session that may set the user's passwords; undefined if `key`, the proof, is refused. */
  async #openActingSession(
    engine: Engine,
    key: Credential,
    admin: Change['readAdmin'],
  ): Promise<ActingSession | undefined> {
    if (!setsOwnPassword(key)) return tryOpenAdminSession(engine, key, admin)
    const session = await tryLogin(engine, key)
    return session && toActingSession(session, key)
  }
}

/**
 * Closes the password that keeps `key`, who logs in, from setting another one. A user that sets its own changes the first
 * of its two alone, and a rollback that the server's rules stood against leaves there the one that it discarded.
 * @throws Conflict if none of the stored values is that password, or somebody uses it
 */
async function closeOtherPassword(
  engine: Engine,
  key: Credential,
  stored: AsyncIterable<StoredValue>,
  conflict: Conflict,
): Promise<void> {
  for await (const { credential, isInUse } of stored) {
    if (credential.password === key.password) continue
    await using session = await tryLogin(engine, key.with({ password: credential.password }))
    if (session) {
      if (await isInUse()) throw conflict
      await passwordsOf({ session }).keepOnly(key.username, key.password)
      return
    }
    // A login ends a row of refused ones, after which the server may lock the account.
    await logsIn(engine, key)
  }
  throw new Conflict(
    `${conflict.message}; or the first of its two passwords is none that is stored, and current's is the second: then have an administrator set current's as the only one`,
  )
}

const setsOwnPassword = ({ engine }: Credential) =>
  engineTraits[engine].actorByStrategy['dual-password'] === 'user'

function passwordsOf({ session: { dualPassword } }: Pick<ActingSession, 'session'>): DualPasswordCalls {
  if (!dualPassword) throw new NotPermitted('this server keeps one password of a user only')
  return dualPassword
}

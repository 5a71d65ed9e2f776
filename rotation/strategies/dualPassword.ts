import type { Credential } from '../credential.ts'
import type { Engine, TwoPasswords } from '../engines/engine.ts'
import { traits } from '../engines/traits.ts'
import { Conflict, LoginRefused, NotPermitted } from '../errors.ts'
import { type Acting, actingOn, requireAdmin, tryAdminSession } from './adminSession.ts'
import { logsIn, tryLogin } from './login.ts'
import { undoBesideCurrent } from './restore.ts'
import type {
  Applied,
  Beforehand,
  Change,
  FailedChange,
  Outcome,
  Retirement,
  Stored,
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
  async apply(engine: Engine, { current, pending, previous, stored, admin }: Change): Promise<Applied> {
    const addWith = async (key: Credential): Promise<Applied | undefined> => {
      await using acting = await this.#actingFor(engine, key, admin)
      if (!acting) return undefined
      const passwords = passwordsOf(acting)
      const add = () => passwords.add(pending.username, pending.password, key.password)
      try {
        await add()
      } catch (error) {
        if (!(error instanceof Conflict) || !setsItsOwn(key)) throw error
        await closeOther(engine, key, stored(), error)
        await add()
      }
      return { address: acting.address, left: [] }
    }
    const applied = await addWith(current)
    if (applied) return applied
    const older = await previous()
    const restored = older?.sameLogin(current) ? await addWith(older) : undefined
    if (!restored) throw new LoginRefused(`${current}: current and previous were both refused`)
    return restored
  }

  async wouldApply({ session, current, pending }: Beforehand): Promise<string[]> {
    await passwordsOf({ session }).wouldAdd(pending.username, pending.password, current.password)
    return []
  }

  /** Current's password is left alone; pending's, if it was set, is taken away. */
  undo(engine: Engine, change: FailedChange): Promise<Outcome> {
    const { current, pending, admin } = change
    const keepCurrent = async (key: Credential) => {
      await using acting = await this.#actingFor(engine, key, admin)
      if (acting) await passwordsOf(acting).keep(current.username, current.password)
      return acting !== undefined
    }
    return undoBesideCurrent(engine, change, {
      user: current.username,
      restore: keepCurrent,
      close: () => keepCurrent(setsItsOwn(current) ? pending : current),
      // Who sets its own password names the one it replaces, so it cannot take another rotation's away; and that
      // one cannot go on before ours is gone.
      heedRival: !setsItsOwn(current),
    })
  }

  async retire(engine: Engine, { current, admin, takenUp }: Retirement): Promise<undefined> {
    await using acting = await this.#actingFor(engine, current, admin)
    if (!acting) throw new LoginRefused(`${current}: current was refused`)
    const passwords = passwordsOf(acting)
    await passwords.keep(current.username, current.password)
    const taken = await takenUp()
    if (taken?.sameLogin(current)) await passwords.add(current.username, taken.password, current.password)
  }

  /** A session that may set the user's passwords; undefined if `key`, the proof, is refused. */
  async #actingFor(engine: Engine, key: Credential, admin: Change['admin']): Promise<Acting | undefined> {
    if (!setsItsOwn(key)) return tryAdminSession(engine, key, admin)
    const session = await tryLogin(engine, key)
    return session && actingOn(session, key)
  }
}

/**
 * Closes the password that keeps `key`, who logs in, from setting another one. A user that sets its own changes the first
 * of its two alone, and a rollback that the server's rules stood against leaves there the one that it discarded.
 * @throws Conflict if none of the stored values is that password, or somebody uses it
 */
async function closeOther(
  engine: Engine,
  key: Credential,
  stored: AsyncIterable<Stored>,
  conflict: Conflict,
): Promise<void> {
  for await (const { credential, inUse } of stored) {
    if (credential.password === key.password) continue
    await using session = await tryLogin(engine, key.with({ password: credential.password }))
    if (session) {
      if (await inUse()) throw conflict
      await passwordsOf({ session }).keep(key.username, key.password)
      return
    }
    // A login ends a row of refused ones, after which the server may lock the account.
    await logsIn(engine, key)
  }
  throw new Conflict(
    `${conflict.message}; or the first of its two passwords is none that is stored, and current's is the second: then have an administrator set current's as the only one`,
  )
}

const setsItsOwn = ({ engine }: Credential) => traits[engine].strategies['dual-password'] === 'user'

function passwordsOf({ session: { passwords } }: Pick<Acting, 'session'>): TwoPasswords {
  if (!passwords) throw new NotPermitted('this server keeps one password of a user only')
  return passwords
}

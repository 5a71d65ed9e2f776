import type { App } from '../../../local/servers/postgresDatabase.ts'
import type { Session } from '../../../rotation/engines/engine.ts'
import { AlternatingUsers } from '../../../rotation/strategies/alternatingUsers.ts'

const { pairOf } = new AlternatingUsers()

/**
 * A change in the database: `clone` or `user` opens that one of two users, `admin` or `own` sets the user's password as an admin
 * or as the user itself, `add` adds a second password, and `drop` drops the clone.
 */
export type Change = 'clone' | 'user' | 'admin' | 'own' | 'add' | 'drop'

type ChangeCalls = Record<Change, (session: Session, app: App) => Promise<unknown> | undefined>

/** The new password. Some of the password rules that refuse the users' first passwords accept this one. */
export const nextPassword = 'next-Password1!'

/** For each change, the call that says how the change would end. */
export const wouldChange: ChangeCalls = {
  clone: (session, { user }) => session.wouldOpenUser(pairOf(user), pairOf(user).clone),
  user: (session, { user }) => session.wouldOpenUser(pairOf(user), user),
  admin: (session, { user }) => session.wouldSetPassword(user, nextPassword),
  own: (session, { user }) => session.wouldSetPassword(user, nextPassword, { reversibly: true }),
  add: (session, { user, current }) => session.dualPassword?.wouldAdd(user, nextPassword, current.password),
  drop: (session, { user }) => session.wouldDropClone(pairOf(user)),
}

/** For each change, the call that makes it. */
export const change: ChangeCalls = {
  clone: (session, { user }) =>
    session.openUser(pairOf(user), { user: pairOf(user).clone, password: nextPassword }),
  user: (session, { user }) => session.openUser(pairOf(user), { user, password: nextPassword }),
  admin: (session, { user }) => session.setPassword(user, nextPassword),
  own: (session, { user }) => session.setPassword(user, nextPassword, { reversibly: true }),
  add: (session, { user, current }) => session.dualPassword?.add(user, nextPassword, current.password),
  drop: (session, { user }) => session.dropClone(pairOf(user)),
}

/** @returns the error of a call, or what it returned as `says` */
export async function resultOrError(
  call: () => Promise<unknown>,
): Promise<{ name?: string; message?: string; says?: unknown }> {
  try {
    return { says: await call() }
  } catch (error) {
    return error as Error
  }
}

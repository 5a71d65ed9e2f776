import type { App } from '../../../local/servers/postgresDatabase.ts'
import type { Session } from '../../../rotation/engines/engine.ts'
import { AlternatingUsers } from '../../../rotation/strategies/alternatingUsers.ts'

const { pairOf } = new AlternatingUsers()

/**
 * What is to be done: to open the clone or the user, to set a password as an admin or as oneself, to add one, or to drop the
 * clone.
 */
export type Change = 'clone' | 'user' | 'admin' | 'own' | 'add' | 'drop'

type Deeds = Record<Change, (session: Session, app: App) => Promise<unknown> | undefined>

/** Of those rules that are in the way of the users' first passwords too, some let this one through. */
export const nextPassword = 'next-Password1!'

/** Says what each would end with. */
export const foretell: Deeds = {
  clone: (session, { user }) => session.wouldClone(pairOf(user), pairOf(user).clone),
  user: (session, { user }) => session.wouldClone(pairOf(user), user),
  admin: (session, { user }) => session.wouldSetPassword(user, nextPassword),
  own: (session, { user }) => session.wouldSetPassword(user, nextPassword, { reversibly: true }),
  add: (session, { user, current }) => session.dualPassword?.wouldAdd(user, nextPassword, current.password),
  drop: (session, { user }) => session.wouldDropUser(pairOf(user)),
}

/** Does each. */
export const perform: Deeds = {
  clone: (session, { user }) =>
    session.cloneUser(pairOf(user), { user: pairOf(user).clone, password: nextPassword }),
  user: (session, { user }) => session.cloneUser(pairOf(user), { user, password: nextPassword }),
  admin: (session, { user }) => session.setPassword(user, nextPassword),
  own: (session, { user }) => session.setPassword(user, nextPassword, { reversibly: true }),
  add: (session, { user, current }) => session.dualPassword?.add(user, nextPassword, current.password),
  drop: (session, { user }) => session.dropClone(pairOf(user)),
}

/** How something ended: with what it gave, or with an error. */
export async function resultOrError(
  deed: () => Promise<unknown>,
): Promise<{ name?: string; message?: string; says?: unknown }> {
  try {
    return { says: await deed() }
  } catch (error) {
    return error as Error
  }
}

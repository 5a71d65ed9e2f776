import type { App } from '../../../local/servers/postgresDatabase.ts'
import type { Session } from '../../../rotation/engines/engine.ts'
import { AlternatingUsers } from '../../../rotation/strategies/alternatingUsers.ts'

const { pair } = new AlternatingUsers()

/**
 * What is to be done: to open the clone or the user, to set a password as an admin or as oneself, to add one, or to drop the
 * clone.
 */
export type Deed = 'clone' | 'user' | 'admin' | 'own' | 'add' | 'drop'

type Deeds = Record<Deed, (session: Session, app: App) => Promise<unknown> | undefined>

/** Of those rules that are in the way of the users' first passwords too, some let this one through. */
export const next = 'next-Password1!'

/** Says what each would end with. */
export const would: Deeds = {
  clone: (session, { user }) => session.wouldClone(pair(user), pair(user).clone),
  user: (session, { user }) => session.wouldClone(pair(user), user),
  admin: (session, { user }) => session.wouldSetPassword(user, next),
  own: (session, { user }) => session.wouldSetPassword(user, next, { reversibly: true }),
  add: (session, { user, current }) => session.passwords?.wouldAdd(user, next, current.password),
  drop: (session, { user }) => session.wouldDropUser(pair(user)),
}

/** Does each. */
export const does: Deeds = {
  clone: (session, { user }) => session.cloneUser(pair(user), { user: pair(user).clone, password: next }),
  user: (session, { user }) => session.cloneUser(pair(user), { user, password: next }),
  admin: (session, { user }) => session.setPassword(user, next),
  own: (session, { user }) => session.setPassword(user, next, { reversibly: true }),
  add: (session, { user, current }) => session.passwords?.add(user, next, current.password),
  drop: (session, { user }) => session.dropUser(pair(user)),
}

/** How something ended: with what it gave, or with an error. */
export async function outcome(
  deed: () => Promise<unknown>,
): Promise<{ name?: string; message?: string; says?: unknown }> {
  try {
    return { says: await deed() }
  } catch (error) {
    return error as Error
  }
}

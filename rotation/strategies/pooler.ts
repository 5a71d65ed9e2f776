import type { Credential } from '../credential.ts'
import type { Engine, Session } from '../engines/engine.ts'
import { NotPermitted } from '../errors.ts'
import { logsIn } from './login.ts'

/**
 * Refuses to change the password of a user whose session goes through a connection pooler, unless the tag `keyturn:pooler` says
 * that the pooler asks the database for passwords. A pooler with its own list of users would refuse the new password, and let the
 * old one in for as long as it has a connection.
 * https://www.pgbouncer.org/config.html#auth_query
 * @throws NotPermitted
 */
export function requireAuthQuery({ isBehindPooler }: Session, user: Credential, pooler?: 'auth-query'): void {
  if (!isBehindPooler || pooler) return
  throw new NotPermitted(
    `${user}: a pooler stands in between, and whether it would learn another password cannot be told from here; if it asks ` +
      'the database at every login (PgBouncer: auth_query), say so by the tag keyturn:pooler=auth-query; if it has a list ' +
      'of its own (auth_file), no rotation can go through it: let the value name the server itself',
  )
}

/**
 * Checks that the pooler lets `pending` in, whose password `session` has just set. If the pooler does not, `session` sets the
 * password of `before` back at once: later the pooler might let nobody in who could do that.
 * @throws NotPermitted if the pooler refuses `pending`, and every other error of that login
 */
export async function proveAuthQuery(
  engine: Engine,
  session: Session,
  pending: Credential,
  before: Credential,
): Promise<void> {
  try {
    if (await logsIn(engine, pending)) return
    throw poolerHasOwnListError(pending, 'the old password was set back')
  } catch (error) {
    await session.setPassword(before.username, before.password)
    throw error
  }
}

/**
 * The error for a pooler that has its own list of users, although the tag says that it asks the database. `then` is what was
 * done, or will be done, about the password.
 */
export const poolerHasOwnListError = (pending: Credential, then: string) =>
  new NotPermitted(
    `${pending}: the pooler refuses the password that the database has now, so it has a list of users of its own, ` +
      `although keyturn:pooler says otherwise; ${then}`,
  )

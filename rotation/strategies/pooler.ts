import type { Credential } from '../credential.ts'
import type { Engine, Session } from '../engines/engine.ts'
import { NotPermitted } from '../errors.ts'
import { logsIn } from './login.ts'

/**
 * Refuses to give a user another password that logs in through a pooler, unless somebody says that the pooler asks the
 * database for passwords: one with a list of its own would refuse the new one, and let the old one in for as long as it
 * has a connection.
 * @throws NotPermitted
 */
export function requireAuthQuery({ behindPooler }: Session, user: Credential, pooler?: 'auth-query'): void {
  if (!behindPooler || pooler) return
  throw new NotPermitted(
    `${user}: a pooler stands in between, and whether it would learn another password cannot be told from here; if it asks ` +
      'the database at every login (PgBouncer: auth_query), say so by the tag keyturn:pooler=auth-query; if it has a list ' +
      'of its own (auth_file), no rotation can go through it: let the value name the server itself',
  )
}

/**
 * Sees that a pooler lets `pending` in, whose password `session` has just set. If not, `session` sets back `before`, with
 * which it had logged in: later nobody might be let in who could.
 * @throws NotPermitted if the pooler refuses it; what else the login met
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

/** What a pooler shows that was said to ask the database. */
export const poolerHasOwnListError = (pending: Credential, then: string) =>
  new NotPermitted(
    `${pending}: the pooler refuses the password that the database has now, so it has a list of users of its own, ` +
      `although keyturn:pooler says otherwise; ${then}`,
  )

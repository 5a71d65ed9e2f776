import { undefinedIfNotReadable } from '../notReadable.ts'
import { type Account, quoteText } from './mysqlAccount.ts'
import type { SessionAccess } from './mysqlFlavour.ts'

/**
 * Counts a user's open sessions. Without the privilege PROCESS, which may come from a role, a session sees only those of its own
 * user.
 * @returns `seen`, the sessions of `user` in the list; and `all`, the same number if the list shows every user's, else undefined.
 *   The result itself is undefined if the list cannot be read.
 */
export async function countSessions(
  session: SessionAccess,
  user: string,
): Promise<{ seen: number; all: number | undefined } | undefined> {
  const name = (column: string) => `cast(${column} as binary)`
  const query = `select sum(${name('user')} = ${name(quoteText(user))}) as count,
    sum(${name('user')} <> ${name(quoteText(session.user))}) as others,
    (select count(*) from information_schema.user_privileges
     where privilege_type = 'PROCESS' and replace(grantee, '\\'', '') = replace(current_user(), '\\'', '')) as mayLook
    from information_schema.processlist`
  const [row] = (await session.query(query).catch(undefinedIfNotReadable)) ?? []
  if (!row) return undefined
  const seen = Number(row.count)
  return { seen, all: Number(row.others) + Number(row.mayLook) > 0 ? seen : undefined }
}

/** A limit of an account, by the limit's name in SHOW CREATE USER; 0 is no limit. */
const limitOf = ({ clauses: { limits = '' } }: Account, name: string) =>
  Number(new RegExp(String.raw`${name} (-?\d+)`).exec(limits)?.[1] ?? 0)

/**
 * Counts how many more sessions the server lets this account open now.
 * @returns undefined if the server does not tell, for example for an account with an hourly limit: nobody can read how many
 *   sessions it has opened within this hour
 */
export async function countFreeConnections(
  session: SessionAccess,
  user: string,
  account: Account,
): Promise<number | undefined> {
  const [variables] = await session.query(
    'select @@global.max_connections as most, @@global.max_user_connections as mostOfOne',
  )
  const [status] = await session.query(`show global status like 'Threads_connected'`)
  const free = Number(variables?.most) - Number(status?.Value)
  const limit = limitOf(account, 'MAX_USER_CONNECTIONS') || Number(variables?.mostOfOne)
  const sessions = limit > 0 ? await countSessions(session, user) : undefined
  const open = user === session.user ? sessions?.seen : sessions?.all
  const left = Math.max(0, Math.min(free, limit > 0 && open !== undefined ? limit - open : free))
  const uncertain = limitOf(account, 'MAX_CONNECTIONS_PER_HOUR') > 0 || (limit > 0 && open === undefined)
  return Number.isNaN(left) || (uncertain && left > 0) ? undefined : left
}

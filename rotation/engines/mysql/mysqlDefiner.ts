import { NotPermitted } from '../../errors.ts'
import { accountName, quoteText } from './mysqlAccount.ts'
import type { SessionAccess } from './mysqlFlavour.ts'

/**
 * Refuses to go on if an account is the DEFINER of a view, routine, trigger or event, so that the caller does not drop the
 * account: the view or the like would fail without it. MariaDB drops such an account without an error. So does MySQL if the admin
 * may set a DEFINER that does not exist, as the master user of RDS may.
 * @throws NotPermitted if the session's user sees any object with that DEFINER
 */
export async function refuseDefiner({ query }: SessionAccess, user: string, host: string): Promise<void> {
  // The comparison is binary because in MariaDB these columns ignore case, while user names do not.
  const isUser = `cast(definer as binary) = cast(${quoteText(`${user}@${host}`)} as binary)`
  const tables = ['views', 'routines', 'triggers', 'events']
  const found = await query(
    tables
      .map(table => `select '${table}' as kind from information_schema.${table} where ${isUser}`)
      .join(' union '),
  )
  if (found.length)
    throw new NotPermitted(
      `${accountName(user, host)} is the DEFINER of ${found.map(({ kind }) => kind).join(' and ')}, which would fail without it`,
    )
}

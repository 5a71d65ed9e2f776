import { NotPermitted } from '../../errors.ts'
import { accountName, quoteText } from './mysqlAccount.ts'
import type { SessionAccess } from './mysqlFlavour.ts'

/**
 * What names an account as its DEFINER fails without it. MariaDB drops such an account all the same, and so does MySQL
 * for an admin who may leave a DEFINER that is not there, as the master of RDS may.
 * @throws NotPermitted if the account is the DEFINER of anything that the session's user may see
 */
export async function refuseDefiner({ query }: SessionAccess, user: string, host: string): Promise<void> {
  // As bytes: in MariaDB these columns do not tell capital letters from small ones, and users' names do.
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

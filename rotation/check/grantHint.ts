import type { Credential } from '../credential.ts'
import { NotPermitted } from '../errors.ts'

/**
 * The refusal of an admin who is not allowed to change a user, with the statement that allows it: from PostgreSQL 16 on CREATEROLE
 * does so only of users that the admin made. https://www.postgresql.org/docs/16/role-attributes.html
 */
export function addGrantHint(error: unknown, { engine, username }: Credential, admin?: string): unknown {
  if (admin === undefined || engine !== 'postgres' || !(error instanceof NotPermitted)) return error
  if (!/permission denied to (grant|alter) role|must have admin option/i.test(error.message)) return error
  return new NotPermitted(
    `${error.message}. From PostgreSQL 16 on it takes: GRANT ${quoteName(username)} TO ${quoteName(admin)} WITH ADMIN OPTION`,
  )
}

/** A name as a statement has it, in quotes where it needs them. */
const quoteName = (name: string): string =>
  /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`

import type { Credential } from '../credential.ts'
import { NotPermitted } from '../errors.ts'

/**
 * Adds the GRANT that helps to the error of an admin who may not change a user. From PostgreSQL 16 on, CREATEROLE allows an
 * admin to change only the users that it made itself or was granted. https://www.postgresql.org/docs/16/role-attributes.html
 * @param admin the admin's name, if an admin met the error
 * @returns the error itself if it is another one
 */
export function addGrantHint(error: unknown, { engine, username }: Credential, admin?: string): unknown {
  if (admin === undefined || engine !== 'postgres' || !(error instanceof NotPermitted)) return error
  if (!/permission denied to (grant|alter) role|must have admin option/i.test(error.message)) return error
  return new NotPermitted(
    `${error.message}. From PostgreSQL 16 on it takes: GRANT ${quoteName(username)} TO ${quoteName(admin)} WITH ADMIN OPTION`,
  )
}

/** A name for a statement of SQL, in quotes if it needs them. */
const quoteName = (name: string): string =>
  /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`

import { escapeIdentifier } from 'pg'
import type { PairRoles, Role } from './postgresRoles.ts'

/**
 * Wraps statements that need the rights of both roles, to run as one transaction. An admin that is no superuser first makes
 * itself a member of the roles whose rights it lacks, and restores its earlier memberships at the end.
 */
export function withRightsOfBoth({ user, clone, version }: PairRoles, statements: string[]): string[] {
  const roles = [user, clone].flatMap(role => (role && !role.mayActAs ? [role] : []))
  return [
    ...roles.flatMap(role => grantMembershipStatements(role, version)),
    // While a statement waits for the lock of a table, later queries on the table wait behind it.
    `set local lock_timeout = '1s'`,
    ...statements,
    ...roles.flatMap(role => restoreMembershipStatements(role, version)),
  ]
}

function grantMembershipStatements({ name, adminMembership }: Role, version: number): string[] {
  const { grantor, options } = adminMembership
  const grant = `grant ${escapeIdentifier(name)} to current_user`
  if (version >= 160000) return [`${grant} with inherit true, set true${grantedBy(grantor)}`]
  return options ? [] : [grant]
}

function restoreMembershipStatements({ name, adminMembership }: Role, version: number): string[] {
  const { grantor, options } = adminMembership
  const role = escapeIdentifier(name)
  if (!options) return [`revoke ${role} from current_user${grantedBy(grantor)}`]
  return version >= 160000
    ? [
        `grant ${role} to current_user with inherit ${options.inherit}, set ${options.set}${grantedBy(grantor)}`,
      ]
    : []
}

const grantedBy = (grantor: string | null) =>
  grantor === null ? '' : ` granted by ${escapeIdentifier(grantor)}`

import { escapeIdentifier } from 'pg'
import type { PairRoles, Role } from './postgresRoles.ts'

/**
 * Wraps statements that need the rights of both roles of a pair, to run as one transaction. An admin that is no superuser first
 * makes itself a member of the roles whose rights it lacks, and restores its earlier memberships at the end.
 */
export function withRightsOfBoth({ user, clone, versionNumber }: PairRoles, statements: string[]): string[] {
  const roles = [user, clone].flatMap(role => (role && !role.mayActAs ? [role] : []))
  return [
    ...roles.flatMap(role => grantMembershipStatements(role, versionNumber)),
    // While a statement waits for the lock of a table, later queries on the table wait behind it.
    `set local lock_timeout = '1s'`,
    ...statements,
    ...roles.flatMap(role => restoreMembershipStatements(role, versionNumber)),
  ]
}

function grantMembershipStatements({ name, adminMembership }: Role, versionNumber: number): string[] {
  const { grantor, options } = adminMembership
  const grant = `grant ${escapeIdentifier(name)} to current_user`
  if (versionNumber >= 160000) return [`${grant} with inherit true, set true${grantedBy(grantor)}`]
  return options ? [] : [grant]
}

function restoreMembershipStatements({ name, adminMembership }: Role, versionNumber: number): string[] {
  const { grantor, options } = adminMembership
  const role = escapeIdentifier(name)
  if (!options) return [`revoke ${role} from current_user${grantedBy(grantor)}`]
  return versionNumber >= 160000
    ? [
        `grant ${role} to current_user with inherit ${options.inherit}, set ${options.set}${grantedBy(grantor)}`,
      ]
    : []
}

const grantedBy = (grantor: string | null) =>
  grantor === null ? '' : ` granted by ${escapeIdentifier(grantor)}`

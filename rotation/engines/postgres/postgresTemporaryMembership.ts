import { escapeIdentifier } from 'pg'
import type { PairRoles, Role } from './postgresRoles.ts'

/**
 * Statements that need the rights of both roles, as one transaction: an admin who is no superuser gives itself what it
 * lacks, and has in the end the memberships that it had before.
 */
export function withRightsOfBoth({ user, clone, version }: PairRoles, statements: string[]): string[] {
  const roles = [user, clone].flatMap(role => (role && !role.ours ? [role] : []))
  return [
    ...roles.flatMap(role => grantMembershipStatements(role, version)),
    // While it waits for a table, everybody else waits behind it.
    `set local lock_timeout = '1s'`,
    ...statements,
    ...roles.flatMap(role => restoreMembershipStatements(role, version)),
  ]
}

function grantMembershipStatements({ name, loan: { lender, had } }: Role, version: number): string[] {
  const grant = `grant ${escapeIdentifier(name)} to current_user`
  if (version >= 160000) return [`${grant} with inherit true, set true${grantedBy(lender)}`]
  return had ? [] : [grant]
}

function restoreMembershipStatements({ name, loan: { lender, had } }: Role, version: number): string[] {
  const role = escapeIdentifier(name)
  if (!had) return [`revoke ${role} from current_user${grantedBy(lender)}`]
  return version >= 160000
    ? [`grant ${role} to current_user with inherit ${had.inherit}, set ${had.set}${grantedBy(lender)}`]
    : []
}

const grantedBy = (lender: string | null) =>
  lender === null ? '' : ` granted by ${escapeIdentifier(lender)}`

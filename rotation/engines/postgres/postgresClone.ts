import { escapeIdentifier, escapeLiteral } from 'pg'
import { NotPermitted } from '../../errors.ts'
import type { UserPair } from '../engine.ts'
import { NotAClone } from '../notAClone.ts'
import { NEW_ROLE, type PairRoles, type Role } from './postgresRoles.ts'
import { settingStatements } from './postgresSettings.ts'

/**
 * The statements that make the clone equal to the user; none if the two are equal. They also set the parameter `role` of the
 * clone to the user, so that the user owns what the clone's sessions create.
 * @throws NotAClone if the clone is not this user's clone; NotPermitted if there is no such user
 */
export function syncStatements(pair: UserPair, roles: PairRoles): string[] {
  const user = checkPair(pair, roles)
  const name = escapeIdentifier(pair.clone)
  const clone = roles.clone ?? { ...NEW_ROLE, name: pair.clone }
  return [
    ...(roles.clone ? [] : [`create role ${name} login inherit`]),
    ...attributeStatements(user, clone),
    ...membershipStatements(user, clone, roles.versionNumber),
    ...settingStatements(user, clone),
  ]
}

/**
 * Those of the syncStatements that are safe for a clone that the application uses: none that could refuse it a login.
 * @throws what syncStatements throws
 */
export function inUseSyncStatements(pair: UserPair, roles: PairRoles): string[] {
  const user = checkPair(pair, roles)
  return roles.clone ? grantUserStatements(user, roles.clone, roles.versionNumber) : []
}

/** Whether the clone inherits the user's privileges, so that it can still use what it hands over to the user. */
export function inheritsUser({ user, clone, versionNumber }: PairRoles): boolean {
  const memberships = clone?.memberOf.filter(({ role }) => role === user?.name) ?? []
  // Until PostgreSQL 15 inheriting is an attribute of the role, from 16 on an option of each membership.
  return versionNumber >= 160000
    ? memberships.some(({ inherit }) => inherit)
    : memberships.length > 0 && clone?.inherit === true
}

/** @returns the user of the pair @throws NotPermitted if there is no user; NotAClone if the clone is not its clone */
export function checkPair({ user: name }: UserPair, { user, clone }: PairRoles): Role {
  if (!user) throw new NotPermitted(`there is no user ${escapeIdentifier(name)} for a clone to follow`)
  if (clone) requireClone(user, clone)
  return user
}

/** The databases in which the clone owns something or was granted something itself. The session's database comes first. */
export function databasesHeldIn({ clone, database }: PairRoles): string[] {
  const all = new Set([...(clone?.ownsIn ?? []), ...(clone?.grantedIn ?? [])])
  return [...(all.delete(database) ? [database] : []), ...all]
}

/**
 * The differences that come from grants to the clone itself: the statement that would revoke them, or a sentence for another
 * database. What the clone owns is no difference in what the two may do.
 */
export function grantDifferences({ user, clone }: UserPair, { clone: role, database }: PairRoles): string[] {
  return (role?.grantedIn ?? []).map(other =>
    other === database
      ? `drop owned by ${escapeIdentifier(clone)}`
      : `${clone} holds grants of its own in ${other}, which ${user} does not share`,
  )
}

/**
 * Checks that a role with the clone's name is the user's clone: it must be a member of the user, and no superuser unless the user
 * is one. An unrelated role of that name must not get the password that goes into the secret.
 * @throws NotAClone
 */
export function requireClone(user: Role, clone: Role): void {
  const [u, c] = [escapeIdentifier(user.name), escapeIdentifier(clone.name)]
  if (!clone.memberOf.some(membership => membership.role === user.name))
    throw new NotAClone(`${c} exists but is no clone of ${u}; if it should be, GRANT ${u} TO ${c}`)
  if (clone.superuser && !user.superuser)
    throw new NotAClone(`${c} is a superuser and ${u} is not; ALTER ROLE ${c} NOSUPERUSER, or rename it`)
}

/**
 * What would refuse a role a login whatever its password, one sentence each. Opening the user of a pair, unlike opening the
 * clone, does not change these attributes.
 */
export function loginObstacles({ name, superuser, connectionLimit, validUntil }: Role): string[] {
  const role = escapeIdentifier(name)
  return [
    ...(Date.parse(validUntil) <= Date.now()
      ? [`${role} is let in no more since ${validUntil}: ALTER ROLE ${role} VALID UNTIL 'infinity'`]
      : []),
    ...(connectionLimit === 0 && !superuser
      ? [`${role} may have no connection: ALTER ROLE ${role} CONNECTION LIMIT -1`]
      : []),
  ]
}

function attributeStatements(user: Role, clone: Role): string[] {
  // Only attributes that differ are named, because naming some of them takes a superuser even if they stay the same.
  const flags = (['superuser', 'createdb', 'createrole', 'replication', 'bypassrls'] as const)
    .filter(flag => user[flag] !== clone[flag])
    .map(flag => (user[flag] ? flag : `no${flag}`))
  if (!clone.inherit) flags.push('inherit')
  if (user.connectionLimit !== clone.connectionLimit) flags.push(`connection limit ${user.connectionLimit}`)
  if (user.validUntil !== clone.validUntil) flags.push(`valid until ${escapeLiteral(user.validUntil)}`)
  return flags.length ? [`alter role ${escapeIdentifier(clone.name)} ${flags.join(' ')}`] : []
}

function membershipStatements(user: Role, clone: Role, versionNumber: number): string[] {
  const [u, c] = [escapeIdentifier(user.name), escapeIdentifier(clone.name)]
  const ofUser = clone.memberOf.filter(membership => membership.role === user.name)
  const extra = clone.memberOf.filter(membership => membership.role !== user.name && !membership.shared)
  return [
    ...grantUserStatements(user, clone, versionNumber),
    ...(ofUser.some(membership => membership.admin) ? [`revoke admin option for ${u} from ${c}`] : []),
    ...extra.map(membership => `revoke ${escapeIdentifier(membership.role)} from ${c}`),
  ]
}

/** Makes the clone a member of the user that inherits its privileges and may SET ROLE to it. */
function grantUserStatements(user: Role, clone: Role, versionNumber: number): string[] {
  const [u, c] = [escapeIdentifier(user.name), escapeIdentifier(clone.name)]
  return clone.memberOf.some(({ role, inherit, set }) => role === user.name && inherit && set)
    ? []
    : [`grant ${u} to ${c}${versionNumber >= 160000 ? ' with inherit true, set true' : ''}`]
}

import { escapeIdentifier, escapeLiteral } from 'pg'
import { NotPermitted } from '../../errors.ts'
import type { UserPair } from '../engine.ts'
import { NotAClone } from '../notAClone.ts'
import { NEW_ROLE, type PairRoles, type Role } from './postgresRoles.ts'
import { settingStatements } from './postgresSettings.ts'

/**
 * The statements that make the clone equal to the user; none if it is. `role` is set so that what it creates is the
 * user's.
 * @throws Stranger if the clone is not this user's clone; NotPermitted if there is no such user
 */
export function syncStatements(pair: UserPair, roles: PairRoles): string[] {
  const user = checkPair(pair, roles)
  const name = escapeIdentifier(pair.clone)
  const before = roles.clone ?? { ...NEW_ROLE, name: pair.clone }
  return [
    ...(roles.clone ? [] : [`create role ${name} login inherit`]),
    ...attributeStatements(user, before),
    ...membershipStatements(user, before, roles.version),
    ...settingStatements(user, before),
  ]
}

/** What of that can be done to a clone that is in use: nothing that could refuse its login. @throws as syncStatements */
export function inUseSyncStatements(pair: UserPair, roles: PairRoles): string[] {
  const user = checkPair(pair, roles)
  return roles.clone ? grantUserStatements(user, roles.clone, roles.version) : []
}

/** Whether the clone may do by itself what its user may, and so loses nothing by what it hands over. */
export function inheritsUser({ user, clone, version }: PairRoles): boolean {
  const own = clone?.memberOf.filter(membership => membership.role === user?.name) ?? []
  return version >= 160000 ? own.some(({ inherit }) => inherit) : own.length > 0 && clone?.inherit === true
}

/** The user. @throws NotPermitted if there is none; Stranger if the clone is not its clone */
export function checkPair({ user: name }: UserPair, { user, clone }: PairRoles): Role {
  if (!user) throw new NotPermitted(`there is no user ${escapeIdentifier(name)} for a clone to follow`)
  if (clone) requireClone(user, clone)
  return user
}

/** The databases in which the clone holds something of its own, this one first. */
export function databasesHeldIn({ clone, database }: PairRoles): string[] {
  const all = new Set([...(clone?.ownsIn ?? []), ...(clone?.grantedIn ?? [])])
  return [...(all.delete(database) ? [database] : []), ...all]
}

/** What was granted to the clone itself; what it owns makes no difference to what the two may do. */
export function grantDifferences({ user, clone }: UserPair, { clone: role, database }: PairRoles): string[] {
  return (role?.grantedIn ?? []).map(other =>
    other === database
      ? `drop owned by ${escapeIdentifier(clone)}`
      : `${clone} holds grants of its own in ${other}, which ${user} does not share`,
  )
}

/**
 * Somebody else's role that happens to have the clone's name must not be handed to whoever reads the secret.
 * @throws Stranger
 */
export function requireClone(user: Role, clone: Role): void {
  const [u, c] = [escapeIdentifier(user.name), escapeIdentifier(clone.name)]
  if (!clone.memberOf.some(membership => membership.role === user.name))
    throw new NotAClone(`${c} exists but is no clone of ${u}; if it should be, GRANT ${u} TO ${c}`)
  if (clone.superuser && !user.superuser)
    throw new NotAClone(`${c} is a superuser and ${u} is not; ALTER ROLE ${c} NOSUPERUSER, or rename it`)
}

/** What would keep a role out whatever its password, a sentence each. A turn back to the user changes none of it. */
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
  // Only what differs: naming an attribute at all may take a superuser.
  const flags = (['superuser', 'createdb', 'createrole', 'replication', 'bypassrls'] as const)
    .filter(flag => user[flag] !== clone[flag])
    .map(flag => (user[flag] ? flag : `no${flag}`))
  if (!clone.inherit) flags.push('inherit')
  if (user.connectionLimit !== clone.connectionLimit) flags.push(`connection limit ${user.connectionLimit}`)
  if (user.validUntil !== clone.validUntil) flags.push(`valid until ${escapeLiteral(user.validUntil)}`)
  return flags.length ? [`alter role ${escapeIdentifier(clone.name)} ${flags.join(' ')}`] : []
}

function membershipStatements(user: Role, clone: Role, version: number): string[] {
  const [u, c] = [escapeIdentifier(user.name), escapeIdentifier(clone.name)]
  const own = clone.memberOf.filter(membership => membership.role === user.name)
  const extra = clone.memberOf.filter(membership => membership.role !== user.name && !membership.shared)
  return [
    ...grantUserStatements(user, clone, version),
    ...(own.some(membership => membership.admin) ? [`revoke admin option for ${u} from ${c}`] : []),
    ...extra.map(membership => `revoke ${escapeIdentifier(membership.role)} from ${c}`),
  ]
}

function grantUserStatements(user: Role, clone: Role, version: number): string[] {
  const [u, c] = [escapeIdentifier(user.name), escapeIdentifier(clone.name)]
  return clone.memberOf.some(({ role, inherit, set }) => role === user.name && inherit && set)
    ? []
    : [`grant ${u} to ${c}${version >= 160000 ? ' with inherit true, set true' : ''}`]
}

import { BSON, type Document } from 'mongodb'
import * as v from 'valibot'
import { NotAClone } from '../notAClone.ts'

type Role = { role: string; db: string }

/**
 * One user as `usersInfo` shows it (https://www.mongodb.com/docs/manual/reference/command/usersInfo/). Amazon DocumentDB leaves
 * out the fields that it does not have.
 */
export type User = {
  user: string
  roles: Role[]
  mechanisms?: string[]
  customData?: Document
  authenticationRestrictions?: Document[]
}

const userSchema = v.looseObject({
  user: v.string(),
  roles: v.array(v.looseObject({ role: v.string(), db: v.string() })),
  mechanisms: v.optional(v.array(v.string())),
})

/** Whether the field `users` of an answer to `usersInfo` is a list of users. */
export const isUserList = (users: unknown): users is User[] => v.is(v.array(userSchema), users)

/** Roles whose users may grant themselves every other role. */
const SUPERUSER_ROLES = [
  'root@admin',
  '__system@admin',
  'userAdminAnyDatabase@admin',
  'userAdmin@admin',
  'dbOwner@admin',
]

const roleKey = ({ role, db }: Role) => `${role}@${db}`
const rolesOf = ({ roles }: User) => new Set(roles.map(roleKey))
const equal = (a: unknown, b: unknown) => BSON.EJSON.stringify(a) === BSON.EJSON.stringify(b)

/** The fields besides roles in which user and clone must be equal, each with the value of a user that does not have the field. */
const OTHER_FIELD_DEFAULTS = { customData: {}, authenticationRestrictions: [] } as const
const OTHER_FIELD_NAMES = Object.keys(OTHER_FIELD_DEFAULTS) as (keyof typeof OTHER_FIELD_DEFAULTS)[]

/** The fields of createUser or updateUser that make the clone equal to the user; none if the two are equal. */
export function syncFields(user: User, clone?: User): Document {
  const fields: Document = {}
  if (!clone || rolesOf(user).symmetricDifference(rolesOf(clone)).size)
    fields.roles = user.roles.map(({ role, db }) => ({ role, db }))
  for (const name of OTHER_FIELD_NAMES) {
    const wanted = user[name] ?? OTHER_FIELD_DEFAULTS[name]
    if (!equal(wanted, clone?.[name] ?? OTHER_FIELD_DEFAULTS[name])) fields[name] = wanted
  }
  return fields
}

/** @returns the differences between user and clone, one sentence each */
export function differences(user: User, clone: User): string[] {
  const [userRoles, cloneRoles] = [rolesOf(user), rolesOf(clone)]
  return [
    ...[...userRoles.difference(cloneRoles)].map(role => `grant ${role} to ${clone.user}`),
    ...[...cloneRoles.difference(userRoles)].map(role => `revoke ${role} from ${clone.user}`),
    ...Object.keys(syncFields(user, clone))
      .filter(name => name !== 'roles')
      .map(name => `${clone.user} has other ${name} than ${user.user}`),
  ]
}

/**
 * Checks that a user with the clone's name is the user's clone: if it has roles, it must share one with the user, and it must be
 * no superuser unless the user is one. An unrelated user of that name must not get the password that goes into the secret.
 * @param isProvenByClone Whether the login that proved the secret (see adminSession.ts) was the clone's, because the user is to
 *   be opened or closed, and the clone is the current one. Then the two must share two roles, if the user has two.
 * @throws NotAClone if they share too little, or if the clone is a superuser and the user is not
 */
export function requireClone(user: User, clone: User, isProvenByClone: boolean): void {
  const [userRoles, cloneRoles] = [rolesOf(user), rolesOf(clone)]
  const shared = userRoles.intersection(cloneRoles).size
  const name = JSON.stringify(clone.user)
  if (cloneRoles.size && !shared)
    throw new NotAClone(`${name} is no clone of ${JSON.stringify(user.user)}: they have no role in common`)
  if (isProvenByClone && shared < Math.min(userRoles.size, 2))
    throw new NotAClone(
      `${name} is no clone of ${JSON.stringify(user.user)}: they have too few roles in common; if it is one, grant it the user's`,
    )
  const superuserRole = SUPERUSER_ROLES.find(role => cloneRoles.has(role) && !userRoles.has(role))
  if (superuserRole)
    throw new NotAClone(`${name} is a superuser (${superuserRole}), and ${JSON.stringify(user.user)} is none`)
}

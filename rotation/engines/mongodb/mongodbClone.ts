import { BSON, type Document } from 'mongodb'
import * as v from 'valibot'
import { NotAClone } from '../notAClone.ts'

type Role = { role: string; db: string }

/** What `usersInfo` tells of one user. DocumentDB leaves out what it does not have. */
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

/** Whether this is what the server should tell of users. */
export const isUserList = (told: unknown): told is User[] => v.is(v.array(userSchema), told)

/** Roles that may give themselves any other. */
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

/** What else may differ, and what it is in a user that has none. */
const OTHER_FIELD_DEFAULTS = { customData: {}, authenticationRestrictions: [] } as const
const OTHER_FIELD_NAMES = Object.keys(OTHER_FIELD_DEFAULTS) as (keyof typeof OTHER_FIELD_DEFAULTS)[]

/** The fields of createUser or updateUser that make the clone what the user is; none if it is. */
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

/** A sentence for each thing in which the two are not equal. */
export function differences(user: User, clone: User): string[] {
  const [had, has] = [rolesOf(user), rolesOf(clone)]
  return [
    ...[...had.difference(has)].map(role => `grant ${role} to ${clone.user}`),
    ...[...has.difference(had)].map(role => `revoke ${role} from ${clone.user}`),
    ...Object.keys(syncFields(user, clone))
      .filter(name => name !== 'roles')
      .map(name => `${clone.user} has other ${name} than ${user.user}`),
  ]
}

/**
 * A clone has a role of its user, or none at all. If `byClone`, it is the clone whose password was proven, so it has two
 * of the user's roles, if there are two.
 * @throws Stranger if it is somebody else's, or more powerful
 */
export function requireClone(user: User, clone: User, byClone: boolean): void {
  const [had, has] = [rolesOf(user), rolesOf(clone)]
  const shared = had.intersection(has).size
  const name = JSON.stringify(clone.user)
  if (has.size && !shared)
    throw new NotAClone(`${name} is no clone of ${JSON.stringify(user.user)}: they have no role in common`)
  if (byClone && shared < Math.min(had.size, 2))
    throw new NotAClone(
      `${name} is no clone of ${JSON.stringify(user.user)}: they have too few roles in common; if it is one, grant it the user's`,
    )
  const more = SUPERUSER_ROLES.find(role => has.has(role) && !had.has(role))
  if (more) throw new NotAClone(`${name} is a superuser (${more}), and ${JSON.stringify(user.user)} is none`)
}

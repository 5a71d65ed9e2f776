import { BSON, type Document } from 'mongodb'
import * as v from 'valibot'
import { Stranger } from '../stranger.ts'

type Role = { role: string; db: string }

/** What `usersInfo` tells of one user. DocumentDB leaves out what it does not have. */
export type User = {
  user: string
  roles: Role[]
  mechanisms?: string[]
  customData?: Document
  authenticationRestrictions?: Document[]
}

const user = v.looseObject({
  user: v.string(),
  roles: v.array(v.looseObject({ role: v.string(), db: v.string() })),
  mechanisms: v.optional(v.array(v.string())),
})

/** Whether this is what the server should tell of users. */
export const isUsers = (told: unknown): told is User[] => v.is(v.array(user), told)

/** Roles that may give themselves any other. */
const superuser = [
  'root@admin',
  '__system@admin',
  'userAdminAnyDatabase@admin',
  'userAdmin@admin',
  'dbOwner@admin',
]

const named = ({ role, db }: Role) => `${role}@${db}`
const rolesOf = ({ roles }: User) => new Set(roles.map(named))
const equal = (a: unknown, b: unknown) => BSON.EJSON.stringify(a) === BSON.EJSON.stringify(b)

/** What else may differ, and what it is in a user that has none. */
const others = { customData: {}, authenticationRestrictions: [] } as const
const otherNames = Object.keys(others) as (keyof typeof others)[]

/** The fields of createUser or updateUser that make the clone what the user is; none if it is. */
export function syncFields(user: User, clone?: User): Document {
  const fields: Document = {}
  if (!clone || rolesOf(user).symmetricDifference(rolesOf(clone)).size)
    fields.roles = user.roles.map(({ role, db }) => ({ role, db }))
  for (const name of otherNames) {
    const wanted = user[name] ?? others[name]
    if (!equal(wanted, clone?.[name] ?? others[name])) fields[name] = wanted
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
export function refuseStranger(user: User, clone: User, byClone: boolean): void {
  const [had, has] = [rolesOf(user), rolesOf(clone)]
  const shared = had.intersection(has).size
  const name = JSON.stringify(clone.user)
  if (has.size && !shared)
    throw new Stranger(`${name} is no clone of ${JSON.stringify(user.user)}: they have no role in common`)
  if (byClone && shared < Math.min(had.size, 2))
    throw new Stranger(
      `${name} is no clone of ${JSON.stringify(user.user)}: they have too few roles in common; if it is one, grant it the user's`,
    )
  const more = superuser.find(role => has.has(role) && !had.has(role))
  if (more) throw new Stranger(`${name} is a superuser (${more}), and ${JSON.stringify(user.user)} is none`)
}

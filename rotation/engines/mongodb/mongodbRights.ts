import type { Document } from 'mongodb'
import * as v from 'valibot'

const privilegesSchema = v.array(
  v.looseObject({
    resource: v.looseObject({
      db: v.optional(v.string()),
      collection: v.optional(v.string()),
      anyResource: v.optional(v.boolean()),
    }),
    actions: v.array(v.string()),
  }),
)
type Privilege = v.InferOutput<typeof privilegesSchema>[number]

/**
 * Reads the privileges of the session's own user from an answer to connectionStatus
 * (https://www.mongodb.com/docs/manual/reference/command/connectionStatus/).
 * @returns undefined if the server does not tell privileges
 */
export function readPrivileges(connectionStatus: Document | undefined): Privilege[] | undefined {
  const privileges = connectionStatus?.authInfo?.authenticatedUserPrivileges
  return v.is(privilegesSchema, privileges) && privileges.length ? privileges : undefined
}

/**
 * An action that a command requires, or several that are joined by ` or `, of which one is enough. `db` is the database on which
 * it is required; undefined is every database.
 */
type RequiredPrivilege = { action: string; db: string | undefined }

/**
 * The privileges that a command needs to create, change or drop a user of the database `db`. A change of roles may revoke any
 * role, so it needs revokeRole on every database. https://www.mongodb.com/docs/manual/reference/command/updateUser/
 * @param isOwn Whether the command is about the user that runs it.
 */
function requiredPrivileges(command: Document, db: string, isOwn: boolean): RequiredPrivilege[] {
  const { createUser, dropUser, roles, pwd, customData, authenticationRestrictions } = command
  const isUpdate = createUser === undefined
  if (dropUser !== undefined) return [{ action: 'dropUser', db }]
  const changeAction = (field: string) =>
    (isOwn ? [`changeOwn${field}`, `change${field}`] : [`change${field}`]).join(' or ')
  return [
    ...(isUpdate ? [] : [{ action: 'createUser', db }]),
    ...(isUpdate && pwd ? [{ action: changeAction('Password'), db }] : []),
    ...(isUpdate && customData ? [{ action: changeAction('CustomData'), db }] : []),
    ...(isUpdate && roles ? [{ action: 'revokeRole', db: undefined }] : []),
    ...(roles ?? []).map((role: Document) => ({ action: 'grantRole', db: String(role.db) })),
    ...(authenticationRestrictions?.length ? [{ action: 'setAuthenticationRestriction', db }] : []),
  ]
}

/**
 * @param db The database that holds the user.
 * @param isOwn Whether the command is about the user that runs it.
 * @returns what a command needs and these privileges do not include, such as `grantRole on shop`
 */
export function missingPrivileges(
  held: Privilege[],
  command: Document,
  db: string,
  isOwn: boolean,
): string[] {
  const missing = requiredPrivileges(command, db, isOwn).filter(
    need => !need.action.split(' or ').some(action => held.some(one => covers(one, action, need.db))),
  )
  const named = missing.map(({ action, db }) => `${action} on ${db === undefined ? 'every database' : db}`)
  return [...new Set(named)]
}

/**
 * Whether a privilege includes an action on a whole database; undefined is every database. In a resource an empty name stands
 * for every name (https://www.mongodb.com/docs/manual/reference/resource-document/).
 */
function covers({ resource, actions }: Privilege, action: string, db: string | undefined): boolean {
  if (!actions.includes(action)) return false
  if (resource.anyResource) return true
  return resource.collection === '' && (resource.db === '' || (db !== undefined && resource.db === db))
}

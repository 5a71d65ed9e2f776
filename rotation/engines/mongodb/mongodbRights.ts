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

/** What connectionStatus tells of the session's own user; undefined if it tells nothing of privileges. */
export function readPrivileges(told: Document | undefined): Privilege[] | undefined {
  const found = told?.authInfo?.authenticatedUserPrivileges
  return v.is(privilegesSchema, found) && found.length ? found : undefined
}

/** An action, on a database or on all of them. */
type RequiredPrivilege = { action: string; db: string | undefined }

/**
 * What a command takes that creates, changes or drops a user, by MongoDB's manual. Who changes roles may be taking any away.
 * `own`, if it is about who runs it.
 */
function requiredPrivileges(command: Document, db: string, own: boolean): RequiredPrivilege[] {
  const { createUser, dropUser, roles, pwd, customData, authenticationRestrictions } = command
  const changes = createUser === undefined
  if (dropUser !== undefined) return [{ action: 'dropUser', db }]
  const mine = (action: string) =>
    (own ? [`changeOwn${action}`, `change${action}`] : [`change${action}`]).join(' or ')
  return [
    ...(changes ? [] : [{ action: 'createUser', db }]),
    ...(changes && pwd ? [{ action: mine('Password'), db }] : []),
    ...(changes && customData ? [{ action: mine('CustomData'), db }] : []),
    ...(changes && roles ? [{ action: 'revokeRole', db: undefined }] : []),
    ...(roles ?? []).map((role: Document) => ({ action: 'grantRole', db: String(role.db) })),
    ...(authenticationRestrictions?.length ? [{ action: 'setAuthenticationRestriction', db }] : []),
  ]
}

/** What these privileges lack of what a command takes, a few words each. */
export function missingPrivileges(has: Privilege[], command: Document, db: string, own: boolean): string[] {
  const missing = requiredPrivileges(command, db, own).filter(
    need => !need.action.split(' or ').some(action => has.some(one => covers(one, action, need.db))),
  )
  const named = missing.map(({ action, db }) => `${action} on ${db === undefined ? 'every database' : db}`)
  return [...new Set(named)]
}

/** An empty name stands for any, but not for the whole server's own. */
function covers({ resource, actions }: Privilege, action: string, db: string | undefined): boolean {
  if (!actions.includes(action)) return false
  if (resource.anyResource) return true
  return resource.collection === '' && (resource.db === '' || (db !== undefined && resource.db === db))
}

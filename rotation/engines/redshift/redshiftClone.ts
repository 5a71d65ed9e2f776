import { isDeepStrictEqual } from 'node:util'
import { escapeIdentifier } from 'pg'
import { NotPermitted } from '../../errors.ts'
import type { UserPair } from '../engine.ts'
import { NotAClone } from '../notAClone.ts'
import { settingAssignment } from '../postgres/postgresSettings.ts'
import { type Account, type DefaultGrant, newAccount, quoteText, SELF } from './redshiftAccount.ts'
import type { Privileges } from './redshiftAcl.ts'

/**
 * Checks that the user of a pair exists, and that the clone, if there is one, is its clone.
 * @param isProvenByClone Whether the clone is the current one of the two: see requireClone.
 * @returns the user
 * @throws NotPermitted if there is no user; NotAClone if the clone is not its clone
 */
export function checkPair(
  pair: UserPair,
  user: Account | undefined,
  clone: Account | undefined,
  isProvenByClone = false,
): Account {
  if (!user) throw new NotPermitted(`there is no user ${escapeIdentifier(pair.user)} for a clone to follow`)
  if (clone) requireClone(user, clone, isProvenByClone)
  return user
}

/**
 * The statements that make the clone equal to the user; none if the two are equal. Objects that one of the two owns are left
 * out, as both may create objects at any time.
 */
export function syncStatements(user: Account, clone: Account): string[] {
  const name = escapeIdentifier(clone.name)
  const granted = ({ grants }: Account) =>
    new Map([...grants].filter(([key]) => !user.owned.has(key) && !clone.owned.has(key)))
  const group = (group: string) => `alter group ${escapeIdentifier(group)}`
  return [
    ...user.options
      .filter(option => !clone.options.includes(option))
      .map(option => `alter user ${name} ${option}`),
    ...settingStatements(user, clone),
    ...[...clone.groups.difference(user.groups)].map(extra => `${group(extra)} drop user ${name}`),
    ...[...user.groups.difference(clone.groups)].map(missing => `${group(missing)} add user ${name}`),
    ...roleStatements(user, clone),
    ...grantStatements(name, granted(user), granted(clone)),
    ...defaultStatements(user, clone),
  ]
}

/** The statements that give the user one object that the clone owns, and grant the clone every privilege on it. */
export function transferStatements(user: Account, clone: Account, key: string): string[] {
  const all = new Map([[key, clone.owned.get(key) ?? new Map()]])
  return [ownerStatement(user, key), ...grantStatements(escapeIdentifier(clone.name), all, new Map())]
}

const ownerStatement = (user: Account, key: string) => `alter ${key} owner to ${escapeIdentifier(user.name)}`

/** The statements that grant the clone every privilege on what the user owns. */
export function grantOwnedStatements(user: Account, clone: Account): string[] {
  const present = new Map([...clone.grants].filter(([key]) => user.owned.has(key)))
  const missing = [...user.owned].map(([key, all]) => {
    const has = present.get(key)
    return [key, new Map([...all].filter(([privilege]) => !has?.has(privilege)))] as const
  })
  return grantStatements(escapeIdentifier(clone.name), new Map(missing), new Map())
}

/** Whether an account owns or was granted something inside this database, which includes default privileges. */
export function holdsHere({ owned, grants, defaults }: Account): boolean {
  const objects = [...owned.keys(), ...grants.keys()].filter(key => !key.startsWith('database '))
  return objects.length > 0 || !isDeepStrictEqual(defaults, newAccount('').defaults)
}

/**
 * The statements after which the clone owns nothing and has no privilege in this database, as DROP USER requires
 * (https://docs.aws.amazon.com/redshift/latest/dg/r_DROP_USER.html).
 */
export function revokeAllStatements(user: Account, clone: Account): string[] {
  const { name, options, settings } = clone
  return [
    ...[...clone.owned.keys()].map(key => ownerStatement(user, key)),
    ...syncStatements({ ...newAccount(name), options, settings }, clone),
  ]
}

/**
 * Checks that a user with the clone's name is the user's clone: if it owns or may do anything, it must share a group, role or
 * privilege with the user, and it must be no superuser unless the user is one. An unrelated user of that name must not get the
 * password that goes into the secret.
 * @param isProvenByClone Whether the login that proved the secret (see adminSession.ts) was the clone's, because the user is to
 *   be opened or closed, and the clone is the current one. Then a clone without any privilege is refused too, unless the user has
 *   none either.
 * @throws NotAClone
 */
function requireClone(user: Account, clone: Account, isProvenByClone: boolean): void {
  const [u, c] = [escapeIdentifier(user.name), escapeIdentifier(clone.name)]
  if (clone.superuser && !user.superuser)
    throw new NotAClone(`${c} is a superuser and ${u} is not; ALTER USER ${c} NOCREATEUSER, or rename it`)
  const countRights = ({ groups, roles, grants }: Account) => groups.size + roles.size + grants.size
  const userCount = countRights(user) + user.owned.size
  // If the user has nothing, the clone cannot share anything with it, although the clone may have created objects.
  const cloneCount = countRights(clone) + (userCount ? clone.owned.size : 0)
  const shared =
    !clone.groups.isDisjointFrom(user.groups) ||
    [...clone.roles.keys()].some(role => user.roles.has(role)) ||
    [...clone.grants].some(([key, privileges]) => {
      const own = user.owned.get(key) ?? user.grants.get(key)
      return own && [...privileges.keys()].some(privilege => own.has(privilege))
    })
  if ((cloneCount || (isProvenByClone && userCount)) && !shared)
    throw new NotAClone(
      `${c} exists but is no clone of ${u}: nothing that it owns or may do is the user's; rename it`,
    )
}

function settingStatements(user: Account, clone: Account): string[] {
  const alter = `alter user ${escapeIdentifier(clone.name)}`
  const settingName = (setting: string) => setting.slice(0, setting.indexOf('='))
  const wanted = user.settings.map(settingName)
  return [
    ...clone.settings
      .map(settingName)
      .filter(name => !wanted.includes(name))
      .map(name => `${alter} reset ${escapeIdentifier(name)}`),
    ...user.settings
      .filter(setting => !clone.settings.includes(setting))
      .map(setting => `${alter} set ${settingAssignment(setting, quoteText)}`),
  ]
}

function roleStatements(user: Account, clone: Account): string[] {
  const name = escapeIdentifier(clone.name)
  const role = (name: string) => `role ${escapeIdentifier(name)}`
  return [
    ...[...clone.roles].flatMap(([granted, admin]) => {
      if (!user.roles.has(granted)) return [`revoke ${role(granted)} from ${name}`]
      return admin && !user.roles.get(granted)
        ? [`revoke admin option for ${role(granted)} from ${name}`]
        : []
    }),
    ...[...user.roles]
      .filter(([granted, admin]) => !clone.roles.has(granted) || (admin && !clone.roles.get(granted)))
      .map(([granted, admin]) => `grant ${role(granted)} to ${name}${admin ? ' with admin option' : ''}`),
  ]
}

/**
 * The statements that change the privileges of `to` from `present` to `wanted`. Revokes come first, because Redshift refuses a
 * privilege on a table to a user that has it on a column of the table. Nobody sees a privilege missing, because the statements
 * run in one transaction.
 * @param prefix What stands before each statement.
 */
function grantStatements(
  to: string,
  wanted: Map<string, Privileges>,
  present: Map<string, Privileges>,
  prefix = '',
): string[] {
  const none: Privileges = new Map()
  const keys = [...new Set([...present.keys(), ...wanted.keys()])]
  const pairs = keys.map(key => [key, wanted.get(key) ?? none, present.get(key) ?? none] as const)
  const list = (privileges: string[]) => privileges.join(', ')
  return [
    ...pairs.flatMap(([object, want, have]) => {
      const extra = [...have.keys()].filter(privilege => !want.has(privilege))
      const options = [...have].filter(([privilege, option]) => option && want.get(privilege) === false)
      return [
        ...(extra.length ? [`${prefix}revoke ${list(extra)} on ${object} from ${to}`] : []),
        ...(options.length
          ? [
              `${prefix}revoke grant option for ${list(options.map(([name]) => name))} on ${object} from ${to}`,
            ]
          : []),
      ]
    }),
    ...pairs.flatMap(([object, want, have]) =>
      [false, true].flatMap(option => {
        const missing = [...want].filter(
          ([name, may]) => may === option && (!have.has(name) || (may && !have.get(name))),
        )
        const what = list(missing.map(([name]) => name))
        return missing.length
          ? [`${prefix}grant ${what} on ${object} to ${to}${option ? ' with grant option' : ''}`]
          : []
      }),
    ),
  ]
}

function defaultStatements(user: Account, clone: Account): string[] {
  const name = escapeIdentifier(clone.name)
  return [...new Set([...clone.defaults.keys(), ...user.defaults.keys()])].flatMap(key => {
    const [wanted, present] = [user.defaults.get(key), clone.defaults.get(key)]
    const { owner, schema, objects, grantee } = (wanted ?? present) as DefaultGrant
    const prefix =
      `alter default privileges for user ${owner === SELF ? name : escapeIdentifier(owner)} ` +
      (schema === null ? '' : `in schema ${escapeIdentifier(schema)} `)
    const byObjects = (grant: DefaultGrant | undefined) =>
      new Map([[objects, grant?.privileges ?? new Map()]])
    return grantStatements(grantee === SELF ? name : grantee, byObjects(wanted), byObjects(present), prefix)
  })
}

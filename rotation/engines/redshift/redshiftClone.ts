import { isDeepStrictEqual } from 'node:util'
import { escapeIdentifier } from 'pg'
import { NotPermitted } from '../../errors.ts'
import type { UserPair } from '../engine.ts'
import { NotAClone } from '../notAClone.ts'
import { settingAssignment } from '../postgres/postgresSettings.ts'
import {
  type Account,
  type DefaultGrant,
  newAccount,
  type Privileges,
  quoteText,
  SELF,
} from './redshiftAccount.ts'

/**
 * What has to be there to act on a pair. `byClone` says that it is the clone whose password was proven.
 * @throws NotPermitted if there is no user; Stranger if the clone is not its clone
 */
export function checkPair(
  pair: UserPair,
  user: Account | undefined,
  clone: Account | undefined,
  byClone = false,
): Account {
  if (!user) throw new NotPermitted(`there is no user ${escapeIdentifier(pair.user)} for a clone to follow`)
  if (clone) requireClone(user, clone, byClone)
  return user
}

/**
 * The statements that make the clone equal to the user; none if it is. What one of them owns is left out: both may make
 * things at any time.
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

/** The statements that hand one thing that the clone owns to the user; it may do with it then whatever can be granted. */
export function transferStatements(user: Account, clone: Account, key: string): string[] {
  const all = new Map([[key, clone.owned.get(key) ?? new Map()]])
  return [ownerStatement(user, key), ...grantStatements(escapeIdentifier(clone.name), all, new Map())]
}

const ownerStatement = (user: Account, key: string) => `alter ${key} owner to ${escapeIdentifier(user.name)}`

/** The statements that let the clone do with what the user owns whatever can be granted. */
export function grantOwnedStatements(user: Account, clone: Account): string[] {
  const present = new Map([...clone.grants].filter(([key]) => user.owned.has(key)))
  const missing = [...user.owned].map(([key, all]) => {
    const has = present.get(key)
    return [key, new Map([...all].filter(([privilege]) => !has?.has(privilege)))] as const
  })
  return grantStatements(escapeIdentifier(clone.name), new Map(missing), new Map())
}

/** Whether it owns something in this database or was granted something on it. */
export function holdsHere({ owned, grants, defaults }: Account): boolean {
  const things = [...owned.keys(), ...grants.keys()].filter(key => !key.startsWith('database '))
  return things.length > 0 || !isDeepStrictEqual(defaults, newAccount('').defaults)
}

/** The statements that leave the clone with nothing in this database, as DROP USER wants it. */
export function revokeAllStatements(user: Account, clone: Account): string[] {
  const { name, options, settings } = clone
  return [
    ...[...clone.owned.keys()].map(key => ownerStatement(user, key)),
    ...syncStatements({ ...newAccount(name), options, settings }, clone),
  ]
}

/** Somebody else's user that happens to have the clone's name must not be handed to whoever reads the secret. */
function requireClone(user: Account, clone: Account, byClone: boolean): void {
  const [u, c] = [escapeIdentifier(user.name), escapeIdentifier(clone.name)]
  if (clone.superuser && !user.superuser)
    throw new NotAClone(`${c} is a superuser and ${u} is not; ALTER USER ${c} NOCREATEUSER, or rename it`)
  // A clone whose user may do nothing shares nothing with it, and may still have made something.
  const holds = ({ groups, roles, grants }: Account) => groups.size + roles.size + grants.size
  const userHolds = holds(user) + user.owned.size
  const held = holds(clone) + (userHolds ? clone.owned.size : 0)
  const shared =
    !clone.groups.isDisjointFrom(user.groups) ||
    [...clone.roles.keys()].some(role => user.roles.has(role)) ||
    [...clone.grants].some(([key, privileges]) => {
      const own = user.owned.get(key) ?? user.grants.get(key)
      return own && [...privileges.keys()].some(privilege => own.has(privilege))
    })
  if ((held || (byClone && userHolds)) && !shared)
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
 * Takes away first: Redshift refuses a privilege on a table to who has it on one of its columns. Nobody sees it before
 * the transaction ends.
 */
function grantStatements(
  to: string,
  wanted: Map<string, Privileges>,
  present: Map<string, Privileges>,
  [alter, on] = ['', (key: string) => key],
): string[] {
  const none: Privileges = new Map()
  const keys = [...new Set([...present.keys(), ...wanted.keys()])]
  const pairs = keys.map(key => [on(key), wanted.get(key) ?? none, present.get(key) ?? none] as const)
  const list = (privileges: string[]) => privileges.join(', ')
  return [
    ...pairs.flatMap(([thing, want, have]) => {
      const extra = [...have.keys()].filter(privilege => !want.has(privilege))
      const options = [...have].filter(([privilege, option]) => option && want.get(privilege) === false)
      return [
        ...(extra.length ? [`${alter}revoke ${list(extra)} on ${thing} from ${to}`] : []),
        ...(options.length
          ? [`${alter}revoke grant option for ${list(options.map(([name]) => name))} on ${thing} from ${to}`]
          : []),
      ]
    }),
    ...pairs.flatMap(([thing, want, have]) =>
      [false, true].flatMap(option => {
        const missing = [...want].filter(
          ([name, may]) => may === option && (!have.has(name) || (may && !have.get(name))),
        )
        const what = list(missing.map(([name]) => name))
        return missing.length
          ? [`${alter}grant ${what} on ${thing} to ${to}${option ? ' with grant option' : ''}`]
          : []
      }),
    ),
  ]
}

function defaultStatements(user: Account, clone: Account): string[] {
  const name = escapeIdentifier(clone.name)
  return [...new Set([...clone.defaults.keys(), ...user.defaults.keys()])].flatMap(key => {
    const [wanted, present] = [user.defaults.get(key), clone.defaults.get(key)]
    const { owner, schema, things, grantee } = (wanted ?? present) as DefaultGrant
    const alter =
      `alter default privileges for user ${owner === SELF ? name : escapeIdentifier(owner)} ` +
      (schema === null ? '' : `in schema ${escapeIdentifier(schema)} `)
    const map = (grant: DefaultGrant | undefined) => new Map([[things, grant?.privileges ?? new Map()]])
    return grantStatements(grantee === SELF ? name : grantee, map(wanted), map(present), [alter, key => key])
  })
}

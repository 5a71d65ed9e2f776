import { type Grant, isDynamicPrivilege, type Rights } from './mysqlAccount.ts'
import { type AccountChange, ALL_PRIVILEGES } from './mysqlClone.ts'
import type { Flavour } from './mysqlFlavour.ts'

/** The changes that a session would make to one account. */
export type AccountPlan = {
  /** The account's name as the server quotes it. */
  account: string
  /**
   * Whether the account has the privilege SYSTEM_USER. Only a user with the same privilege may change such an account
   * (https://dev.mysql.com/doc/refman/8.4/en/account-categories.html).
   */
  isSystemUser: boolean
  /** Whether the account is created. */
  creates?: boolean
  /** Whether the account is dropped. */
  drops?: boolean
  changes: AccountChange[]
}

/** The privileges that ALL PRIVILEGES on a table stands for. On a database, it stands for DATABASE_PRIVILEGES too. */
const TABLE_PRIVILEGES = [
  ...['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'CREATE', 'DROP', 'REFERENCES', 'INDEX', 'ALTER', 'TRIGGER'],
  ...['CREATE VIEW', 'SHOW VIEW'],
]
const DATABASE_PRIVILEGES = [
  ...['CREATE ROUTINE', 'ALTER ROUTINE', 'EXECUTE', 'EVENT', 'LOCK TABLES', 'CREATE TEMPORARY TABLES'],
]

/** Whether these rights include a privilege on the whole server. */
export function holdsGlobally({ grants }: Rights, privilege: string): boolean {
  const held = grants.get('*.*')?.privileges
  return Boolean(held?.has(privilege) || held?.has(ALL_PRIVILEGES) || grants.has(`${privilege} ON *.*`))
}

/** @returns the privileges that the plan needs and these rights do not include, as GRANT writes them */
export function missingPrivileges(flavour: Flavour, rights: Rights, plan: AccountPlan): string[] {
  const { isSystemUser, creates, drops, changes } = plan
  const onSystemSchema = privilegesOn(rights, '`mysql`.*').privileges
  const holdsOnSystemSchema = (privilege: string) =>
    onSystemSchema.has(privilege) || onSystemSchema.has(ALL_PRIVILEGES)

  // CREATE USER lets a user create, change and drop accounts. So do privileges to write to the tables of the system schema.
  const writes = drops ? ['DELETE'] : creates ? ['UPDATE', 'INSERT'] : ['UPDATE']
  const mayManage = holdsGlobally(rights, 'CREATE USER') || writes.every(holdsOnSystemSchema)

  const setsDefaultRoles = changes.some(({ about }) => about === 'default roles')
  const rolePrivilege = setsDefaultRoles ? flavour.defaultRolePrivilege : undefined
  const becomesSystemUser = changes.some(
    change => change.about === 'grant' && change.privileges.includes('SYSTEM_USER'),
  )
  return [
    ...new Set([
      ...(mayManage ? [] : ['CREATE USER']),
      ...((isSystemUser || becomesSystemUser) && !holdsGlobally(rights, 'SYSTEM_USER')
        ? ['SYSTEM_USER']
        : []),
      ...(rolePrivilege && !holdsOnSystemSchema(rolePrivilege) ? [`${rolePrivilege} on \`mysql\`.*`] : []),
      ...changes.flatMap(change => ('privileges' in change ? missingForChange(flavour, rights, change) : [])),
    ]),
  ]
}

/** @returns what is missing to grant or revoke: whoever does that must have the privilege or role itself, with its option */
function missingForChange(
  flavour: Flavour,
  rights: Rights,
  { privileges, on }: Extract<AccountChange, { on: unknown }>,
): string[] {
  if (on === undefined)
    return privileges
      .filter(
        role => !rights.grants.get(role)?.option && !(flavour.engine === 'mysql' && mayGrantAnyRole(rights)),
      )
      .map(role => `${role} with admin option`)
  return privileges
    .filter(privilege => !mayGrant(flavour, rights, privilege, on))
    .concat(privileges.length || privilegesOn(rights, on).option ? [] : ['GRANT OPTION'])
    .map(privilege => `${privilege} on ${on}${privilege === 'GRANT OPTION' ? '' : ' with grant option'}`)
}

const mayGrantAnyRole = (rights: Rights) =>
  holdsGlobally(rights, 'ROLE_ADMIN') || holdsGlobally(rights, 'SUPER')

function mayGrant({ engine }: Flavour, rights: Rights, privilege: string, on: string): boolean {
  if (privilege === 'PROXY')
    return [...rights.grants.values()].some(
      own =>
        own.option &&
        own.privileges.has('PROXY') &&
        [ANONYMOUS_ACCOUNT, unquoteAccount(on)].includes(unquoteAccount(own.on)),
    )
  // A user that may update the tables of accounts can grant any dynamic privilege. Seen on MySQL 9.7, and not in its manual.
  if (isDynamicPrivilege(privilege))
    return (
      Boolean(rights.grants.get(`${privilege} ON ${on}`)?.option) ||
      privilegesOn(rights, '`mysql`.*').privileges.has('UPDATE')
    )
  const { privileges, option } = privilegesOn(rights, on)
  if (!option) return false
  if (privilege === 'GRANT OPTION' || privileges.has(ALL_PRIVILEGES) || privileges.has(privilege)) return true
  const [bare = ''] = privilege.split(' (')
  // To grant a privilege on a column, having it on any column of the table is enough.
  if (bare !== privilege) return [...privileges].some(one => one === bare || one.startsWith(`${bare} (`))
  const all = [
    ...TABLE_PRIVILEGES,
    ...(engine === 'mariadb' ? ['DELETE HISTORY'] : []),
    ...(on.endsWith('.*') ? DATABASE_PRIVILEGES : []),
  ]
  return privilege === ALL_PRIVILEGES && on !== '*.*' && all.every(one => privileges.has(one))
}

/** The account with an empty name, unquoted. PROXY on it is PROXY on every account. */
const ANONYMOUS_ACCOUNT = '@'
const unquoteAccount = (account = '') => account.replace(/[`']/g, '').replace(/^@%$/, ANONYMOUS_ACCOUNT)

const QUOTED_NAME = '`(?:[^`]|``)*`'
const OBJECT_NAME = new RegExp(`^(?:[A-Z ]+ )?(${QUOTED_NAME})\\.(\\*|${QUOTED_NAME})$`)

/**
 * The privileges on an object by all grants: on the object itself, on its database, and on the whole server, less what partial
 * revokes take from the latter.
 */
function privilegesOn(
  { grants, restrictions }: Rights,
  on: string,
): { privileges: Set<string>; option: boolean } {
  const [, database, within = '*'] = OBJECT_NAME.exec(on) ?? []
  const global = grants.get('*.*')
  if (database === undefined) return mergeGrants([global])
  const restricted = restrictions.get(`${database}.*`)?.privileges ?? new Set()
  const rest = global && { ...global, privileges: global.privileges.difference(restricted) }
  const exact = grants.get(`${database}.*`)
  const patterns = [...grants.values()].filter(own => matchesDatabase(own.on, database))
  const whole = exact ? [exact] : patterns
  return mergeGrants([rest, ...whole, ...(within === '*' ? [] : [grants.get(on)])])
}

function mergeGrants(grants: (Grant | undefined)[]): { privileges: Set<string>; option: boolean } {
  return {
    privileges: new Set(grants.flatMap(grant => [...(grant?.privileges ?? [])])),
    option: grants.some(grant => grant?.option),
  }
}

/** Whether a grant on databases, whose name is a pattern like LIKE's, includes this database. */
function matchesDatabase(on: string | undefined, database: string): boolean {
  const [, pattern, within] = OBJECT_NAME.exec(on ?? '') ?? []
  if (pattern === undefined || within !== '*') return false
  // `database` comes from a grant too, so it is a pattern itself: an escape in one name must match the same escape in the other.
  const text = pattern.replace(
    /\\.|[%_]|[^\w`]/g,
    part => ({ '%': '.*', _: '\\\\?.' })[part] ?? RegExp.escape(part),
  )
  return new RegExp(`^${text}$`, 's').test(database)
}

/** @returns the changes that these rights allow but the server might make differently, one sentence each */
export function uncertainties({ restrictions }: Rights, changes: AccountChange[]): string[] {
  const found = changes.flatMap(change => {
    if (change.about !== 'grant' || change.on === undefined) return []
    if (change.on === '*.*' && restrictions.size && change.privileges.length)
      return ['could not be looked at: the clone may get partial revokes that are the admin’s']
    // Who may grant PROXY on another account is decided by more than privileges.
    if (change.privileges.includes('PROXY') && !unquoteAccount(change.on).endsWith('@%'))
      return [`could not be looked at: whether the admin may grant PROXY on ${change.on}`]
    return []
  })
  return [...new Set(found)]
}

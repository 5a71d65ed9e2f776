import { type Grant, isDynamicPrivilege, type Rights } from './mysqlAccount.ts'
import { type AccountChange, ALL_PRIVILEGES } from './mysqlClone.ts'
import type { Flavour } from './mysqlFlavour.ts'

/** What is to be done to one account. */
export type AccountPlan = {
  /** Its name, as the server quotes it. */
  account: string
  /** Whether it has the privilege SYSTEM_USER, by which only who has it too may change it. */
  isSystemUser: boolean
  creates?: boolean
  drops?: boolean
  changes: AccountChange[]
}

/** What ALL is, below the whole server, on a table, and beside that on a database. */
const TABLE_PRIVILEGES = [
  ...['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'CREATE', 'DROP', 'REFERENCES', 'INDEX', 'ALTER', 'TRIGGER'],
  ...['CREATE VIEW', 'SHOW VIEW'],
]
const DATABASE_PRIVILEGES = [
  ...['CREATE ROUTINE', 'ALTER ROUTINE', 'EXECUTE', 'EVENT', 'LOCK TABLES', 'CREATE TEMPORARY TABLES'],
]

/** Whether these rights have a privilege on the whole server, or one that has a grant of its own there. */
export function holdsGlobally({ grants }: Rights, privilege: string): boolean {
  const held = grants.get('*.*')?.privileges
  return Boolean(held?.has(privilege) || held?.has(ALL_PRIVILEGES) || grants.has(`${privilege} ON *.*`))
}

/** What of the plan these rights do not allow: the privileges that are missing, as GRANT would have them. */
export function missingPrivileges(flavour: Flavour, rights: Rights, plan: AccountPlan): string[] {
  const { isSystemUser, creates, drops, changes } = plan
  const onSystem = privilegesOn(rights, '`mysql`.*').privileges
  const manages = holdsGlobally(rights, 'CREATE USER')
  const may = (privilege: string) => manages || onSystem.has(privilege) || onSystem.has(ALL_PRIVILEGES)
  const writes = drops ? ['DELETE'] : creates ? ['UPDATE', 'INSERT'] : ['UPDATE']
  const chooses = flavour.defaultRolePrivilege
  const choice = chooses && changes.some(({ about }) => about === 'default roles') ? chooses : undefined
  const becomesSystemUser = changes.some(
    change => change.about === 'grant' && change.privileges.includes('SYSTEM_USER'),
  )
  const passed = changes.flatMap(change =>
    'privileges' in change ? missingForChange(flavour, rights, change) : [],
  )
  return [
    ...new Set([
      ...(writes.every(may) ? [] : ['CREATE USER']),
      ...((isSystemUser || becomesSystemUser) && !holdsGlobally(rights, 'SYSTEM_USER')
        ? ['SYSTEM_USER']
        : []),
      ...(choice && !onSystem.has(choice) && !onSystem.has(ALL_PRIVILEGES)
        ? [`${choice} on \`mysql\`.*`]
        : []),
      ...passed,
    ]),
  ]
}

/** Who passes a privilege on, or takes it back, has it with its option. */
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
  // Who may write to the tables of accounts passes any of these on. That is not in MySQL's manual; 9.7 does it.
  if (isDynamicPrivilege(privilege))
    return (
      Boolean(rights.grants.get(`${privilege} ON ${on}`)?.option) ||
      privilegesOn(rights, '`mysql`.*').privileges.has('UPDATE')
    )
  const { privileges, option } = privilegesOn(rights, on)
  if (!option) return false
  if (privilege === 'GRANT OPTION' || privileges.has(ALL_PRIVILEGES) || privileges.has(privilege)) return true
  const [bare = ''] = privilege.split(' (')
  // On a column it is enough to have it on any of the table's.
  if (bare !== privilege) return [...privileges].some(one => one === bare || one.startsWith(`${bare} (`))
  const all = [
    ...TABLE_PRIVILEGES,
    ...(engine === 'mariadb' ? ['DELETE HISTORY'] : []),
    ...(on.endsWith('.*') ? DATABASE_PRIVILEGES : []),
  ]
  return privilege === ALL_PRIVILEGES && on !== '*.*' && all.every(one => privileges.has(one))
}

/** An account whose name is empty stands for everybody. */
const ANONYMOUS_ACCOUNT = '@'
const unquoteAccount = (account = '') => account.replace(/[`']/g, '').replace(/^@%$/, ANONYMOUS_ACCOUNT)

const QUOTED_NAME = '`(?:[^`]|``)*`'
const OBJECT_NAME = new RegExp(`^(?:[A-Z ]+ )?(${QUOTED_NAME})\\.(\\*|${QUOTED_NAME})$`)

/** All that is held on something, by grants on it and on what it is in. */
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

/** Whether a grant is on databases whose names are like this pattern, and this one is. */
function matchesDatabase(on: string | undefined, database: string): boolean {
  const [, pattern, within] = OBJECT_NAME.exec(on ?? '') ?? []
  if (pattern === undefined || within !== '*') return false
  // What is escaped in the one has to be in the other: both are patterns.
  const text = pattern.replace(
    /\\.|[%_]|[^\w`]/g,
    part => ({ '%': '.*', _: '\\\\?.' })[part] ?? RegExp.escape(part),
  )
  return new RegExp(`^${text}$`, 's').test(database)
}

/** What these rights allow and the server may all the same not do as it is wanted, a sentence each. */
export function uncertainties({ restrictions }: Rights, changes: AccountChange[]): string[] {
  const found = changes.flatMap(change => {
    if (change.about !== 'grant' || change.on === undefined) return []
    if (change.on === '*.*' && restrictions.size && change.privileges.length)
      return ['could not be looked at: the clone may get partial revokes that are the admin’s']
    // Of others the servers let few pass it on.
    if (change.privileges.includes('PROXY') && !unquoteAccount(change.on).endsWith('@%'))
      return [`could not be looked at: whether the admin may grant PROXY on ${change.on}`]
    return []
  })
  return [...new Set(found)]
}

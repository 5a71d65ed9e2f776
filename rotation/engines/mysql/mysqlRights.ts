import { type Grant, isDynamic, type Rights } from './mysqlAccount.ts'
import { ALL, type Change } from './mysqlClone.ts'
import type { Flavour } from './mysqlFlavour.ts'

/** What is to be done to one account. */
export type Plan = {
  /** Its name, as the server quotes it. */
  account: string
  /** Whether it has the privilege SYSTEM_USER, by which only who has it too may change it. */
  isSystemUser: boolean
  creates?: boolean
  drops?: boolean
  changes: Change[]
}

/** What ALL is, below the whole server, on a table, and beside that on a database. */
const ofTables = [
  ...['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'CREATE', 'DROP', 'REFERENCES', 'INDEX', 'ALTER', 'TRIGGER'],
  ...['CREATE VIEW', 'SHOW VIEW'],
]
const ofDatabases = [
  ...['CREATE ROUTINE', 'ALTER ROUTINE', 'EXECUTE', 'EVENT', 'LOCK TABLES', 'CREATE TEMPORARY TABLES'],
]

/** Whether these rights have a privilege on the whole server, or one that has a grant of its own there. */
export function holds({ grants }: Rights, privilege: string): boolean {
  const held = grants.get('*.*')?.privileges
  return Boolean(held?.has(privilege) || held?.has(ALL) || grants.has(`${privilege} ON *.*`))
}

/** What of the plan these rights do not allow: the privileges that are missing, as GRANT would have them. */
export function lacking(flavour: Flavour, rights: Rights, plan: Plan): string[] {
  const { isSystemUser, creates, drops, changes } = plan
  const onSystem = heldOn(rights, '`mysql`.*').privileges
  const manages = holds(rights, 'CREATE USER')
  const may = (privilege: string) => manages || onSystem.has(privilege) || onSystem.has(ALL)
  const writes = drops ? ['DELETE'] : creates ? ['UPDATE', 'INSERT'] : ['UPDATE']
  const chooses = flavour.choosesRolesBy
  const choice = chooses && changes.some(({ about }) => about === 'default roles') ? chooses : undefined
  const becomesSystemUser = changes.some(
    change => change.about === 'grant' && change.privileges.includes('SYSTEM_USER'),
  )
  const passed = changes.flatMap(change => ('privileges' in change ? missingOf(flavour, rights, change) : []))
  return [
    ...new Set([
      ...(writes.every(may) ? [] : ['CREATE USER']),
      ...((isSystemUser || becomesSystemUser) && !holds(rights, 'SYSTEM_USER') ? ['SYSTEM_USER'] : []),
      ...(choice && !onSystem.has(choice) && !onSystem.has(ALL) ? [`${choice} on \`mysql\`.*`] : []),
      ...passed,
    ]),
  ]
}

/** Who passes a privilege on, or takes it back, has it with its option. */
function missingOf(
  flavour: Flavour,
  rights: Rights,
  { privileges, on }: Extract<Change, { on: unknown }>,
): string[] {
  if (on === undefined)
    return privileges
      .filter(role => !rights.grants.get(role)?.option && !(flavour.engine === 'mysql' && anyRole(rights)))
      .map(role => `${role} with admin option`)
  return privileges
    .filter(privilege => !mayPass(flavour, rights, privilege, on))
    .concat(privileges.length || heldOn(rights, on).option ? [] : ['GRANT OPTION'])
    .map(privilege => `${privilege} on ${on}${privilege === 'GRANT OPTION' ? '' : ' with grant option'}`)
}

const anyRole = (rights: Rights) => holds(rights, 'ROLE_ADMIN') || holds(rights, 'SUPER')

function mayPass({ engine }: Flavour, rights: Rights, privilege: string, on: string): boolean {
  if (privilege === 'PROXY')
    return [...rights.grants.values()].some(
      own => own.option && own.privileges.has('PROXY') && [nobody, unquoted(on)].includes(unquoted(own.on)),
    )
  // Who may write to the tables of accounts passes any of these on. That is not in MySQL's manual; 9.7 does it.
  if (isDynamic(privilege))
    return (
      Boolean(rights.grants.get(`${privilege} ON ${on}`)?.option) ||
      heldOn(rights, '`mysql`.*').privileges.has('UPDATE')
    )
  const { privileges, option } = heldOn(rights, on)
  if (!option) return false
  if (privilege === 'GRANT OPTION' || privileges.has(ALL) || privileges.has(privilege)) return true
  const [bare = ''] = privilege.split(' (')
  // On a column it is enough to have it on any of the table's.
  if (bare !== privilege) return [...privileges].some(one => one === bare || one.startsWith(`${bare} (`))
  const all = [
    ...ofTables,
    ...(engine === 'mariadb' ? ['DELETE HISTORY'] : []),
    ...(on.endsWith('.*') ? ofDatabases : []),
  ]
  return privilege === ALL && on !== '*.*' && all.every(one => privileges.has(one))
}

/** An account whose name is empty stands for everybody. */
const nobody = '@'
const unquoted = (account = '') => account.replace(/[`']/g, '').replace(/^@%$/, nobody)

const name = '`(?:[^`]|``)*`'
const object = new RegExp(`^(?:[A-Z ]+ )?(${name})\\.(\\*|${name})$`)

/** All that is held on something, by grants on it and on what it is in. */
function heldOn({ grants, restrictions }: Rights, on: string): { privileges: Set<string>; option: boolean } {
  const [, database, within = '*'] = object.exec(on) ?? []
  const global = grants.get('*.*')
  if (database === undefined) return joined([global])
  const restricted = restrictions.get(`${database}.*`)?.privileges ?? new Set()
  const rest = global && { ...global, privileges: global.privileges.difference(restricted) }
  const exact = grants.get(`${database}.*`)
  const patterns = [...grants.values()].filter(own => fits(own.on, database))
  const whole = exact ? [exact] : patterns
  return joined([rest, ...whole, ...(within === '*' ? [] : [grants.get(on)])])
}

function joined(grants: (Grant | undefined)[]): { privileges: Set<string>; option: boolean } {
  return {
    privileges: new Set(grants.flatMap(grant => [...(grant?.privileges ?? [])])),
    option: grants.some(grant => grant?.option),
  }
}

/** Whether a grant is on databases whose names are like this pattern, and this one is. */
function fits(on: string | undefined, database: string): boolean {
  const [, pattern, within] = object.exec(on ?? '') ?? []
  if (pattern === undefined || within !== '*') return false
  // What is escaped in the one has to be in the other: both are patterns.
  const text = pattern.replace(
    /\\.|[%_]|[^\w`]/g,
    part => ({ '%': '.*', _: '\\\\?.' })[part] ?? RegExp.escape(part),
  )
  return new RegExp(`^${text}$`, 's').test(database)
}

/** What these rights allow and the server may all the same not do as it is wanted, a sentence each. */
export function unsure({ restrictions }: Rights, changes: Change[]): string[] {
  const found = changes.flatMap(change => {
    if (change.about !== 'grant' || change.on === undefined) return []
    if (change.on === '*.*' && restrictions.size && change.privileges.length)
      return ['could not be looked at: the clone may get partial revokes that are the admin’s']
    // Of others the servers let few pass it on.
    if (change.privileges.includes('PROXY') && !unquoted(change.on).endsWith('@%'))
      return [`could not be looked at: whether the admin may grant PROXY on ${change.on}`]
    return []
  })
  return [...new Set(found)]
}

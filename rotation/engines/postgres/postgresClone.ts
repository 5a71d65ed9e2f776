import { escapeIdentifier, escapeLiteral } from 'pg'
import { DatabaseFailed, NotPermitted } from '../../errors.ts'
import type { Pair } from '../engine.ts'
import { Stranger } from '../stranger.ts'

type Membership = { role: string; admin: boolean; inherit: boolean; set: boolean; shared: boolean }
/** How an admin who is no superuser comes to act for a role that it may give to itself, and what it had before. */
type Loan = {
  /** In whose name it gives the role, from PostgreSQL 16 on. */
  lender: string | null
  /** The membership that it then has in that name. */
  had: { inherit: boolean; set: boolean } | null
}
/** What PostgreSQL's catalogs say of one role. */
export type Role = {
  name: string
  superuser: boolean
  inherit: boolean
  createdb: boolean
  createrole: boolean
  replication: boolean
  bypassrls: boolean
  connectionLimit: number
  validUntil: string
  /** Direct memberships; `shared` if the user of the pair has it too, directly or through another role. */
  memberOf: Membership[]
  /** `name=value` as stored, by database; null is every database. `fixed` are those that this session may not take away. */
  settings: { database: string | null; values: string[]; fixed?: string[] }[]
  /** The databases in which it owns something, and those in which it was granted something itself. */
  ownsIn: string[]
  grantedIn: string[]
  /** The role that is set for everybody to act as, by database; null is every database. */
  roles: { database: string | null; role: string }[]
  /** True if this session may act for the role. */
  ours: boolean
  loan: Loan
}
export type Roles = { user: Role | undefined; clone: Role | undefined; database: string; version: number }

/**
 * One query that reads all of both roles that cloning has to look at. Its tables are readable by every user. `version` is
 * the server's, without a point.
 */
export function rolesQuery({ user, clone }: Pair, version: number): string {
  return `
select current_database() as database, current_setting('server_version_num')::int as version,
  r.rolname as name, r.rolsuper as superuser, r.rolinherit as inherit, r.rolcreatedb as createdb, r.rolcreaterole as createrole,
  r.rolreplication as replication, r.rolbypassrls as bypassrls, r.rolconnlimit as "connectionLimit",
  coalesce(r.rolvaliduntil::text, 'infinity') as "validUntil",
  pg_has_role(r.oid, 'usage') and ${maySet('current_user', 'r.oid')} as ours,
  json_build_object('lender', lender, 'had', (
    select json_build_object('inherit', to_jsonb(m)->'inherit_option', 'set', to_jsonb(m)->'set_option')
    from pg_auth_members m
    where m.roleid = r.oid and pg_get_userbyid(m.member) = current_user
      and (lender is null or pg_get_userbyid(m.grantor) = lender) limit 1
  )) as loan,
  array(
    select json_build_object('role', g.rolname, 'admin', m.admin_option,
      'inherit', coalesce((to_jsonb(m)->>'inherit_option')::bool, true),
      'set', coalesce((to_jsonb(m)->>'set_option')::bool, true),
      'shared', exists (select from pg_roles u where u.rolname = ${escapeLiteral(user)} and
        pg_has_role(u.oid, g.oid, case when m.admin_option then 'member with admin option' else 'member' end)
        and (not coalesce((to_jsonb(m)->>'inherit_option')::bool, r.rolinherit) or pg_has_role(u.oid, g.oid, 'usage'))
        and (not coalesce((to_jsonb(m)->>'set_option')::bool, false) or ${maySet('u.oid', 'g.oid')})))
    from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = r.oid order by g.rolname
  ) as "memberOf",
  array(
    select json_build_object('database', d.datname, 'values', s.setconfig, 'fixed', array(
      select c from unnest(s.setconfig) c
      where not (select rolsuper from pg_roles where rolname = current_user) and c not like 'role=%' and not exists (
        select from pg_settings p where p.name = split_part(c, '=', 1) and (p.context = 'user' or ${maySetSuperusers(version)}))
    ))
    from pg_db_role_setting s left join pg_database d on d.oid = s.setdatabase
    where s.setrole = r.oid order by d.datname nulls first
  ) as settings,
  array(
    select json_build_object('database', d.datname, 'role', substr(c, 6))
    from pg_db_role_setting s left join pg_database d on d.oid = s.setdatabase, unnest(s.setconfig) c
    where s.setrole = 0 and c like 'role=%' order by d.datname nulls first
  ) as roles,
  array(${databasesOf('o')})::text[] as "ownsIn",
  array(${databasesOf('a', 'r')})::text[] as "grantedIn"
from pg_roles r left join lateral (
  select l.rolname as lender from pg_auth_members m join pg_roles l on l.oid = m.member
  where current_setting('server_version_num')::int >= 160000
    and m.roleid = r.oid and m.admin_option and pg_has_role(l.oid, 'usage')
  order by l.rolname <> current_user, l.rolname limit 1
) lenders on true
where r.rolname in (${escapeLiteral(user)}, ${escapeLiteral(clone)})`
}

/** Whether a role may act as another by SET ROLE, which until PostgreSQL 16 every member may. */
const maySet = (
  member: string,
  role: string,
) => `case when current_setting('server_version_num')::int >= 160000
  then pg_has_role(${member}, ${role}, 'set') else true end`

/** Whether a superuser's setting was given to this session's user, as it can be from PostgreSQL 15 on. */
const maySetSuperusers = (version: number) =>
  version >= 15 ? `p.context = 'superuser' and has_parameter_privilege(p.name, 'set')` : 'false'

/** What stands on no database counts for the one that is asked. Memberships are dealt with as such. */
const databasesOf = (...kinds: string[]) => `
    select distinct coalesce(d.datname, current_database())
    from pg_shdepend s left join pg_database d on d.oid = s.dbid
    where s.refclassid = 'pg_authid'::regclass and s.refobjid = r.oid and s.deptype in (${kinds.map(kind => `'${kind}'`)})
      and s.classid <> 'pg_auth_members'::regclass
  `

type RoleRow = Role & { database: string; version: number }

/** The rows of `rolesQuery`, by part. @throws DatabaseFailed if they are none of it */
export function rolesFrom(rows: object[], pair: Pair): Roles {
  if (!rows.every(isRole)) throw new DatabaseFailed('the server answers what it was not asked')
  const find = (name: string) => rows.find(row => row.name === name)
  return {
    user: find(pair.user),
    clone: find(pair.clone),
    database: rows[0]?.database ?? '',
    version: rows[0]?.version ?? 0,
  }
}

const isRole = (row: object): row is RoleRow => 'grantedIn' in row && Array.isArray(row.grantedIn)

/**
 * The statements that make the clone equal to the user; none if it is. `role` is set so that what it creates is the
 * user's.
 * @throws Stranger if the clone is not this user's clone; NotPermitted if there is no such user
 */
export function syncStatements(pair: Pair, roles: Roles): string[] {
  const user = checkPair(pair, roles)
  const name = escapeIdentifier(pair.clone)
  const before = roles.clone ?? { ...newRole, name: pair.clone }
  return [
    ...(roles.clone ? [] : [`create role ${name} login inherit`]),
    ...attributeStatements(user, before),
    ...membershipStatements(user, before, roles.version),
    ...settingStatements(user, before),
  ]
}

/** What of that can be done to a clone that is in use: nothing that could refuse its login. @throws as syncStatements */
export function joinStatements(pair: Pair, roles: Roles): string[] {
  const user = checkPair(pair, roles)
  return roles.clone ? joiningStatements(user, roles.clone, roles.version) : []
}

/** Whether the clone may do by itself what its user may, and so loses nothing by what it hands over. */
export function inheritsUser({ user, clone, version }: Roles): boolean {
  const own = clone?.memberOf.filter(membership => membership.role === user?.name) ?? []
  return version >= 160000 ? own.some(({ inherit }) => inherit) : own.length > 0 && clone?.inherit === true
}

/** The user. @throws NotPermitted if there is none; Stranger if the clone is not its clone */
export function checkPair({ user: name }: Pair, { user, clone }: Roles): Role {
  if (!user) throw new NotPermitted(`there is no user ${escapeIdentifier(name)} for a clone to follow`)
  if (clone) refuseStranger(user, clone)
  return user
}

/** The databases in which the clone holds something of its own, this one first. */
export function holdsIn({ clone, database }: Roles): string[] {
  const all = new Set([...(clone?.ownsIn ?? []), ...(clone?.grantedIn ?? [])])
  return [...(all.delete(database) ? [database] : []), ...all]
}

/** What was granted to the clone itself; what it owns makes no difference to what the two may do. */
export function grantDifferences({ user, clone }: Pair, { clone: role, database }: Roles): string[] {
  return (role?.grantedIn ?? []).map(other =>
    other === database
      ? `drop owned by ${escapeIdentifier(clone)}`
      : `${clone} holds grants of its own in ${other}, which ${user} does not share`,
  )
}

export const newRole: Role = {
  name: '',
  superuser: false,
  inherit: true,
  createdb: false,
  createrole: false,
  replication: false,
  bypassrls: false,
  connectionLimit: -1,
  validUntil: 'infinity',
  memberOf: [],
  settings: [],
  ownsIn: [],
  grantedIn: [],
  roles: [],
  ours: false,
  loan: { lender: null, had: null },
}

/**
 * Somebody else's role that happens to have the clone's name must not be handed to whoever reads the secret.
 * @throws Stranger
 */
export function refuseStranger(user: Role, clone: Role): void {
  const [u, c] = [escapeIdentifier(user.name), escapeIdentifier(clone.name)]
  if (!clone.memberOf.some(membership => membership.role === user.name))
    throw new Stranger(`${c} exists but is no clone of ${u}; if it should be, GRANT ${u} TO ${c}`)
  if (clone.superuser && !user.superuser)
    throw new Stranger(`${c} is a superuser and ${u} is not; ALTER ROLE ${c} NOSUPERUSER, or rename it`)
}

/**
 * Statements that need the rights of both roles, as one transaction: an admin who is no superuser gives itself what it
 * lacks, and has in the end the memberships that it had before.
 */
export function actingForBoth({ user, clone, version }: Roles, statements: string[]): string[] {
  const roles = [user, clone].flatMap(role => (role && !role.ours ? [role] : []))
  return [
    ...roles.flatMap(role => borrowStatements(role, version)),
    // While it waits for a table, everybody else waits behind it.
    `set local lock_timeout = '1s'`,
    ...statements,
    ...roles.flatMap(role => returnStatements(role, version)),
  ]
}

function borrowStatements({ name, loan: { lender, had } }: Role, version: number): string[] {
  const grant = `grant ${escapeIdentifier(name)} to current_user`
  if (version >= 160000) return [`${grant} with inherit true, set true${grantedBy(lender)}`]
  return had ? [] : [grant]
}

function returnStatements({ name, loan: { lender, had } }: Role, version: number): string[] {
  const role = escapeIdentifier(name)
  if (!had) return [`revoke ${role} from current_user${grantedBy(lender)}`]
  return version >= 160000
    ? [`grant ${role} to current_user with inherit ${had.inherit}, set ${had.set}${grantedBy(lender)}`]
    : []
}

const grantedBy = (lender: string | null) =>
  lender === null ? '' : ` granted by ${escapeIdentifier(lender)}`

function attributeStatements(user: Role, clone: Role): string[] {
  // Only what differs: naming an attribute at all may take a superuser.
  const flags = (['superuser', 'createdb', 'createrole', 'replication', 'bypassrls'] as const)
    .filter(flag => user[flag] !== clone[flag])
    .map(flag => (user[flag] ? flag : `no${flag}`))
  if (!clone.inherit) flags.push('inherit')
  if (user.connectionLimit !== clone.connectionLimit) flags.push(`connection limit ${user.connectionLimit}`)
  if (user.validUntil !== clone.validUntil) flags.push(`valid until ${escapeLiteral(user.validUntil)}`)
  return flags.length ? [`alter role ${escapeIdentifier(clone.name)} ${flags.join(' ')}`] : []
}

function membershipStatements(user: Role, clone: Role, version: number): string[] {
  const [u, c] = [escapeIdentifier(user.name), escapeIdentifier(clone.name)]
  const own = clone.memberOf.filter(membership => membership.role === user.name)
  const extra = clone.memberOf.filter(membership => membership.role !== user.name && !membership.shared)
  return [
    ...joiningStatements(user, clone, version),
    ...(own.some(membership => membership.admin) ? [`revoke admin option for ${u} from ${c}`] : []),
    ...extra.map(membership => `revoke ${escapeIdentifier(membership.role)} from ${c}`),
  ]
}

function joiningStatements(user: Role, clone: Role, version: number): string[] {
  const [u, c] = [escapeIdentifier(user.name), escapeIdentifier(clone.name)]
  return clone.memberOf.some(({ role, inherit, set }) => role === user.name && inherit && set)
    ? []
    : [`grant ${u} to ${c}${version >= 160000 ? ' with inherit true, set true' : ''}`]
}

/** What is set for the clone alone and stays, as this session may not take it away: a sentence each. */
export function stayingSettings({ user, clone }: Roles): string[] {
  if (!user || !clone) return []
  return staying(wantedSettings(user), clone).map(({ database, setting }) => {
    const [parameter] = setting.split('=', 1)
    const where = database === null ? '' : ` in the database ${database}`
    return `${clone.name} keeps its setting of ${parameter}${where}: only a superuser may take it away`
  })
}

type Settings = Map<string | null, string[]>

function staying(wanted: Settings, clone: Role): { database: string | null; setting: string }[] {
  const parameter = (setting: string) => setting.slice(0, setting.indexOf('='))
  return clone.settings.flatMap(({ database, fixed = [] }) => {
    const others = new Set(wanted.get(database)?.map(parameter))
    return fixed.filter(setting => !others.has(parameter(setting))).map(setting => ({ database, setting }))
  })
}

/** The settings that the clone of this user is to have. */
function wantedSettings(user: Role): Settings {
  // A user that acts as another role goes on doing so, and so does its clone; one that acts as none is itself.
  const asUser = (setting: string) => (setting === 'role=none' ? `role=${user.name}` : setting)
  const wanted = new Map(user.settings.map(({ database, values }) => [database, values.map(asUser)]))
  const actsIn = (database: string | null) =>
    wanted.get(database)?.some(setting => setting.startsWith('role='))
  // What is set for a role goes before what is set for everybody in a database.
  if (!actsIn(null))
    for (const { database, role } of [...user.roles, { database: null, role: user.name }])
      if (!actsIn(database)) wanted.set(database, [...(wanted.get(database) ?? []), asUser(`role=${role}`)])
  return wanted
}

function settingStatements(user: Role, clone: Role): string[] {
  const wanted = wantedSettings(user)
  for (const { database, setting } of staying(wanted, clone))
    wanted.set(database, [...(wanted.get(database) ?? []), setting])
  const fixed = new Map(clone.settings.map(({ database, fixed }) => [database, fixed]))
  const present = new Map(clone.settings.map(({ database, values }) => [database, values]))
  const different = [...new Set([...wanted.keys(), ...present.keys()])].filter(
    database => sorted(wanted.get(database)) !== sorted(present.get(database)),
  )
  return different.flatMap(database => {
    const where = database === null ? '' : ` in database ${escapeIdentifier(database)}`
    const alter = `alter role ${escapeIdentifier(clone.name)}${where}`
    return [
      ...(present.has(database) ? [`${alter} reset all`] : []),
      ...(wanted.get(database) ?? [])
        // These are there still.
        .filter(setting => !fixed.get(database)?.includes(setting))
        .flatMap(setting => setStatements(alter, setting)),
    ]
  })
}

/** By what they say, as a list may have been stored in more than one form. */
const sorted = (settings: string[] = []) =>
  JSON.stringify(settings.map(setting => assignment(setting)).sort())

/** An empty list cannot be written in SET: '' is a list of one, and a library of that name lets nobody log in. */
function setStatements(alter: string, setting: string): string[] {
  const list = lists.find(list => setting.startsWith(`${list}=`))
  if (!list || listElements(setting.slice(list.length + 1)).length)
    return [`${alter} set ${assignment(setting)}`]
  return [`select set_config('${list}', '', true)`, `${alter} set ${list} from current`]
}

/** Settings whose stored value is a list of quoted names. */
const lists = ['search_path', 'temp_tablespaces', 'local_preload_libraries', 'session_preload_libraries']

/**
 * `name=value` as stored, as `name to value` for SET. A user may store any text as a value, so none is pasted in:
 * lists are taken apart and every element quoted.
 */
export function assignment(setting: string, quote = escapeLiteral): string {
  const at = setting.indexOf('=')
  const [name, value] = [setting.slice(0, at), setting.slice(at + 1)]
  const values = lists.includes(name) ? listElements(value) : [value]
  return `${name.split('.').map(escapeIdentifier).join('.')} to ${values.map(quote).join(', ')}`
}

function listElements(list: string): string[] {
  const elements = list.matchAll(/"((?:[^"]|"")*)"|[^\s,"]+/g)
  return [...elements].map(([bare, quoted]) => quoted?.replaceAll('""', '"') ?? bare.toLowerCase())
}

import { escapeIdentifier, escapeLiteral } from 'pg'
import { NotPermitted } from '../errors.ts'
import type { Pair } from './engine.ts'
import { Stranger } from './stranger.ts'

type Membership = { role: string; admin: boolean; inherit: boolean; set: boolean; shared: boolean }
/** What PostgreSQL's catalogs say of one role. */
type Role = {
  name: string
  superuser: boolean
  createdb: boolean
  createrole: boolean
  replication: boolean
  bypassrls: boolean
  connectionLimit: number
  validUntil: string
  /** Direct memberships; `shared` if the user of the pair has it too, directly or through another role. */
  memberOf: Membership[]
  /** `name=value` as stored, by database; null is every database. */
  settings: { database: string | null; values: string[] }[]
  /** The databases in which it owns something or was granted something itself. */
  holdsIn: string[]
  /** The role that is set for everybody to act as, by database; null is every database. */
  roles: { database: string | null; role: string }[]
  /** True if this session may act for the role. */
  ours: boolean
}
export type Roles = { user: Role | undefined; clone: Role | undefined; database: string; version: number }

/** One query that reads all of both roles that cloning has to look at. Its tables are readable by every user. */
export function rolesQuery({ user, clone }: Pair): string {
  return `
select current_database() as database, current_setting('server_version_num')::int as version,
  r.rolname as name, r.rolsuper as superuser, r.rolcreatedb as createdb, r.rolcreaterole as createrole,
  r.rolreplication as replication, r.rolbypassrls as bypassrls, r.rolconnlimit as "connectionLimit",
  coalesce(r.rolvaliduntil::text, 'infinity') as "validUntil", pg_has_role(r.oid, 'usage') as ours,
  array(
    select json_build_object('role', g.rolname, 'admin', m.admin_option,
      'inherit', coalesce((to_jsonb(m)->>'inherit_option')::bool, true),
      'set', coalesce((to_jsonb(m)->>'set_option')::bool, true),
      'shared', exists (select from pg_roles u where u.rolname = ${escapeLiteral(user)} and
        pg_has_role(u.oid, g.oid, case when m.admin_option then 'member with admin option' else 'member' end)))
    from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = r.oid order by g.rolname
  ) as "memberOf",
  array(
    select json_build_object('database', d.datname, 'values', s.setconfig)
    from pg_db_role_setting s left join pg_database d on d.oid = s.setdatabase
    where s.setrole = r.oid order by d.datname nulls first
  ) as settings,
  array(
    select json_build_object('database', d.datname, 'role', substr(c, 6))
    from pg_db_role_setting s left join pg_database d on d.oid = s.setdatabase, unnest(s.setconfig) c
    where s.setrole = 0 and c like 'role=%' order by d.datname nulls first
  ) as roles,
  array(
    select distinct coalesce(d.datname, current_database())
    from pg_shdepend s left join pg_database d on d.oid = s.dbid
    where s.refclassid = 'pg_authid'::regclass and s.refobjid = r.oid and s.deptype in ('o', 'a', 'r')
      and s.classid <> 'pg_auth_members'::regclass
  )::text[] as "holdsIn"
from pg_roles r where r.rolname in (${escapeLiteral(user)}, ${escapeLiteral(clone)})`
}

/** The rows of `rolesQuery`, by part. */
export function rolesFrom(rows: (Role & { database: string; version: number })[], pair: Pair): Roles {
  const find = (name: string) => rows.find(row => row.name === name)
  return {
    user: find(pair.user),
    clone: find(pair.clone),
    database: rows[0]?.database ?? '',
    version: rows[0]?.version ?? 0,
  }
}

/**
 * The statements that make the clone equal to the user; none if it is. What the clone owns in this database is handed
 * to the user; `role` is set so that what it creates from now on is the user's as well.
 * @throws Stranger if the clone is not this user's clone; NotPermitted if there is no such user
 */
export function syncStatements(pair: Pair, { user, clone, database, version }: Roles): string[] {
  if (!user) throw new NotPermitted(`there is no user ${escapeIdentifier(pair.user)} for a clone to follow`)
  if (clone) refuseStranger(user, clone)
  const name = escapeIdentifier(pair.clone)
  const before = clone ?? { ...newRole, name: pair.clone }
  return [
    ...(clone ? [] : [`create role ${name} login inherit`]),
    ...(before.holdsIn.includes(database) ? adoptStatements(user, before, version) : []),
    ...attributeStatements(user, before),
    ...membershipStatements(user, before, version),
    ...settingStatements(user, before),
  ]
}

/** The statements that hand what the clone owns in this database to the user. @throws NotPermitted as syncStatements */
export function handOverStatements(pair: Pair, { user, clone, database, version }: Roles): string[] {
  if (!clone) return []
  if (!user)
    throw new NotPermitted(`there is no user ${escapeIdentifier(pair.user)} for a clone to leave things to`)
  refuseStranger(user, clone)
  return clone.holdsIn.includes(database) ? adoptStatements(user, clone, version) : []
}

/** The databases other than this one in which the clone holds something of its own. */
export function heldElsewhere({ clone, database }: Roles): string[] {
  return clone?.holdsIn.filter(other => other !== database) ?? []
}

export const newRole: Role = {
  name: '',
  superuser: false,
  createdb: false,
  createrole: false,
  replication: false,
  bypassrls: false,
  connectionLimit: -1,
  validUntil: 'infinity',
  memberOf: [],
  settings: [],
  holdsIn: [],
  roles: [],
  ours: false,
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

/** Reassigning needs the rights of both roles; an admin who is no superuser takes them for this transaction only. */
function adoptStatements(user: Role, clone: Role, version: number): string[] {
  const [u, c] = [escapeIdentifier(user.name), escapeIdentifier(clone.name)]
  const borrowed = [user, clone].filter(role => !role.ours).map(role => escapeIdentifier(role.name))
  const inherit = version >= 160000 ? ' with inherit true' : ''
  return [
    ...borrowed.map(role => `grant ${role} to current_user${inherit}`),
    // While it waits for a table, everybody else waits behind it.
    `set local lock_timeout = '1s'`,
    `reassign owned by ${c} to ${u}`,
    unlessItOwns(clone.name),
    `drop owned by ${c}`,
    ...borrowed.map(role => `revoke ${role} from current_user`),
  ]
}

/**
 * DROP OWNED would also drop what a session of the clone has made while REASSIGN OWNED waited for a lock. That is a
 * Conflict, and the next try hands it over as well.
 */
function unlessItOwns(role: string): string {
  const block = `begin
    if exists (select from pg_shdepend s join pg_roles r on r.oid = s.refobjid
      where s.refclassid = 'pg_authid'::regclass and r.rolname = ${escapeLiteral(role)} and s.deptype = 'o'
        and s.dbid in (0, (select oid from pg_database where datname = current_database())))
    then raise serialization_failure; end if; end`
  return `do ${escapeLiteral(block)}`
}

function attributeStatements(user: Role, clone: Role): string[] {
  // Only what differs: naming an attribute at all may take a superuser.
  const flags = (['superuser', 'createdb', 'createrole', 'replication', 'bypassrls'] as const)
    .filter(flag => user[flag] !== clone[flag])
    .map(flag => (user[flag] ? flag : `no${flag}`))
  if (user.connectionLimit !== clone.connectionLimit) flags.push(`connection limit ${user.connectionLimit}`)
  if (user.validUntil !== clone.validUntil) flags.push(`valid until ${escapeLiteral(user.validUntil)}`)
  return flags.length ? [`alter role ${escapeIdentifier(clone.name)} ${flags.join(' ')}`] : []
}

function membershipStatements(user: Role, clone: Role, version: number): string[] {
  const [u, c] = [escapeIdentifier(user.name), escapeIdentifier(clone.name)]
  const own = clone.memberOf.filter(membership => membership.role === user.name)
  const extra = clone.memberOf.filter(membership => membership.role !== user.name && !membership.shared)
  return [
    ...(own.some(membership => membership.inherit && membership.set)
      ? []
      : [`grant ${u} to ${c}${version >= 160000 ? ' with inherit true, set true' : ''}`]),
    ...(own.some(membership => membership.admin) ? [`revoke admin option for ${u} from ${c}`] : []),
    ...extra.map(membership => `revoke ${escapeIdentifier(membership.role)} from ${c}`),
  ]
}

function settingStatements(user: Role, clone: Role): string[] {
  // A user that acts as another role goes on doing so, and so does its clone; one that acts as none is itself.
  const asUser = (setting: string) => (setting === 'role=none' ? `role=${user.name}` : setting)
  const wanted = new Map(user.settings.map(({ database, values }) => [database, values.map(asUser)]))
  const actsIn = (database: string | null) =>
    wanted.get(database)?.some(setting => setting.startsWith('role='))
  // What is set for a role goes before what is set for everybody in a database.
  if (!actsIn(null))
    for (const { database, role } of [...user.roles, { database: null, role: user.name }])
      if (!actsIn(database)) wanted.set(database, [...(wanted.get(database) ?? []), asUser(`role=${role}`)])
  const present = new Map(clone.settings.map(({ database, values }) => [database, values]))
  const different = [...new Set([...wanted.keys(), ...present.keys()])].filter(
    database => sorted(wanted.get(database)) !== sorted(present.get(database)),
  )
  return different.flatMap(database => {
    const where = database === null ? '' : ` in database ${escapeIdentifier(database)}`
    const alter = `alter role ${escapeIdentifier(clone.name)}${where}`
    return [
      ...(present.has(database) ? [`${alter} reset all`] : []),
      ...(wanted.get(database) ?? []).flatMap(setting => setStatements(alter, setting)),
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

import { escapeIdentifier, escapeLiteral } from 'pg'
import type { UserPair } from '../engine.ts'

/** An object in this database, or in none, that the clone owns, or on which the clone was granted something. */
export type Belonging = {
  /** True if the clone owns the object, false if the clone was granted something on the object. */
  owned: boolean
  /** The kind of the object as pg_identify_object names it, such as `table`. */
  type: string
  /** The qualified name of the object as pg_identify_object gives it, such as `public.orders`. */
  identity: string
  /** The object in words, as pg_describe_object gives it. */
  description: string
  /** If the object is a row security policy: the other roles that the policy is for. */
  others: string[] | null
  /** If the object is an entry of default privileges: what is needed to revoke it. */
  defaults: DefaultPrivileges | null
}

type DefaultPrivileges = {
  /** The role on whose future objects the entry grants something. */
  owner: string
  /** Null if the entry applies in every schema. */
  schema: string | null
  /** The kind of objects as ALTER DEFAULT PRIVILEGES names it, such as `tables`. */
  objects: string
  /**
   * Whether an entry about the clone's objects can be dropped without a loss: the user's entries grant everybody else the same.
   */
  isRedundant: boolean
}

/**
 * One query that reads every Belonging of the clone: the objects in this database and those that belong to no database,
 * such as tablespaces.
 */
export function belongingsQuery({ user, clone }: UserPair): string {
  return `
select s.deptype = 'o' as owned, i.type, i.identity, pg_describe_object(s.classid, s.objid, 0) as description,
  case when s.classid = 'pg_policy'::regclass then array(
    select r.rolname from pg_policy p join pg_roles r on r.oid = any(p.polroles)
    where p.oid = s.objid and r.oid <> c.oid order by 1)::text[] end as others,
  case when d.oid is not null then json_build_object('owner', pg_get_userbyid(d.defaclrole), 'schema', n.nspname,
    'objects', case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'routines'
      when 'T' then 'types' when 'n' then 'schemas' else 'large objects' end,
    'isRedundant', ${GIVES_NOTHING_NEW_SQL}) end as defaults
from pg_roles c join pg_shdepend s on s.refclassid = 'pg_authid'::regclass and s.refobjid = c.oid
cross join lateral pg_identify_object(s.classid, s.objid, 0) i
left join pg_roles u on u.rolname = ${escapeLiteral(user)}
left join pg_default_acl d on s.classid = 'pg_default_acl'::regclass and d.oid = s.objid
left join pg_namespace n on n.oid = d.defaclnamespace
where c.rolname = ${escapeLiteral(clone)} and s.deptype in ('o', 'a', 'r')
  and s.classid <> 'pg_auth_members'::regclass and i.identity is not null
  and s.dbid in (0, (select oid from pg_database where datname = current_database()))
order by 1 desc, 2, 3`
}

/** SQL rows: the privileges that `owner`'s new objects have where nobody has altered the default privileges. */
const builtInPrivilegesSql = (owner: string) =>
  `aclexplode(acldefault(case d.defaclobjtype when 'S' then 's' else d.defaclobjtype end, ${owner}))`
/** A SQL query: what is granted on objects of the same kind (`d`) that the user (`u`) creates, by all of its defaults. */
const USER_DEFAULT_PRIVILEGES_SQL = `
  select e.grantee, e.privilege_type, e.is_grantable from pg_default_acl o, aclexplode(o.defaclacl) e
  where o.defaclrole = u.oid and o.defaclobjtype = d.defaclobjtype and o.defaclnamespace in (0, d.defaclnamespace)
  union all select b.grantee, b.privilege_type, b.is_grantable from ${builtInPrivilegesSql('u.oid')} b where not exists (
    select from pg_default_acl o
    where o.defaclrole = u.oid and o.defaclobjtype = d.defaclobjtype and o.defaclnamespace = 0)`
/**
 * A SQL condition: whatever the clone's entry (`d`) grants to third roles, the user's entries grant as well; and whatever the
 * clone's entry takes from PUBLIC, the user's entries take as well. `c` is the clone, `u` is the user.
 */
const GIVES_NOTHING_NEW_SQL = `
  not exists (
    select from aclexplode(d.defaclacl) g where g.grantee not in (c.oid, u.oid) and not exists (
      select from (${USER_DEFAULT_PRIVILEGES_SQL}) h where h.grantee = g.grantee and h.privilege_type = g.privilege_type
        and (h.is_grantable or not g.is_grantable)))
  and (d.defaclnamespace <> 0 or not exists (
    select from ${builtInPrivilegesSql('c.oid')} b where b.grantee = 0
      and not exists (select from aclexplode(d.defaclacl) g where g.grantee = 0 and g.privilege_type = b.privilege_type)
      and exists (select from (${USER_DEFAULT_PRIVILEGES_SQL}) h where h.grantee = 0 and h.privilege_type = b.privilege_type)))`

/**
 * The keyword of ALTER … OWNER TO for each type of object that has this statement
 * (https://www.postgresql.org/docs/current/sql-commands.html).
 */
const ALTER_OWNER_KEYWORDS: Record<string, string> = {
  table: 'table',
  view: 'view',
  'materialized view': 'materialized view',
  sequence: 'sequence',
  'foreign table': 'foreign table',
  function: 'function',
  procedure: 'procedure',
  aggregate: 'aggregate',
  type: 'type',
  schema: 'schema',
  database: 'database',
  tablespace: 'tablespace',
  language: 'language',
  collation: 'collation',
  conversion: 'conversion',
  operator: 'operator',
  'operator class': 'operator class',
  'operator family': 'operator family',
  'text search configuration': 'text search configuration',
  'text search dictionary': 'text search dictionary',
  'statistics object': 'statistics',
  'foreign-data wrapper': 'foreign data wrapper',
  server: 'server',
  'event trigger': 'event trigger',
  publication: 'publication',
  subscription: 'subscription',
  'large object': 'large object',
}

/**
 * The keyword of REVOKE … ON for each type of object that can be granted
 * (https://www.postgresql.org/docs/current/sql-revoke.html).
 */
const REVOKE_KEYWORDS: Record<string, string> = {
  table: 'table',
  view: 'table',
  'materialized view': 'table',
  sequence: 'sequence',
  'foreign table': 'table',
  'table column': 'table',
  function: 'function',
  procedure: 'procedure',
  aggregate: 'function',
  type: 'type',
  schema: 'schema',
  database: 'database',
  tablespace: 'tablespace',
  language: 'language',
  'foreign-data wrapper': 'foreign data wrapper',
  server: 'foreign server',
  'large object': 'large object',
  'parameter ACL': 'parameter',
}

/** The types of objects that belong to one role and cannot get another owner: default privileges and user mappings. */
const ROLE_BOUND_TYPES = ['default acl', 'user mapping']

/** Whether a belonging is an object that the clone owns and that can be given to the user. */
export const isTransferable = ({ owned, type }: Belonging) => owned && !ROLE_BOUND_TYPES.includes(type)

/** Whether a belonging is owned by the clone, so that it prevents dropping the clone, and must not be dropped by DROP OWNED. */
export const isBlockingDrop = ({ owned, defaults }: Belonging) => owned && !defaults?.isRedundant

/** @returns the statement that gives one object to the user; undefined if PostgreSQL has none for this type */
export function changeOwnerStatement({ type, identity }: Belonging, user: string): string | undefined {
  const keyword = ALTER_OWNER_KEYWORDS[type]
  return keyword && `alter ${keyword} ${identity} owner to ${escapeIdentifier(user)}`
}

/**
 * @returns the statement that revokes what the clone was granted on one object; undefined if there is none. A row security policy
 *   that is for the clone alone is dropped, as DROP OWNED does
 */
export function revokeStatement(belonging: Belonging, clone: string): string | undefined {
  const { type, identity, others, defaults } = belonging
  const c = escapeIdentifier(clone)
  if (defaults) {
    const { owner, schema, objects } = defaults
    const where = schema === null ? '' : ` in schema ${escapeIdentifier(schema)}`
    return `alter default privileges for role ${escapeIdentifier(owner)}${where} revoke all on ${objects} from ${c}`
  }
  if (others)
    return others.length
      ? `alter policy ${identity} to ${others.map(escapeIdentifier).join(', ')}`
      : `drop policy ${identity}`
  const keyword = REVOKE_KEYWORDS[type]
  return keyword && `revoke all on ${keyword} ${identity} from ${c} cascade`
}

/**
 * The statements that revoke everything that the clone was granted, at once. DROP OWNED also drops what the clone owns
 * (https://www.postgresql.org/docs/current/sql-drop-owned.html), and a session of the clone may have created an object since its
 * belongings were read. The first statement then divides by zero, which rolls all of them back. It does not count entries of
 * default privileges: the caller has found those of the clone redundant.
 */
export function dropOwnedStatements({ clone }: UserPair): string[] {
  return [
    `select 1 / (not exists (
       select from pg_shdepend s join pg_roles r on r.oid = s.refobjid
       where s.refclassid = 'pg_authid'::regclass and r.rolname = ${escapeLiteral(clone)} and s.deptype = 'o'
         and s.classid <> 'pg_default_acl'::regclass
         and s.dbid = (select oid from pg_database where datname = current_database())))::int`,
    `drop owned by ${escapeIdentifier(clone)}`,
  ]
}

import { escapeIdentifier, escapeLiteral } from 'pg'
import type { UserPair } from '../engine.ts'

/** One thing that the clone owns in this database, or that somebody lets the clone do there. */
export type Belonging = {
  /** True if it owns it, false if it was granted something on it. */
  owned: boolean
  /** As PostgreSQL identifies an object: `table` and `public.orders`. */
  type: string
  identity: string
  /** In words. */
  description: string
  /** Of a policy: the other roles that it is for. */
  others: string[] | null
  /** Of default privileges. */
  defaults: DefaultPrivileges | null
}

type DefaultPrivileges = {
  owner: string
  schema: string | null
  /** As ALTER DEFAULT PRIVILEGES names them. */
  things: string
  /** Whether the user's own give everybody else as much, so that they can go over to it, which changes nothing. */
  goOver: boolean
}

/** One query that reads all that a clone holds of its own in this database, and what stands on none. */
export function belongingsQuery({ user, clone }: UserPair): string {
  return `
select s.deptype = 'o' as owned, i.type, i.identity, pg_describe_object(s.classid, s.objid, 0) as description,
  case when s.classid = 'pg_policy'::regclass then array(
    select r.rolname from pg_policy p join pg_roles r on r.oid = any(p.polroles)
    where p.oid = s.objid and r.oid <> c.oid order by 1)::text[] end as others,
  case when d.oid is not null then json_build_object('owner', pg_get_userbyid(d.defaclrole), 'schema', n.nspname,
    'things', case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'routines'
      when 'T' then 'types' when 'n' then 'schemas' else 'large objects' end,
    'goOver', ${GIVES_NOTHING_NEW_SQL}) end as defaults
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

/** What default privileges are where nobody has set any. */
const builtInPrivilegesSql = (owner: string) =>
  `aclexplode(acldefault(case d.defaclobjtype when 'S' then 's' else d.defaclobjtype end, ${owner}))`
/** What others than the two get of what the user makes, by all of its default privileges on such things. */
const USER_DEFAULT_PRIVILEGES_SQL = `
  select e.grantee, e.privilege_type, e.is_grantable from pg_default_acl o, aclexplode(o.defaclacl) e
  where o.defaclrole = u.oid and o.defaclobjtype = d.defaclobjtype and o.defaclnamespace in (0, d.defaclnamespace)
  union all select b.grantee, b.privilege_type, b.is_grantable from ${builtInPrivilegesSql('u.oid')} b where not exists (
    select from pg_default_acl o
    where o.defaclrole = u.oid and o.defaclobjtype = d.defaclobjtype and o.defaclnamespace = 0)`
/** What the clone's give, the user's give as well; and what they take from everybody, the user's take as well. */
const GIVES_NOTHING_NEW_SQL = `
  not exists (
    select from aclexplode(d.defaclacl) g where g.grantee not in (c.oid, u.oid) and not exists (
      select from (${USER_DEFAULT_PRIVILEGES_SQL}) h where h.grantee = g.grantee and h.privilege_type = g.privilege_type
        and (h.is_grantable or not g.is_grantable)))
  and (d.defaclnamespace <> 0 or not exists (
    select from ${builtInPrivilegesSql('c.oid')} b where b.grantee = 0
      and not exists (select from aclexplode(d.defaclacl) g where g.grantee = 0 and g.privilege_type = b.privilege_type)
      and exists (select from (${USER_DEFAULT_PRIVILEGES_SQL}) h where h.grantee = 0 and h.privilege_type = b.privilege_type)))`

/** What ALTER … OWNER TO calls it; the others have none. */
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

/** What REVOKE … ON calls it. */
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

/** What belongs to a role by its name, and to no other: its default privileges, and its mappings to other servers. */
const ROLE_BOUND_TYPES = ['default acl', 'user mapping']

/** Whether it is the user's to have; what is personal stays with the clone. */
export const isTransferable = ({ owned, type }: Belonging) => owned && !ROLE_BOUND_TYPES.includes(type)

/** Whether it keeps the clone from being dropped, and from being rid at once of all that it was granted. */
export const isBlockingDrop = ({ owned, defaults }: Belonging) => owned && !defaults?.goOver

/** The statement that hands one thing over; undefined if there is none for it. */
export function changeOwnerStatement({ type, identity }: Belonging, user: string): string | undefined {
  const kind = ALTER_OWNER_KEYWORDS[type]
  return kind && `alter ${kind} ${identity} owner to ${escapeIdentifier(user)}`
}

/** The statement that takes one thing back that the clone was granted; undefined if there is none. */
export function revokeStatement(belonging: Belonging, clone: string): string | undefined {
  const { type, identity, others, defaults } = belonging
  const c = escapeIdentifier(clone)
  if (defaults) {
    const { owner, schema, things } = defaults
    const where = schema === null ? '' : ` in schema ${escapeIdentifier(schema)}`
    return `alter default privileges for role ${escapeIdentifier(owner)}${where} revoke all on ${things} from ${c}`
  }
  if (others)
    return others.length
      ? `alter policy ${identity} to ${others.map(escapeIdentifier).join(', ')}`
      : `drop policy ${identity}`
  const kind = REVOKE_KEYWORDS[type]
  return kind && `revoke all on ${kind} ${identity} from ${c} cascade`
}

/**
 * The statements that take from the clone, at once, all that it was granted. DROP OWNED would also drop what a session of
 * the clone has made since it was looked at what it owns: the division by zero then undoes it all.
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

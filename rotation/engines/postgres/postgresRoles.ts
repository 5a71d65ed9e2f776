import { escapeLiteral } from 'pg'
import { DatabaseFailed } from '../../errors.ts'
import type { UserPair } from '../engine.ts'

/** A membership in `role`, with the options of GRANT role TO (https://www.postgresql.org/docs/current/sql-grant.html). */
type Membership = {
  role: string
  admin: boolean
  inherit: boolean
  set: boolean
  /** Whether the user of the pair has this membership too, with the same options, directly or through another role. */
  shared: boolean
}
/** How this session's user is a member of a role. An admin that is no superuser may make itself a member for one transaction. */
type AdminMembership = {
  /** The role in whose name the admin can grant the membership to itself; null before PostgreSQL 16, and if there is none. */
  grantor: string | null
  /** The options of the membership that the admin has already by that grantor; null if it has none. */
  options: { inherit: boolean; set: boolean } | null
}
/** The facts about one role in PostgreSQL's catalogs. */
export type Role = {
  name: string
  superuser: boolean
  inherit: boolean
  createdb: boolean
  createrole: boolean
  replication: boolean
  bypassrls: boolean
  /** The most sessions that the role may have; -1 is no limit. */
  connectionLimit: number
  /** The time when the password expires, as the server writes it; `infinity` if it does not. */
  validUntil: string
  /** The direct memberships in other roles. */
  memberOf: Membership[]
  /**
   * The parameters that are set for the role, as `name=value`, by database; null is every database. `fixed` are those
   * parameters that this session may not remove.
   */
  settings: { database: string | null; values: string[]; fixed?: string[] }[]
  /** The databases in which the role owns something. */
  ownsIn: string[]
  /** The databases in which something was granted to the role itself. */
  grantedIn: string[]
  /** The parameter `role` that is set for all users, by database; null is every database. It is the same in every Role. */
  rolesForAll: { database: string | null; role: string }[]
  /** Whether this session already has the role's rights and may SET ROLE to it. */
  mayActAs: boolean
  adminMembership: AdminMembership
}
/**
 * The two roles of a pair, undefined if absent; the database in which they were read; and the server's version number, such
 * as 160002.
 */
export type PairRoles = {
  user: Role | undefined
  clone: Role | undefined
  database: string
  versionNumber: number
}

/** A role as CREATE ROLE creates it by default. */
export const NEW_ROLE: Role = {
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
  rolesForAll: [],
  mayActAs: false,
  adminMembership: { grantor: null, options: null },
}

/**
 * One query that reads both roles of a pair as `Role` describes them. Every user may read its tables.
 * @param version The server's major version.
 */
export function rolesQuery({ user, clone }: UserPair, version: number): string {
  return `
select current_database() as database, current_setting('server_version_num')::int as "versionNumber",
  r.rolname as name, r.rolsuper as superuser, r.rolinherit as inherit, r.rolcreatedb as createdb, r.rolcreaterole as createrole,
  r.rolreplication as replication, r.rolbypassrls as bypassrls, r.rolconnlimit as "connectionLimit",
  coalesce(r.rolvaliduntil::text, 'infinity') as "validUntil",
  pg_has_role(r.oid, 'usage') and ${maySetRoleSql('current_user', 'r.oid')} as "mayActAs",
  json_build_object('grantor', grantor_name, 'options', (
    select json_build_object('inherit', to_jsonb(m)->'inherit_option', 'set', to_jsonb(m)->'set_option')
    from pg_auth_members m
    where m.roleid = r.oid and pg_get_userbyid(m.member) = current_user
      and (grantor_name is null or pg_get_userbyid(m.grantor) = grantor_name) limit 1
  )) as "adminMembership",
  array(
    select json_build_object('role', g.rolname, 'admin', m.admin_option,
      'inherit', coalesce((to_jsonb(m)->>'inherit_option')::bool, true),
      'set', coalesce((to_jsonb(m)->>'set_option')::bool, true),
      'shared', exists (select from pg_roles u where u.rolname = ${escapeLiteral(user)} and
        pg_has_role(u.oid, g.oid, case when m.admin_option then 'member with admin option' else 'member' end)
        and (not coalesce((to_jsonb(m)->>'inherit_option')::bool, r.rolinherit) or pg_has_role(u.oid, g.oid, 'usage'))
        and (not coalesce((to_jsonb(m)->>'set_option')::bool, false) or ${maySetRoleSql('u.oid', 'g.oid')})))
    from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = r.oid order by g.rolname
  ) as "memberOf",
  array(
    select json_build_object('database', d.datname, 'values', s.setconfig, 'fixed', array(
      select c from unnest(s.setconfig) c
      where not (select rolsuper from pg_roles where rolname = current_user) and c not like 'role=%' and not exists (
        select from pg_settings p where p.name = split_part(c, '=', 1) and (p.context = 'user' or ${maySetSuperuserSettingSql(version)}))
    ))
    from pg_db_role_setting s left join pg_database d on d.oid = s.setdatabase
    where s.setrole = r.oid order by d.datname nulls first
  ) as settings,
  array(
    select json_build_object('database', d.datname, 'role', substr(c, 6))
    from pg_db_role_setting s left join pg_database d on d.oid = s.setdatabase, unnest(s.setconfig) c
    where s.setrole = 0 and c like 'role=%' order by d.datname nulls first
  ) as "rolesForAll",
  array(${databasesSql('o')})::text[] as "ownsIn",
  array(${databasesSql('a', 'r')})::text[] as "grantedIn"
from pg_roles r left join lateral (
  select g.rolname as grantor_name from pg_auth_members m join pg_roles g on g.oid = m.member
  where current_setting('server_version_num')::int >= 160000
    and m.roleid = r.oid and m.admin_option and pg_has_role(g.oid, 'usage')
  order by g.rolname <> current_user, g.rolname limit 1
) grantors on true
where r.rolname in (${escapeLiteral(user)}, ${escapeLiteral(clone)})`
}

/**
 * A SQL condition: whether a member may act as a role by SET ROLE. Before PostgreSQL 16 every member may
 * (https://www.postgresql.org/docs/current/sql-grant.html#SQL-GRANT-DESCRIPTION-ROLES).
 */
const maySetRoleSql = (
  member: string,
  role: string,
) => `case when current_setting('server_version_num')::int >= 160000
  then pg_has_role(${member}, ${role}, 'set') else true end`

/**
 * A SQL condition: whether this session's user was granted a parameter that otherwise only superusers may set. PostgreSQL 15
 * introduced such grants.
 */
const maySetSuperuserSettingSql = (version: number) =>
  version >= 15 ? `p.context = 'superuser' and has_parameter_privilege(p.name, 'set')` : 'false'

/**
 * A SQL query for the databases in which role `r` has entries of these kinds in pg_shdepend: `o` owner, `a` grantee, `r` role
 * of a policy (https://www.postgresql.org/docs/current/catalog-pg-shdepend.html). An object outside of every database counts
 * for the session's database. Memberships are left out, as they are read on their own.
 */
const databasesSql = (...kinds: string[]) => `
    select distinct coalesce(d.datname, current_database())
    from pg_shdepend s left join pg_database d on d.oid = s.dbid
    where s.refclassid = 'pg_authid'::regclass and s.refobjid = r.oid and s.deptype in (${kinds.map(kind => `'${kind}'`)})
      and s.classid <> 'pg_auth_members'::regclass
  `

type RoleRow = Role & { database: string; versionNumber: number }

/** Assigns the rows of `rolesQuery` to user and clone. @throws DatabaseFailed if a row is not of that query */
export function readRoles(rows: object[], pair: UserPair): PairRoles {
  if (!rows.every(isRole)) throw new DatabaseFailed('the answer of the server does not fit the query')
  const find = (name: string) => rows.find(row => row.name === name)
  return {
    user: find(pair.user),
    clone: find(pair.clone),
    database: rows[0]?.database ?? '',
    versionNumber: rows[0]?.versionNumber ?? 0,
  }
}

const isRole = (row: object): row is RoleRow => 'grantedIn' in row && Array.isArray(row.grantedIn)

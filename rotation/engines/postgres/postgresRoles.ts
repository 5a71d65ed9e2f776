import { escapeLiteral } from 'pg'
import { DatabaseFailed } from '../../errors.ts'
import type { UserPair } from '../engine.ts'

type Membership = { role: string; admin: boolean; inherit: boolean; set: boolean; shared: boolean }
/** How an admin who is no superuser comes to act for a role that it may give to itself, and what it had before. */
type TemporaryMembership = {
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
  loan: TemporaryMembership
}
/** What there is of a pair, in which database it was asked, and the server's version, such as 160000. */
export type PairRoles = { user: Role | undefined; clone: Role | undefined; database: string; version: number }

/** What CREATE ROLE makes. */
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
  roles: [],
  ours: false,
  loan: { lender: null, had: null },
}

/**
 * One query that reads all of both roles that cloning has to look at. Its tables are readable by every user. `version` is
 * the server's, without a point.
 */
export function rolesQuery({ user, clone }: UserPair, version: number): string {
  return `
select current_database() as database, current_setting('server_version_num')::int as version,
  r.rolname as name, r.rolsuper as superuser, r.rolinherit as inherit, r.rolcreatedb as createdb, r.rolcreaterole as createrole,
  r.rolreplication as replication, r.rolbypassrls as bypassrls, r.rolconnlimit as "connectionLimit",
  coalesce(r.rolvaliduntil::text, 'infinity') as "validUntil",
  pg_has_role(r.oid, 'usage') and ${maySetRoleSql('current_user', 'r.oid')} as ours,
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
  ) as roles,
  array(${databasesSql('o')})::text[] as "ownsIn",
  array(${databasesSql('a', 'r')})::text[] as "grantedIn"
from pg_roles r left join lateral (
  select l.rolname as lender from pg_auth_members m join pg_roles l on l.oid = m.member
  where current_setting('server_version_num')::int >= 160000
    and m.roleid = r.oid and m.admin_option and pg_has_role(l.oid, 'usage')
  order by l.rolname <> current_user, l.rolname limit 1
) lenders on true
where r.rolname in (${escapeLiteral(user)}, ${escapeLiteral(clone)})`
}

/** Whether a role may act as another by SET ROLE, which until PostgreSQL 16 every member may. */
const maySetRoleSql = (
  member: string,
  role: string,
) => `case when current_setting('server_version_num')::int >= 160000
  then pg_has_role(${member}, ${role}, 'set') else true end`

/** Whether a superuser's setting was given to this session's user, as it can be from PostgreSQL 15 on. */
const maySetSuperuserSettingSql = (version: number) =>
  version >= 15 ? `p.context = 'superuser' and has_parameter_privilege(p.name, 'set')` : 'false'

/** What stands on no database counts for the one that is asked. Memberships are dealt with as such. */
const databasesSql = (...kinds: string[]) => `
    select distinct coalesce(d.datname, current_database())
    from pg_shdepend s left join pg_database d on d.oid = s.dbid
    where s.refclassid = 'pg_authid'::regclass and s.refobjid = r.oid and s.deptype in (${kinds.map(kind => `'${kind}'`)})
      and s.classid <> 'pg_auth_members'::regclass
  `

type RoleRow = Role & { database: string; version: number }

/** The rows of `rolesQuery`, by part. @throws DatabaseFailed if they are none of it */
export function readRoles(rows: object[], pair: UserPair): PairRoles {
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

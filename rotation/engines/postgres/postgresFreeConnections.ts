import { escapeLiteral } from 'pg'

/**
 * A query for how many more connections a user may open in this database. It is the least of three limits: the server's
 * connections without those reserved for others, the user's own limit, and the database's limit. The last two do not apply
 * to superusers. Every user may read the counts in pg_stat_activity.
 * https://www.postgresql.org/docs/current/runtime-config-connection.html
 * @param version The server's major version. From 16 on, `reserved_connections` are for members of
 *   pg_use_reserved_connections.
 */
export function freeConnectionsQuery(user: string, version: number): string {
  const reservedCountSql = version >= 16 ? `current_setting('reserved_connections')::int` : '0'
  const mayUseReservedSql =
    version >= 16 ? `pg_has_role(oid, 'pg_use_reserved_connections', 'usage')` : 'false'
  return `
select greatest(0, least(
  current_setting('max_connections')::int - taken - case when superuser then 0
    else current_setting('superuser_reserved_connections')::int + case when uses_reserved then 0 else ${reservedCountSql} end end,
  case when not superuser and own_limit >= 0 then own_limit - own_taken end,
  case when not superuser and database_limit >= 0 then database_limit - database_taken end))::int as room
from (select count(*) as taken, count(*) filter (where usename = ${escapeLiteral(user)}) as own_taken,
    count(*) filter (where datname = current_database()) as database_taken
  from pg_stat_activity
  where datid is not null and usesysid is not null and coalesce(backend_type, 'client backend') = 'client backend') sessions
cross join (select datconnlimit as database_limit from pg_database where datname = current_database()) databases
left join (select rolsuper as is_superuser, rolconnlimit as own_limit, ${mayUseReservedSql} as may_use_reserved
  from pg_roles where rolname = ${escapeLiteral(user)}) roles on true
cross join lateral (select coalesce(is_superuser, false) as superuser, coalesce(may_use_reserved, false) as uses_reserved) of_user`
}

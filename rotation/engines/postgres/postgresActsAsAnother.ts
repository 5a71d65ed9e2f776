import { escapeLiteral } from 'pg'

/**
 * A SQL condition: whether the session of this user, if the user may create roles, acts as another role because of a setting
 * that is not the user's own. The condition avoids session_user and current_user, because behind a pooler they can fail: the
 * pooler may reuse the session of a role that was dropped and created again.
 */
export const actsAsAnotherRoleSql = (
  user: string,
) => `current_setting('role') not in ('none', ${escapeLiteral(user)}) and exists (
  select from pg_roles r where r.rolname = ${escapeLiteral(user)} and (r.rolcreaterole or r.rolsuper) and not exists (
    select from pg_db_role_setting s, unnest(s.setconfig) c where s.setrole = r.oid and c like 'role=%'
    and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))))`

import { escapeLiteral } from 'pg'

/**
 * Whether a user of this name that may create roles acts as another one, not by its own setting. Without session_user and
 * current_user: where a pooler goes on with the session of a role that was dropped, and made again, they are an error.
 */
export const actsAsAnotherRoleSql = (
  user: string,
) => `current_setting('role') not in ('none', ${escapeLiteral(user)}) and exists (
  select from pg_roles r where r.rolname = ${escapeLiteral(user)} and (r.rolcreaterole or r.rolsuper) and not exists (
    select from pg_db_role_setting s, unnest(s.setconfig) c where s.setrole = r.oid and c like 'role=%'
    and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))))`

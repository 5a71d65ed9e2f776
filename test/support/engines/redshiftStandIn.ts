import pg, { escapeIdentifier as name } from 'pg'
import { inject } from 'vitest'
import type { PostgresServer } from '../../../local/servers/postgres.ts'
import {
  ADMIN_ARN,
  type App,
  credentialFor,
  randomHex,
  runStatements,
} from '../../../local/servers/postgresDatabase.ts'
import type { Credential } from '../../../rotation/credential.ts'
import { md5PasswordHash } from '../../../rotation/engines/postgres/scram.ts'

/** PostgreSQL 14, which stands in for Redshift, or none if this system cannot run it. */
export const standInServers = () => inject('postgres').filter(({ version }) => version === 14)

/** Patterns in Redshift's statements, and what PostgreSQL 14 understands instead. */
const rewritings: [RegExp, string][] = [
  // PostgreSQL always keeps the case of a name in quotes.
  [/;\s*set local enable_case_sensitive_identifier to true/, ''],
  [/\bconnection limit unlimited\b/g, 'connection limit -1'],
  // PostgreSQL has this catalog, with another name for one column.
  [/\bpg_default_acl\b/g, 'stand_in_default_acl'],
  // The privilege TRUNCATE stands for Redshift's DROP, TRUNCATE and ALTER on a table.
  [/\bdrop, truncate, alter\b/g, 'truncate'],
  [
    /grant role ("(?:[^"]|"")*") to ("(?:[^"]|"")*")( with admin option)?/g,
    `select stand_in_grant($quote$$$1$quote$, $quote$$$2$quote$, '$3')`,
  ],
  [
    /revoke (admin option for )?role ("(?:[^"]|"")*") from ("(?:[^"]|"")*")/g,
    `select stand_in_revoke($quote$$$2$quote$, $quote$$$3$quote$, '$1')`,
  ],
]

/** The driver's client, which rewrites Redshift's statements for PostgreSQL 14. */
export class StandInClient extends pg.Client {
  constructor(config: pg.ClientConfig) {
    // In PostgreSQL 8, on which Redshift is based, a backslash in a text escapes the next character.
    super({ ...config, options: '-c standard_conforming_strings=off -c escape_string_warning=off' })
  }

  override query = ((statement: string | pg.QueryConfig) =>
    super.query(
      typeof statement === 'string'
        ? rewritings.reduce((text, [from, to]) => text.replace(from, to), statement)
        : statement,
    )) as unknown as pg.Client['query']
}

/**
 * Makes a database with an application's user, and an admin. The admin is a superuser, as Redshift requires this of a user that
 * makes others without the privilege CREATE USER.
 */
export async function makeApp(
  server: PostgresServer,
  { user = `app_${randomHex()}`, password = `first-${randomHex(12)}` } = {},
): Promise<App> {
  const database = `db_${randomHex()}`
  const admin = { user: `admin_${randomHex()}`, password: `admin-${randomHex(12)}` }
  const engine = 'redshift'
  const current = credentialFor(server, user, password, { engine, dbname: database, masterarn: ADMIN_ARN })
  await runStatements(
    server,
    `create user ${admin.user} superuser password '${md5PasswordHash(admin.user, admin.password)}';
     create user ${name(user)}; ${setPasswordStatement(current)}`,
  )
  await runStatements(server, `create database ${database} owner ${admin.user}`)
  await addRedshiftCatalogs(server, database)
  await runStatements(server, `grant create, temp on database ${database} to ${name(user)}`)
  return {
    database,
    user,
    current,
    admin: credentialFor(server, admin.user, admin.password, { engine }),
    drop: () => runStatements(server, `drop database ${database} with (force)`).then(() => {}),
  }
}

/** @returns the statement that sets a user's password, by its hash, so that the server does not log the password */
export const setPasswordStatement = ({ username, password }: Credential) =>
  `alter user ${name(username)} password '${md5PasswordHash(username, password)}'`

/** Adds those of Redshift's system tables, views and functions to a database that PostgreSQL does not have. */
async function addRedshiftCatalogs(server: PostgresServer, database: string): Promise<void> {
  await runStatements(
    server,
    `set allow_system_table_mods = on;
     set search_path = pg_catalog;
     create table svv_user_grants (user_name text, role_name text, admin_option boolean);
     grant select on svv_user_grants to public;
     create function stand_in_grant(role text, to_user text, with_option text) returns void language sql as $$
       delete from svv_user_grants where array[role_name, user_name] = (select parse_ident(role) || parse_ident(to_user));
       insert into svv_user_grants
         select (parse_ident(to_user))[1], (parse_ident(role))[1], with_option <> ''
     $$;
     create function stand_in_revoke(role text, from_user text, only_option text) returns void language sql as $$
       update svv_user_grants set admin_option = false
         where role_name = (parse_ident(role))[1] and user_name = (parse_ident(from_user))[1];
       delete from svv_user_grants
         where role_name = (parse_ident(role))[1] and user_name = (parse_ident(from_user))[1] and only_option = ''
     $$;
     create view svv_user_info as select rolname::text as user_name, 'RESTRICTED'::text as syslog_access,
       0 as session_timeout,
       case when rolconnlimit < 0 then 'UNLIMITED' else rolconnlimit::text end as connection_limit from pg_roles;
     create view svv_redshift_databases as select datname::text as database_name, 'local'::text as database_type
       from pg_database where pg_get_userbyid(datdba) = current_user;
     create view stv_sessions as select usename::text::char(50) as user_name, pid as process from pg_stat_activity;
     create view pg_attribute_info as select * from pg_attribute;
     create view stand_in_default_acl as select defaclrole as defacluser, * from pg_default_acl;
     create view pg_proc_info as select * from pg_proc;
     grant select on svv_user_info, svv_redshift_databases, stv_sessions, pg_attribute_info, pg_proc_info,
       stand_in_default_acl to public;
     create function array_to_string(acl aclitem[], separator text) returns text language sql strict
       set standard_conforming_strings = on as $$
       select string_agg(regexp_replace(item::text, '=([a-zA-Z*]*)D(\\*?)([a-zA-Z*]*)/', '=\\1D\\2P\\2A\\2\\3/'), separator)
       from unnest(acl) item
     $$;`,
    database,
  )
}

import { escapeIdentifier as name, escapeLiteral as text } from 'pg'
import { describe, expect, inject, test } from 'vitest'
import { admits, makeApp, randomHex, runStatements } from '../../../../local/servers/postgresDatabase.ts'
import { Postgres } from '../../../../rotation/engines/postgres/postgres.ts'
import { AlternatingUsers } from '../../../../rotation/strategies/alternatingUsers.ts'
import { rejectionOf } from '../../../support/observe.ts'

const { pairOf } = new AlternatingUsers()

/**
 * Something that a clone can own. In its statements C is the clone, U its user, D the database, A the admin, and X a name
 * of its own; they are the superuser's.
 */
type Owned = {
  what: string
  /** Where the server keeps its owner. */
  catalog: string
  make: string
  /** Words by which it is told, if it stays with the clone. */
  stays?: string
  /** The first and the last version in which that is so. */
  since?: number
  until?: number
}

const server =
  'create extension if not exists postgres_fdw; create server X foreign data wrapper postgres_fdw;'
/** Makes statements that only a superuser may run: the clone is one for a moment. */
const asSuper = (statements: string) => `alter role C superuser; ${statements}; alter role C nosuperuser`
const subscription = asSuper(
  `create subscription X connection 'dbname=nowhere' publication p with (connect = false, slot_name = none); alter subscription X owner to C`,
)
/** Makes a tablespace. That statement needs a message of its own: `;;` separates messages. */
const tablespace = (owner: string) =>
  `alter role postgres in database D set allow_in_place_tablespaces = on;; create tablespace X owner ${owner} location ''`

const owned: Owned[] = [
  {
    what: 'a table',
    catalog: 'pg_class',
    make: 'create table public.X (n int); alter table public.X owner to C',
  },
  {
    what: 'a partitioned table',
    catalog: 'pg_class',
    make: 'create table public.X (n int) partition by list (n); create table public.X1 partition of public.X default; alter table public.X owner to C; alter table public.X1 owner to C',
  },
  {
    what: 'a table with what belongs to it',
    catalog: 'pg_class',
    make: 'create table public.X (n serial primary key, t text unique); create index on public.X (t); alter table public.X owner to C',
  },
  {
    what: 'a view',
    catalog: 'pg_class',
    make: 'create view public.X as select 1 as n; alter view public.X owner to C',
  },
  {
    what: 'a materialized view',
    catalog: 'pg_class',
    make: 'create materialized view public.X as select 1 as n; alter materialized view public.X owner to C',
  },
  {
    what: 'a sequence',
    catalog: 'pg_class',
    make: 'create sequence public.X; alter sequence public.X owner to C',
  },
  {
    what: 'a foreign table',
    catalog: 'pg_class',
    make: `${server} create foreign table public.X (n int) server X; alter foreign table public.X owner to C`,
  },
  {
    what: 'a table in a schema that the user may not create in',
    catalog: 'pg_class',
    make: 'create schema X; create table X.t (n int); alter table X.t owner to C',
  },
  {
    what: 'a function in a schema that the user may not create in',
    catalog: 'pg_proc',
    make: `create schema X; create function X.f() returns int language sql as 'select 1'; alter function X.f owner to C`,
    stays: 'function x.f()',
  },
  {
    what: 'a function',
    catalog: 'pg_proc',
    make: `create function public.X(int, "char") returns int language sql as 'select 1'; alter function public.X owner to C`,
  },
  {
    what: 'a procedure',
    catalog: 'pg_proc',
    make: `create procedure public.X(int) language sql as 'select 1'; alter procedure public.X owner to C`,
  },
  {
    what: 'an aggregate',
    catalog: 'pg_proc',
    make: 'create aggregate public.X (int) (sfunc = int4pl, stype = int); alter aggregate public.X(int) owner to C',
  },
  {
    what: 'a composite type',
    catalog: 'pg_type',
    make: 'create type public.X as (n int); alter type public.X owner to C',
  },
  {
    what: 'an enum',
    catalog: 'pg_type',
    make: `create type public.X as enum ('a'); alter type public.X owner to C`,
  },
  {
    what: 'a domain',
    catalog: 'pg_type',
    make: 'create domain public.X as int; alter domain public.X owner to C',
  },
  {
    what: 'a range',
    catalog: 'pg_type',
    make: 'create type public.X as range (subtype = int); alter type public.X owner to C',
  },
  { what: 'a schema', catalog: 'pg_namespace', make: 'create schema X authorization C' },
  { what: 'a database', catalog: 'pg_database', make: 'alter database D owner to C' },
  {
    what: 'a tablespace',
    catalog: 'pg_tablespace',
    make: tablespace('C'),
  },
  {
    what: 'a language',
    catalog: 'pg_language',
    make: 'create trusted language X handler plpgsql_call_handler; alter language X owner to C',
  },
  {
    what: 'a collation',
    catalog: 'pg_collation',
    make: 'create collation public.X from "C"; alter collation public.X owner to C',
  },
  {
    what: 'a conversion',
    catalog: 'pg_conversion',
    make: `create conversion public.X for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8; alter conversion public.X owner to C`,
  },
  {
    what: 'an operator',
    catalog: 'pg_operator',
    make: 'create operator public.=#= (leftarg = int, rightarg = int, function = int4eq); alter operator public.=#= (int, int) owner to C',
  },
  {
    what: 'an operator class and its family',
    catalog: 'pg_opclass',
    make: `create operator family public.X using btree; alter operator family public.X using btree owner to C;
      create operator class public.X for type int using btree family public.X as operator 1 <, function 1 btint4cmp(int, int);
      alter operator class public.X using btree owner to C`,
  },
  {
    what: 'an operator family',
    catalog: 'pg_opfamily',
    make: 'create operator family public.X using hash; alter operator family public.X using hash owner to C',
  },
  {
    what: 'a text search configuration',
    catalog: 'pg_ts_config',
    make: 'create text search configuration public.X (copy = simple); alter text search configuration public.X owner to C',
  },
  {
    what: 'a text search dictionary',
    catalog: 'pg_ts_dict',
    make: 'create text search dictionary public.X (template = simple); alter text search dictionary public.X owner to C',
  },
  {
    what: 'statistics',
    catalog: 'pg_statistic_ext',
    make: 'create table public.X (n int, m int); alter table public.X owner to U; create statistics public.X_s on n, m from public.X; alter statistics public.X_s owner to C',
  },
  {
    what: 'an extension',
    catalog: 'pg_extension',
    make: 'grant create on database D to C; set role C; create extension citext; reset role',
  },
  {
    what: 'an extension, together with something that cannot be handed over',
    catalog: 'pg_extension',
    make: `grant create on database D to C; set role C; create extension citext; reset role;
      ${asSuper('create foreign data wrapper X; alter foreign data wrapper X owner to C')}`,
    stays: 'extension citext: there is no statement',
  },
  {
    what: 'a foreign-data wrapper',
    catalog: 'pg_foreign_data_wrapper',
    make: asSuper('create foreign data wrapper X; alter foreign data wrapper X owner to C'),
    stays: 'foreign-data wrapper x',
  },
  {
    what: 'a foreign server of a wrapper that the user may not use',
    catalog: 'pg_foreign_server',
    make: `${server} ${asSuper('alter server X owner to C')}`,
    stays: 'server x',
  },
  {
    what: 'a foreign server of a wrapper that the user may use',
    catalog: 'pg_foreign_server',
    make: `${server} grant usage on foreign data wrapper postgres_fdw to U; alter server X owner to C`,
  },
  {
    what: 'a user mapping',
    catalog: 'pg_user_mapping',
    make: `${server} create user mapping for C server X options (password 'a-secret')`,
    stays: 'user mapping for',
  },
  {
    what: 'a publication, where the user may not make one',
    catalog: 'pg_publication',
    make: 'grant create on database D to C; create publication X; alter publication X owner to C',
    stays: 'publication x',
  },
  {
    what: 'a publication, where the user may make one',
    catalog: 'pg_publication',
    make: 'grant create on database D to U; create publication X; alter publication X owner to C',
  },
  { what: 'a subscription', catalog: 'pg_subscription', make: subscription, since: 16 },
  {
    what: 'a subscription, which only a superuser can have',
    catalog: 'pg_subscription',
    make: subscription,
    stays: 'subscription x',
    until: 15,
  },
  {
    what: 'an event trigger',
    catalog: 'pg_event_trigger',
    make: asSuper(
      `create function public.X() returns event_trigger language plpgsql as 'begin end';
       create event trigger X on sql_drop execute function public.X(); alter event trigger X owner to C`,
    ),
    stays: 'event trigger x',
  },
  {
    what: 'a large object',
    catalog: 'pg_largeobject_metadata',
    make: `do $do$ declare id oid := lo_from_bytea(0, 'x'); begin execute format('alter large object %s owner to C', id); end $do$`,
  },
  {
    what: 'default privileges for the user',
    catalog: 'pg_default_acl',
    make: 'alter default privileges for role C in schema public grant all on tables to U',
  },
  {
    what: 'default privileges for the clone itself',
    catalog: 'pg_default_acl',
    make: 'alter default privileges for role C grant all on sequences to C',
  },
  {
    what: 'default privileges for another role that the user’s include too',
    catalog: 'pg_default_acl',
    make: 'alter default privileges for role C, U in schema public grant select on tables to A; alter default privileges for role C, U grant usage on sequences to A',
  },
  {
    what: 'default privileges in one schema that the user’s have in every schema',
    catalog: 'pg_default_acl',
    make: 'alter default privileges for role C in schema public grant select on tables to A; alter default privileges for role U grant select on tables to A',
  },
  {
    what: 'default privileges for PUBLIC that PUBLIC has anyway',
    catalog: 'pg_default_acl',
    make: 'alter default privileges for role C in schema public grant execute on functions to public',
  },
  {
    what: 'default privileges for another role',
    catalog: 'pg_default_acl',
    make: 'alter default privileges for role C in schema public grant select on tables to A',
    stays: 'default privileges on new relations',
  },
  {
    what: 'default privileges with more options than the user’s',
    catalog: 'pg_default_acl',
    make: 'alter default privileges for role U grant select on tables to A; alter default privileges for role C grant select on tables to A with grant option',
    stays: 'default privileges on new relations',
  },
  {
    what: 'default privileges for PUBLIC',
    catalog: 'pg_default_acl',
    make: 'alter default privileges for role C grant usage on schemas to public',
    stays: 'default privileges on new schemas',
  },
  {
    what: 'default privileges that take something from PUBLIC',
    catalog: 'pg_default_acl',
    make: 'alter default privileges for role C revoke execute on functions from public',
    stays: 'default privileges on new functions',
  },
  {
    what: 'default privileges that take from PUBLIC what the user’s take as well',
    catalog: 'pg_default_acl',
    make: 'alter default privileges for role C, U revoke execute on functions from public; alter default privileges for role C, U revoke usage on types from public',
  },
  {
    what: 'default privileges on large objects',
    catalog: 'pg_default_acl',
    make: 'alter default privileges for role C grant select on large objects to A',
    stays: 'default privileges on new large objects',
    since: 18,
  },
  {
    what: 'several things, of which some cannot be handed over',
    catalog: 'pg_class',
    make: `create table public.X (n int); alter table public.X owner to C; create schema "odd ""X" authorization C;
      create function public.X() returns int language sql as 'select 1'; alter function public.X owner to C;
      alter default privileges for role C grant select on tables to A;
      ${asSuper('create foreign data wrapper X; alter foreign data wrapper X owner to C')}`,
    stays: 'foreign-data wrapper x',
  },
]

/** What the clone can be granted itself, by the user, on what is the user's; `since` as above. */
const granted: { what: string; catalog: string; make: string; since?: number }[] = [
  {
    what: 'a table',
    catalog: 'pg_class',
    make: 'create table public.X (n int); alter table public.X owner to U; set role U; grant select on public.X to C with grant option; reset role',
  },
  {
    what: 'a column',
    catalog: 'pg_attribute',
    make: 'create table public.X (n int); alter table public.X owner to U; set role U; grant select (n) on public.X to C; reset role',
  },
  {
    what: 'a view',
    catalog: 'pg_class',
    make: 'create view public.X as select 1 as n; alter view public.X owner to U; set role U; grant select on public.X to C; reset role',
  },
  {
    what: 'a sequence',
    catalog: 'pg_class',
    make: 'create sequence public.X; alter sequence public.X owner to U; set role U; grant usage on sequence public.X to C; reset role',
  },
  {
    what: 'a function',
    catalog: 'pg_proc',
    make: `create function public.X(int, text) returns int language sql as 'select 1'; alter function public.X owner to U; set role U; grant execute on function public.X to C; reset role`,
  },
  {
    what: 'a procedure',
    catalog: 'pg_proc',
    make: `create procedure public.X() language sql as 'select 1'; alter procedure public.X owner to U; set role U; grant execute on procedure public.X to C; reset role`,
  },
  {
    what: 'an aggregate',
    catalog: 'pg_proc',
    make: 'create aggregate public.X (int) (sfunc = int4pl, stype = int); alter aggregate public.X(int) owner to U; set role U; grant execute on function public.X(int) to C; reset role',
  },
  {
    what: 'a type',
    catalog: 'pg_type',
    make: 'create type public.X as (n int); alter type public.X owner to U; set role U; grant usage on type public.X to C; reset role',
  },
  {
    what: 'a domain',
    catalog: 'pg_type',
    make: 'create domain public.X as int; alter domain public.X owner to U; set role U; grant usage on domain public.X to C; reset role',
  },
  {
    what: 'a schema',
    catalog: 'pg_namespace',
    make: 'create schema X authorization U; set role U; grant usage on schema X to C; reset role',
  },
  {
    what: 'a database',
    catalog: 'pg_database',
    make: 'alter database D owner to U; set role U; grant connect on database D to C; reset role',
  },
  {
    what: 'a tablespace',
    catalog: 'pg_tablespace',
    make: `${tablespace('U')};; set role U; grant create on tablespace X to C; reset role`,
  },
  {
    what: 'a language',
    catalog: 'pg_language',
    make: 'create trusted language X handler plpgsql_call_handler; alter language X owner to U; set role U; grant usage on language X to C; reset role',
  },
  {
    what: 'a foreign-data wrapper',
    catalog: 'pg_foreign_data_wrapper',
    make: 'alter role U superuser; create foreign data wrapper X; alter foreign data wrapper X owner to U; alter role U nosuperuser; set role U; grant usage on foreign data wrapper X to C; reset role',
  },
  {
    what: 'a foreign server',
    catalog: 'pg_foreign_server',
    make: `${server} alter server X owner to U; set role U; grant usage on foreign server X to C; reset role`,
  },
  {
    what: 'a large object',
    catalog: 'pg_largeobject_metadata',
    make: `do $do$ declare id oid := lo_from_bytea(0, 'x'); begin execute format('alter large object %s owner to U', id); set local role U; execute format('grant select on large object %s to C', id); end $do$; reset role`,
  },
  {
    what: 'default privileges',
    catalog: 'pg_default_acl',
    make: 'alter default privileges for role U in schema public grant select on tables to C; alter default privileges for role U grant execute on functions to C',
  },
  {
    what: 'a policy',
    catalog: 'pg_policy',
    make: 'create table public.X (n int); alter table public.X owner to U; create policy p on public.X to C; create policy q on public.X to C, A',
  },
]

const newestAndOldest = inject('postgres').filter(({ version }) => [18, 16, 14].includes(version))

describe.each(newestAndOldest)('PostgreSQL $version', server => {
  const engine = new Postgres({ caFile: server.caFile })

  async function makeTurn() {
    const app = await makeApp(server)
    const both = pairOf(app.user)
    const mark = `x${randomHex()}`
    const clone = app.current.with({ username: both.clone, password: `clone-${randomHex(8)}` })
    const open = async (credential = clone) => {
      await using proof = await engine.login(app.current)
      await using session = await engine.login(
        app.admin.with({ dbname: app.database }),
        proof.accountQualifier,
      )
      return await session.openUser(both, { user: credential.username, password: credential.password })
    }
    const drop = async () => {
      await using session = await engine.login(app.admin.with({ dbname: app.database }))
      await session.dropClone(both)
    }
    const differences = async () => {
      await using session = await engine.login(clone)
      // Other tests change settings of their own databases meanwhile.
      const found = await session.differences(both)
      return found.filter(text => !text.includes(' in database ') || text.includes(app.database))
    }
    const names: Record<string, string> = {
      C: name(both.clone),
      U: name(both.user),
      D: name(app.database),
      A: name(app.admin.username),
      X: mark,
    }
    const fill = (statements: string) =>
      statements
        // "C" is a collation.
        .replaceAll('"C"', '"c"')
        .replace(/\b[CUDAX](?=\b|[1_])/g, letter => names[letter] ?? letter)
        .replaceAll('"c"', '"C"')
    const sql = (statements: string) => runStatements(server, fill(statements), app.database)
    const make = async (statements: string) => {
      for (const message of statements.split(';;')) await sql(message)
    }
    const belongs = () =>
      sql(
        `select pg_describe_object(classid, objid, 0) as what from pg_shdepend s join pg_roles r on r.oid = refobjid
         where refclassid = 'pg_authid'::regclass and rolname = ${text(both.clone)} and deptype in ('o', 'a', 'r')
           and classid <> 'pg_auth_members'::regclass`,
      )
    const memberships = () =>
      sql(`select to_jsonb(m) - 'oid' as membership from pg_auth_members m join pg_roles r on r.oid = m.member
           where r.rolname = ${text(app.admin.username)} order by 1`)
    return { app, both, clone, mark, make, open, drop, differences, sql, belongs, memberships }
  }

  describe('what a clone owns is handed to the user or stays with the clone, and stops no rotation', () => {
    test.each(
      owned.filter(({ since = 0, until = 99 }) => since <= server.version && server.version <= until),
    )('$what', async ({ make: statements, stays }) => {
      const { make, app, clone, mark, open, drop, differences, sql, belongs, memberships } = await makeTurn()
      await open()
      await make(statements)
      const before = await memberships()
      const told = await open()
      expect(await differences()).toEqual([])
      expect(await admits(server, clone)).toBe(true)
      const words = stays?.replaceAll(/\bx\b/g, mark)
      if (words) expect(told).toContainEqual(expect.stringContaining(`${clone.username} keeps ${words}`))
      else {
        expect(told).toEqual([])
        expect(await belongs()).toEqual([])
      }
      expect(told.join()).not.toContain('a-secret')
      // The next rotations go well too, to the user and back to the clone.
      const back = app.current.with({ password: 'back' })
      await open(back)
      expect([await admits(server, back), await admits(server, clone)]).toEqual([true, true])
      await sql(`alter role U password ${text(app.current.password)}`)
      expect(await open()).toEqual(told)
      expect(await memberships()).toEqual(before)
      if (!words) {
        await drop()
        expect(await admits(server, clone)).toBe(false)
        return
      }
      const held = await belongs()
      expect(await rejectionOf(drop())).toMatchObject({
        name: 'NotPermitted',
        message: expect.stringContaining(words),
      })
      expect(await belongs()).toEqual(held)
      expect(await admits(server, clone)).toBe(true)
      expect(await memberships()).toEqual(before)
    })
  })

  describe('a clone loses what it was granted itself', () => {
    test.each(
      granted.flatMap(grant => [
        { ...grant, beside: 'and the clone keeps nothing', more: '' },
        {
          ...grant,
          beside: 'and the clone keeps something else',
          more: 'alter default privileges for role C grant select on sequences to A',
        },
      ]),
    )('$what, $beside', async ({ make: statements, more }) => {
      const { make, open, differences, sql, belongs, memberships } = await makeTurn()
      await open()
      const before = await memberships()
      await make(`${statements};; ${more}`)
      expect(await differences()).not.toEqual([])
      const told = await open()
      expect(await differences()).toEqual([])
      expect(await belongs()).toHaveLength(more ? 1 : 0)
      expect(told).toHaveLength(more ? 1 : 0)
      expect(await memberships()).toEqual(before)
      const policies = await sql(`select polname, array_length(polroles, 1) as roles from pg_policy`)
      if (statements.includes('policy')) expect(policies).toEqual([{ polname: 'q', roles: 1 }])
    })

    if (server.version >= 15)
      test('a clone that was granted a parameter is not dropped, as only a superuser could take the grant back', async () => {
        const { open, differences, sql, drop, belongs } = await makeTurn()
        await open()
        await sql('grant set on parameter log_statement to C')
        // Nobody but a superuser takes it back.
        await open()
        expect(await differences()).not.toEqual([])
        expect(await rejectionOf(drop())).toMatchObject({ name: 'NotPermitted' })
        await sql('revoke set on parameter log_statement from C')
        expect(await differences()).toEqual([])
        expect(await belongs()).toEqual([])
      })
  })

  test('the two lists above have every catalog in which the server notes owners and grants', async () => {
    const [catalogs] = await runStatements<{ owners: string[]; acls: string[] }>(
      server,
      `select array(select distinct fktable::text from pg_get_catalog_foreign_keys()
         where pktable = 'pg_authid'::regclass order by 1) as owners,
         array(select attrelid::regclass::text from pg_attribute
         where atttypid = 'aclitem[]'::regtype and attrelid < 16384 order by 1) as acls`,
    )
    /** Why a catalog needs no row in the tables above. */
    const excused: Record<string, string> = {
      pg_auth_members: 'memberships are brought up to date by themselves',
      pg_db_role_setting: 'settings are brought up to date by themselves',
      pg_parameter_acl: 'has a test of its own',
      pg_init_privs:
        'what an extension gave when it was made: DROP OWNED takes it, and it makes no difference',
    }
    const covered = (rows: { catalog: string }[]) => [
      ...rows.map(({ catalog }) => catalog),
      ...Object.keys(excused),
    ]
    expect(catalogs?.owners.filter(catalog => !covered([...owned, ...granted]).includes(catalog))).toEqual([])
    expect(catalogs?.acls.filter(catalog => !covered(granted).includes(catalog))).toEqual([])
  })
})

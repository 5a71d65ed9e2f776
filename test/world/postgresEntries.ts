import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { escapeIdentifier as name, escapeLiteral as text } from 'pg'
import type { RunningPostgres } from '../../local/servers/postgres.ts'
import { randomHex, runStatements } from '../../local/servers/postgresDatabase.ts'
import { scramVerifier } from '../../rotation/engines/postgres/scram.ts'
import type { Entry, World } from './world.ts'

/** A state. `about` names the columns of the catalogs that it changes, such as `pg_roles.rolvaliduntil`. */
export type PostgresEntry = Entry & { about?: string[] }

/** Why a column of the catalogs needs no state. */
export const excusedColumns: Record<string, string> = {
  'pg_roles.oid': 'a role with another oid is another role, which the entry of the dropped clone tests',
  'pg_roles.rolpassword': 'always shows asterisks; generalEntries.ts changes the password itself',
  'pg_roles.rolreplication':
    'says nothing about logins: it follows like CREATEDB, as test/rotation/engines/postgres/postgresClone.fast.test.ts shows',
  'pg_roles.rolbypassrls': 'as the column above',
  'pg_roles.rolcreatedb': 'as the column above',
  'pg_database.oid': 'it cannot be changed',
  'pg_database.encoding': 'it cannot be changed, and a client sends and gets UTF-8 with every encoding',
  'pg_database.datlocprovider': 'it cannot be changed, and no statement compares texts by it',
  'pg_database.datistemplate': 'only keeps the database from being dropped',
  'pg_database.dathasloginevt':
    'the server’s note that there is an event trigger for logins, which is an entry',
  'pg_database.datfrozenxid':
    'the server’s bookkeeping; when it runs out, the server is read-only, which is an entry',
  'pg_database.datminmxid': 'as the column above',
  'pg_database.datlastsysoid': 'the server’s own bookkeeping',
  'pg_database.dattablespace': 'where files are, which a session cannot see',
  'pg_database.datcollate': 'it cannot be changed, and no statement compares texts by it',
  'pg_database.datctype': 'as the column above',
  'pg_database.datlocale': 'as the column above',
  'pg_database.daticulocale': 'as the column above',
  'pg_database.daticurules': 'as the column above',
  'pg_database.datcollversion': 'only causes a warning at a login',
}

/** The states of a PostgreSQL. */
export function postgresEntries(server: RunningPostgres): PostgresEntry[] {
  const pairs = ['alternating-users', 'temporary-clone'] as const
  const isSingleUser = ({ strategy }: World) => strategy === 'single-user'
  const sql = (statements: string, database = 'postgres') => runStatements(server, statements, database)
  const sqlInDatabase = (world: World, statements: string) => sql(statements, world.app.database)
  const exists = async (role: string) =>
    (await sql(`select from pg_roles where rolname = ${text(role)}`)).length > 0

  /** Runs statements if a role exists. In them, R stands for the role, D for the database, U for the user, A for the admin. */
  const forRole = async (world: World, role: string, statements: string) => {
    if (!(await exists(role))) return
    const names: Record<string, string> = {
      R: name(role),
      U: name(world.user),
      A: name(world.app.admin.username),
      D: world.app.database,
    }
    await sqlInDatabase(
      world,
      statements.replace(/\b[RUAD]\b/g, letter => names[letter] ?? letter),
    )
  }
  const forBoth = async (world: World, statements: string) => {
    for (const role of [world.user, world.clone]) await forRole(world, role, statements)
  }

  /** Has the server read its configuration files again, and waits until that applies to new sessions. */
  async function reload(): Promise<void> {
    const loaded = async () => (await sql('select pg_conf_load_time()::text as at'))[0]?.at
    const before = await loaded()
    await sql('select pg_reload_conf()')
    while ((await loaded()) === before) await sleep(10)
  }

  /** A change to the user in use, undone for both users, as the clone may have got it too. */
  const inUse = (
    what: string,
    make: string,
    undo: string,
    more: Partial<PostgresEntry> = {},
  ): PostgresEntry => ({
    name: `the account in use ${what}`,
    make: world => forRole(world, world.inUse, make),
    undo: world => forBoth(world, undo),
    ...more,
  })
  /** A change to the user of the next value, undone for both users. */
  const next = (
    what: string,
    make: string,
    undo: string,
    more: Partial<PostgresEntry> = {},
  ): PostgresEntry => ({
    name: `the account that takes over ${what}`,
    make: world => forRole(world, world.next, make),
    undo: world => forBoth(world, undo),
    strategies: pairs,
    ...more,
  })
  const admins = (
    what: string,
    make: string,
    undo: string,
    more: Partial<PostgresEntry> = {},
  ): PostgresEntry => ({
    name: `the admin ${what}`,
    make: world => forRole(world, world.app.admin.username, make),
    undo: world => forRole(world, world.app.admin.username, undo),
    strategies: pairs,
    ...more,
  })
  /** A value of an admin that was refused is not tried again for two minutes, so `undo` gives the admin another. */
  const renewed = (entry: PostgresEntry): PostgresEntry => ({
    ...entry,
    async undo(world) {
      await entry.undo(world)
      world.admin = world.app.admin.with({ password: `renewed-${randomHex()}` })
      await world.testServer.setPassword(world.admin)
    },
  })
  const database = (
    what: string,
    make: string,
    undo: string,
    more: Partial<PostgresEntry> = {},
  ): PostgresEntry => ({
    name: `the database ${what}`,
    make: ({ app }) => sql(make.replace(/\bD\b/g, app.database)),
    undo: ({ app }) => sql(undo.replace(/\bD\b/g, app.database)),
    ...more,
  })
  /** A setting of the user in use, everywhere or in this database. */
  const setting = (
    what: string,
    assignment: string,
    more: Partial<PostgresEntry> = {},
    where = '',
  ): PostgresEntry => {
    const [parameter] = assignment.split(' ', 1)
    const alter = `alter role R ${where}`
    return inUse(
      where ? `${what} in this database` : what,
      `${alter} set ${assignment}`,
      `${alter} reset ${parameter}`,
      {
        expectedEnd: succeedsOrTestFails,
        about: [
          'pg_roles.rolconfig',
          'pg_db_role_setting.setconfig',
          'pg_db_role_setting.setrole',
          ...(where ? ['pg_db_role_setting.setdatabase'] : []),
        ],
        ...more,
      },
    )
  }
  const inDatabase = 'in database D'
  /** A line of pg_hba.conf with this method for the user and its clone. */
  const hbaMethod = (method: string, more: Partial<PostgresEntry> = {}): PostgresEntry => ({
    name: `pg_hba.conf asks both accounts for ${method}`,
    async make(world) {
      const [{ hba_file: file } = { hba_file: '' }] = await sql('show hba_file')
      world.kept = { file, lines: readFileSync(file, 'utf8') }
      const { lines } = world.kept as { lines: string }
      writeFileSync(file, `hostssl all ${world.user},${world.clone} 127.0.0.1/32 ${method}\n${lines}`)
      const wrong = await sql('select error from pg_hba_file_rules where error is not null')
      if (wrong.length) throw new Error(`pg_hba.conf is wrong: ${wrong[0]?.error}`)
      await reload()
    },
    async undo({ kept }) {
      const { file, lines } = kept as { file: string; lines: string }
      writeFileSync(file, lines)
      await reload()
    },
    ...more,
  })
  /** A setting of the whole server. */
  const serverwide = (assignment: string, more: Partial<PostgresEntry> = {}): PostgresEntry => ({
    name: `the server is set to ${assignment}`,
    async make() {
      await sql(`alter system set ${assignment}`)
      await reload()
    },
    async undo() {
      await sql(`alter system reset ${assignment.split(' ', 1)[0]}`)
      await reload()
    },
    ...more,
  })
  /** Tries a login up to 20 times, as a statement with a timeout of one millisecond may fail. */
  const patiently = async (
    { testServer }: World,
    credential: Parameters<World['testServer']['admits']>[0],
  ) => {
    for (let tries = 0; tries < 20; tries++)
      if (await testServer.admits(credential).catch(() => false)) return true
    return false
  }

  const succeeds = () => /^(rotated|Forced)$/
  /** TestSecret fails if the user changes after the clone was made equal to it. */
  const succeedsOrTestFails = () => /^(rotated|Forced|TestFailed)$/
  return [
    // States of the user and its clone.
    inUse('expires', `alter role R valid until '2001-01-01'`, `alter role R valid until 'infinity'`, {
      locksOut: true,
      about: ['pg_roles.rolvaliduntil'],
    }),
    next('expires', `alter role R valid until '2001-01-01'`, `alter role R valid until 'infinity'`, {
      about: ['pg_roles.rolvaliduntil'],
    }),
    inUse('may have no connections', 'alter role R connection limit 0', 'alter role R connection limit -1', {
      locksOut: true,
      about: ['pg_roles.rolconnlimit'],
    }),
    next('may have no connections', 'alter role R connection limit 0', 'alter role R connection limit -1', {
      about: ['pg_roles.rolconnlimit'],
    }),
    inUse('is NOLOGIN', 'alter role R nologin', 'alter role R login', {
      locksOut: true,
      about: ['pg_roles.rolcanlogin'],
    }),
    next(
      'has all its statements logged',
      `alter role R set log_statement = 'all'`,
      'alter role R reset log_statement',
      {
        expectedEnd: succeeds,
        about: ['pg_db_role_setting.setconfig'],
      },
    ),
    next(
      'has a setting that no extension defines',
      `alter role R in database D set app.tenant = 'x'`,
      'alter role R in database D reset app.tenant',
      {
        expectedEnd: succeeds,
        about: ['pg_db_role_setting.setconfig'],
      },
    ),
    next('is NOLOGIN', 'alter role R nologin', 'alter role R login', { about: ['pg_roles.rolcanlogin'] }),
    inUse('does not inherit', 'alter role R noinherit', 'alter role R inherit', {
      about: ['pg_roles.rolinherit'],
      expectedEnd: succeeds,
    }),
    inUse('may create roles', 'alter role R createrole', 'alter role R nocreaterole', {
      about: ['pg_roles.rolcreaterole'],
    }),
    {
      name: 'the account in use gets another name',
      make: world => forRole(world, world.inUse, `alter role R rename to ${name(`${world.inUse}_old`)}`),
      undo: world => sql(`alter role ${name(`${world.inUse}_old`)} rename to ${name(world.inUse)}`),
      locksOut: true,
      about: ['pg_roles.rolname'],
      // If the user were renamed instead, the clone's name would be that of another user's clone.
      holders: ['clone'],
    },
    {
      name: 'the clone in use is dropped',
      make: world => forRole(world, world.clone, 'drop owned by R; drop role R'),
      async undo(world) {
        if (await exists(world.clone)) return
        const { password } = await world.current()
        const { admin, database } = world.app
        // The admin makes it, as it could not change a role that another has made.
        await runStatements(
          server,
          `create role ${name(world.clone)} login password ${text(await scramVerifier(password))};
           grant ${name(world.user)} to ${name(world.clone)}`,
          database,
          { user: admin.username, password: (world.admin ?? admin).password },
        )
      },
      strategies: pairs,
      holders: ['clone'],
      moments: ['before', 'after create'],
      locksOut: true,
    },
    {
      name: 'the clone that takes over is dropped',
      make: world => forRole(world, world.clone, 'drop owned by R; drop role R'),
      undo: async () => {},
      strategies: pairs,
      holders: ['user'],
    },
    {
      name: 'the clone is made a superuser',
      make: world => forRole(world, world.clone, 'alter role R superuser'),
      undo: world => forRole(world, world.clone, 'alter role R nosuperuser'),
      strategies: pairs,
      about: ['pg_roles.rolsuper'],
    },
    {
      name: 'the clone is no longer a member of the user',
      make: world => forRole(world, world.clone, 'revoke U from R cascade'),
      undo: world => forRole(world, world.clone, 'grant U to R'),
      strategies: pairs,
    },
    {
      name: 'another user has the clone’s name',
      make: async world => {
        if (!(await exists(world.clone)))
          await sql(`create role ${name(world.clone)} login password 'its own'`)
      },
      undo: async world => {
        if (
          !(await sql(`select from pg_auth_members where pg_get_userbyid(member) = ${text(world.clone)}`))
            .length
        )
          await sql(`drop role if exists ${name(world.clone)}`)
      },
      strategies: pairs,
      holders: ['user'],
      moments: ['before', 'after create'],
      expectedEnd: () => /^NotPermitted$/,
    },

    // Objects that the clone owns.
    ...(
      [
        [
          'default privileges',
          'alter default privileges for role R grant select on tables to A',
          'alter default privileges for role R revoke select on tables from A',
          'pg_default_acl',
        ],
        [
          'a foreign-data wrapper',
          'alter role R superuser; create foreign data wrapper w; alter foreign data wrapper w owner to R; alter role R nosuperuser',
          'drop foreign data wrapper if exists w',
          'pg_foreign_data_wrapper',
        ],
        [
          'a table',
          'create table public.t (n int); alter table public.t owner to R',
          'drop table if exists public.t',
          'pg_class',
        ],
        ['the database', 'alter database D owner to R', 'alter database D owner to A', 'pg_database.datdba'],
        ['a schema', 'create schema s authorization R', 'drop schema if exists s', 'pg_namespace'],
      ] as const
    ).map(
      ([what, make, undo, about]): PostgresEntry => ({
        name: `the clone owns ${what}`,
        make: world => forRole(world, world.clone, make),
        undo: async world => forRole(world, (await exists(world.clone)) ? world.clone : world.user, undo),
        strategies: pairs,
        expectedEnd: succeeds,
        about: [about],
        // Before the first rotation, there is no clone to own something.
        moments: ['before', 'after create', 'after set'],
      }),
    ),

    // States of the database.
    database(
      'is closed',
      'alter database D allow_connections false',
      'alter database D allow_connections true',
      {
        locksOut: true,
        about: ['pg_database.datallowconn'],
      },
    ),
    {
      name: 'the database is closed for a moment',
      async make({ app }) {
        await sql(`alter database ${app.database} allow_connections false`)
        sleep(300).then(() => sql(`alter database ${app.database} allow_connections true`))
      },
      undo: () => sleep(400),
      endsByItself: true,
      expectedEnd: succeeds,
    },
    database(
      'may have no connections',
      'alter database D connection limit 0',
      'alter database D connection limit -1',
      {
        locksOut: true,
        about: ['pg_database.datconnlimit'],
      },
    ),
    {
      name: 'the database gets another name',
      make: ({ app }) => sql(`alter database ${app.database} rename to ${app.database}_old`),
      undo: ({ app }) => sql(`alter database ${app.database}_old rename to ${app.database}`),
      locksOut: true,
      about: ['pg_database.datname'],
    },
    {
      name: 'CONNECT on the database is revoked from PUBLIC',
      make: ({ app }) => sql(`revoke connect on database ${app.database} from public`),
      undo: ({ app }) => sql(`grant connect on database ${app.database} to public`),
      locksOut: true,
      about: ['pg_database.datacl'],
    },
    {
      name: 'CONNECT on the database is granted only to the user',
      make: ({ app, user }) =>
        sql(
          `grant connect on database ${app.database} to ${name(user)}; revoke connect on database ${app.database} from public`,
        ),
      undo: ({ app }) => sql(`grant connect on database ${app.database} to public`),
      expectedEnd: succeeds,
      about: ['pg_database.datacl'],
    },
    ...[false, true].map(
      (both): PostgresEntry => ({
        name: `the database sets a role that ${both ? 'the admin and the user' : 'only the admin'} may use`,
        make: ({ app, user }) =>
          sql(
            `create role ${name(`acting_${user}`)};
             grant ${name(`acting_${user}`)} to ${name(app.admin.username)}${both ? `, ${name(user)}` : ''};
             alter database ${app.database} set role = ${text(`acting_${user}`)}`,
          ),
        undo: ({ app, user }) =>
          sql(`alter database ${app.database} reset role; drop role ${name(`acting_${user}`)}`),
        // TestSecret may fail until the clone is made equal to the user again.
        expectedEnd: succeedsOrTestFails,
        about: ['pg_db_role_setting.setrole'],
      }),
    ),
    ...(server.version >= 17
      ? [
          {
            name: 'an event trigger refuses the account in use',
            make: (world: World) =>
              sqlInDatabase(
                world,
                `create function public.refuse() returns event_trigger language plpgsql as $$ begin
                   if session_user = ${text(world.inUse)} then raise 'not now'; end if; end $$;
                 create event trigger refuse on login execute function public.refuse(); alter event trigger refuse enable always`,
              ),
            undo: (world: World) =>
              sqlInDatabase(
                world,
                'drop event trigger if exists refuse; drop function if exists public.refuse()',
              ),
            locksOut: true,
          },
        ]
      : []),

    // Settings of the user.
    setting('reads only', 'default_transaction_read_only = on'),
    setting('reads only', 'default_transaction_read_only = on', {}, inDatabase),
    setting('has a millisecond for a statement', 'statement_timeout = 1', { admits: patiently }),
    setting('has a millisecond for a lock', 'lock_timeout = 1', {}, inDatabase),
    setting('may be idle for a moment', 'idle_session_timeout = 200'),
    setting('makes MD5 password hashes', `password_encryption = 'md5'`),
    ...(server.version >= 16
      ? [setting('makes SCRAM verifiers with many iterations', 'scram_iterations = 200000', {}, inDatabase)]
      : []),
    ...(server.version >= 17
      ? [setting('has a millisecond for a transaction', 'transaction_timeout = 1', { admits: patiently })]
      : []),
    setting('finds functions of other schemas first', `search_path = 'public', 'pg_catalog'`, {}, inDatabase),
    setting('writes dates with the day first', `datestyle = 'German, DMY'`),
    setting('has backslash escapes in texts', 'standard_conforming_strings = off'),
    setting('has all its statements logged', `log_statement = 'all'`, { expectedEnd: () => /./ }),
    setting('sets no role', `role = 'none'`, {}, inDatabase),
    setting('loads a library that does not exist', `session_preload_libraries = 'nowhere'`, {
      locksOut: true,
      expectedEnd: () => /./,
    }),
    setting(
      'loads a library that does not exist',
      `session_preload_libraries = 'nowhere'`,
      { locksOut: true, expectedEnd: () => /./ },
      inDatabase,
    ),

    // States of the admin.
    admins('may no longer create roles', 'alter role R nocreaterole', 'alter role R createrole'),
    renewed(
      admins('expires', `alter role R valid until '2001-01-01'`, `alter role R valid until 'infinity'`),
    ),
    renewed(admins('is NOLOGIN', 'alter role R nologin', 'alter role R login')),
    admins('may have no connections', 'alter role R connection limit 0', 'alter role R connection limit -1', {
      isUndecidable: true,
    }),
    admins('does not inherit', 'alter role R noinherit', 'alter role R inherit', { expectedEnd: succeeds }),
    admins('reads only', 'alter role R set default_transaction_read_only = on', 'alter role R reset all', {
      expectedEnd: succeeds,
    }),
    admins(
      'makes MD5 password hashes',
      `alter role R set password_encryption = 'md5'`,
      'alter role R reset all',
      { expectedEnd: succeeds },
    ),
    admins(
      'loads a library that does not exist',
      `alter role R set session_preload_libraries = 'nowhere'`,
      'alter role R reset all',
    ),

    // Ways to authenticate.
    hbaMethod('scram-sha-256', { expectedEnd: succeeds }),
    hbaMethod('password', { expectedEnd: succeeds }),
    hbaMethod('trust', {
      isUndecidable: world => !isSingleUser(world),
      expectedEnd: world =>
        isSingleUser(world) ? /^(NotPermitted|Forced)$/ : /^(NotPermitted|Forced|rotated)$/,
    }),
    hbaMethod('reject', { locksOut: true }),
    hbaMethod('ident', { locksOut: true }),

    // States of the whole server.
    {
      name: 'the server restarts',
      // The rotation goes on while the server restarts.
      async make(world) {
        world.kept = server.restart()
      },
      undo: ({ kept }) => Promise.resolve(kept),
      endsByItself: true,
      expectedEnd: succeeds,
    },
    serverwide(`password_encryption = 'md5'`, { expectedEnd: succeeds }),
    ...(server.version >= 16 ? [serverwide('scram_iterations = 200000', { expectedEnd: succeeds })] : []),
    serverwide('default_transaction_read_only = on', { locksOut: isSingleUser, isUndecidable: true }),
  ]
}

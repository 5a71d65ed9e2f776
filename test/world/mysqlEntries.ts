import { readFileSync } from 'node:fs'
import mysql, { type Connection } from 'mysql2/promise'
import type { RunningMysql } from '../../local/servers/mysql.ts'
import { identifiedClause, runStatements } from '../../local/servers/mysqlDatabase.ts'
import { randomHex } from '../../local/servers/postgresDatabase.ts'
import type { Credential } from '../../rotation/credential.ts'
import { nativePasswordHash } from '../../rotation/engines/mysql/mysqlPasswordHashes.ts'
import type { StrategyName } from '../../rotation/strategies/strategyNames.ts'
import type { Entry, Moment, World } from './world.ts'

/** A state. `covers` names the columns of mysql.user, and the keys of a document in one, that the state changes. */
export type MysqlEntry = Entry & { covers?: string[] }

const twoUserStrategies: StrategyName[] = ['alternating-users', 'temporary-clone']
const early: Moment[] = ['before', 'after create']

/** The states of a MySQL or MariaDB. */
export function mysqlEntries(server: RunningMysql): MysqlEntry[] {
  const isMysql = server.engine === 'mysql'
  const sql = (...statements: string[]) => runStatements(server, statements)
  /** Runs ALTER USER for the user and the clone, if they exist. */
  const onBoth = ({ user, clone }: World, clause: string) =>
    sql(`alter user if exists ${user}@'%' ${clause}`, `alter user if exists ${clone}@'%' ${clause}`)
  const exists = async (user: string) =>
    (await sql(`select 1 from mysql.user where user = '${user}' and host = '%'`)).length > 0

  /** Two entries: a clause of ALTER USER for the user, and for the clone. If it `closes`, the server refuses that user's logins. */
  function clause(
    name: string,
    make: string,
    undo: string,
    { closes = false, ...rest }: { closes?: boolean } & Partial<MysqlEntry> = {},
  ): MysqlEntry[] {
    const entryOf = (which: 'user' | 'clone'): MysqlEntry => ({
      name: `the ${which} gets ${name}`,
      make: world => sql(`alter user if exists ${world[which]}@'%' ${make}`),
      async undo(world) {
        await onBoth(world, undo)
        await sql('flush user_resources')
      },
      locksOut: world => closes && world.inUse === world[which],
      ...(which === 'clone' && { strategies: twoUserStrategies }),
      ...rest,
    })
    return [entryOf('user'), entryOf('clone')]
  }

  /** A global variable of the server, which `undo` sets back. */
  function variable(name: string, value: string | number, rest: Partial<MysqlEntry> = {}): MysqlEntry {
    let before: unknown
    return {
      name: `${name} is ${value}`,
      async make() {
        const [row] = await sql(`select @@global.${name} as value`)
        before = row?.value
        await sql(`set global ${name} = ${value}`)
      },
      undo: () => sql(`set global ${name} = ${typeof before === 'string' ? `'${before}'` : before}`),
      // Strategies that need an admin meet a server's setting alike, and so do those that need none: one of each is enough.
      strategies: ['single-user', 'alternating-users'],
      ...rest,
    }
  }

  const privileges: MysqlEntry[] = [
    {
      name: 'the user has all privileges on the server',
      covers: ['access'],
      make: ({ user }) => sql(`grant all on *.* to ${user}`),
      undo: ({ user, app }) =>
        sql(
          `revoke all on *.* from ${user}`,
          // With partial_revokes, the privileges on the database become part of the global ones and are revoked with them.
          `grant select, insert, update, delete, create, drop on ${app.database}.* to ${user}`,
          ...(isMysql ? [`grant application_password_admin on *.* to ${user}`] : []),
        ),
    },
    {
      name: 'the user may no longer use its database',
      covers: ['access'],
      make: ({ app, user }) => sql(`revoke all on ${app.database}.* from ${user}`),
      undo: ({ app, user }) =>
        sql(`grant select, insert, update, delete, create, drop on ${app.database}.* to ${user}`),
      locksOut: world => world.inUse === world.user,
    },
    {
      name: 'the clone may no longer use its database',
      make: async ({ app, clone }) =>
        (await exists(clone)) &&
        (await sql(
          `grant select on ${app.database}.* to ${clone}`,
          `revoke all on ${app.database}.* from ${clone}`,
        )),
      undo: async ({ app, clone }) =>
        (await exists(clone)) && (await sql(`grant select, insert on ${app.database}.* to ${clone}`)),
      strategies: twoUserStrategies,
      locksOut: world => world.inUse === world.clone,
    },
    {
      name: 'the clone has more privileges than the user, with the grant option',
      make: async ({ app, clone }) =>
        (await exists(clone)) &&
        (await sql(
          `grant alter on ${app.database}.* to ${clone} with grant option`,
          `grant process on *.* to ${clone}`,
        )),
      undo: async () => {},
      strategies: twoUserStrategies,
    },
    {
      name: 'the user has a default role',
      covers: ['default_role', 'is_role'],
      make: ({ user, app }) =>
        sql(
          `create role if not exists role_${user}`,
          `grant role_${user} to ${user}`,
          `grant role_${user} to ${app.admin.username} with admin option`,
          isMysql
            ? `alter user ${user} default role role_${user}`
            : `set default role role_${user} for ${user}`,
        ),
      undo: ({ user }) => sql(`drop role role_${user}`),
    },
    {
      name: 'the user has a role that the admin may not grant',
      make: ({ user }) => sql(`create role if not exists role_${user}`, `grant role_${user} to ${user}`),
      undo: ({ user }) => sql(`drop role role_${user}`),
    },
    {
      name: 'the user is a proxy for an account, which the admin may not grant',
      make: ({ user }) =>
        sql(`create user if not exists for_${user}`, `grant proxy on for_${user} to ${user}`),
      undo: ({ user }) => sql(`revoke proxy on for_${user} from ${user}`, `drop user for_${user}`),
    },
  ]

  const accounts: MysqlEntry[] = [
    ...clause('a lock', 'account lock', 'account unlock', { closes: true, covers: ['account_locked'] }),
    ...clause('a password that has expired', 'password expire', 'password expire default', {
      closes: true,
      covers: ['password_expired', 'password_last_changed'],
      undo: ({ user, clone }) =>
        // This has the effect of setting the password again to the same.
        sql(
          isMysql
            ? `update mysql.user set password_expired = 'N' where user in ('${user}', '${clone}')`
            : `update mysql.global_priv set priv = json_set(priv, '$.password_last_changed', unix_timestamp())
               where user in ('${user}', '${clone}')`,
          'flush privileges',
        ),
    }),
    ...clause('a password that expires', 'password expire interval 1 day', 'password expire default', {
      covers: ['password_lifetime'],
    }),
    ...clause('REQUIRE SSL', 'require ssl', 'require none', { covers: ['ssl_type'] }),
    ...clause('REQUIRE X509', 'require x509', 'require none', { closes: true, covers: ['ssl_type'] }),
    ...clause('REQUIRE SUBJECT', "require subject '/CN=app' and issuer '/CN=ca'", 'require none', {
      closes: true,
      covers: ['x509_issuer', 'x509_subject'],
    }),
    ...clause('REQUIRE CIPHER', "require cipher 'AES128-SHA'", 'require none', {
      closes: true,
      covers: ['ssl_cipher'],
    }),
    ...clause(
      'one connection an hour',
      'with max_connections_per_hour 1',
      'with max_connections_per_hour 0',
      {
        locksOut: true,
        isUndecidable: true,
        usesUpLogin: true,
        covers: ['max_connections'],
      },
    ),
    ...clause('one query an hour', 'with max_queries_per_hour 1', 'with max_queries_per_hour 0', {
      locksOut: true,
      isUndecidable: true,
      covers: ['max_questions'],
    }),
    ...clause('one update an hour', 'with max_updates_per_hour 1', 'with max_updates_per_hour 0', {
      locksOut: true,
      isUndecidable: true,
      covers: ['max_updates'],
    }),
    ...clause('one connection at a time', 'with max_user_connections 1', 'with max_user_connections 0', {
      covers: ['max_user_connections'],
    }),
    {
      name: 'the user is renamed',
      covers: ['User'],
      make: ({ user }) => sql(`rename user ${user}@'%' to was_${user}@'%'`),
      undo: ({ user }) => sql(`rename user was_${user}@'%' to ${user}@'%'`),
      locksOut: world => world.inUse === world.user,
    },
    {
      name: 'the user is renamed, and its clone dropped before it is renamed back',
      make: ({ user }) => sql(`rename user ${user}@'%' to was_${user}@'%'`),
      async undo({ user, clone }) {
        await sql(`drop user if exists ${clone}@'%'`, `rename user was_${user}@'%' to ${user}@'%'`)
      },
      holders: ['user'],
      locksOut: true,
    },
    {
      name: 'the clone is dropped',
      covers: ['User'],
      make: ({ clone }) => sql(`drop user if exists ${clone}@'%'`),
      async undo(world) {
        const current = await world.current()
        if (current.username === world.clone && !(await exists(world.clone))) await remake(world, current)
      },
      strategies: twoUserStrategies,
      locksOut: world => world.inUse === world.clone,
    },
    {
      name: 'the user has a second account for another address',
      covers: ['Host'],
      make: ({ user }) =>
        sql(`create user if not exists ${user}@'10.%' ${identifiedClause(server, 'openConnection')}`),
      undo: ({ user }) => sql(`drop user ${user}@'10.%'`),
    },
    {
      name: 'the user has a second account for the address of this client',
      covers: ['Host'],
      make: ({ user }) =>
        sql(`create user if not exists ${user}@'127.0.0.1' ${identifiedClause(server, 'openConnection')}`),
      undo: ({ user }) => sql(`drop user ${user}@'127.0.0.1'`),
      locksOut: world => world.inUse === world.user,
    },
    {
      name: 'the clone has a second account for the address of this client',
      covers: ['Host'],
      make: ({ clone }) =>
        sql(`create user if not exists ${clone}@'127.0.0.1' ${identifiedClause(server, 'openConnection')}`),
      undo: ({ clone }) => sql(`drop user ${clone}@'127.0.0.1'`),
      strategies: twoUserStrategies,
      locksOut: world => world.inUse === world.clone,
    },
    {
      name: 'another user has the name of the clone',
      make: ({ clone }) =>
        sql(
          `create database if not exists of_${clone}`,
          `create user ${clone} ${identifiedClause(server, 'its own')}`,
          `grant select on of_${clone}.* to ${clone}`,
        ),
      undo: ({ clone }) => sql(`drop user ${clone}`, `drop database of_${clone}`),
      strategies: twoUserStrategies,
      holders: ['user'],
      moments: early,
      expectedEnd: () => /^NotPermitted$/,
    },
    {
      name: 'the clone exists without a password and privileges',
      covers: ['authentication_string'],
      make: ({ clone }) => sql(`create user ${clone}`),
      undo: async () => {},
      strategies: twoUserStrategies,
      holders: ['user'],
      moments: early,
      expectedEnd: () => /^rotated$/,
    },
    {
      name: 'the clone exists with the password of the rotation, without privileges',
      make: async world => {
        const { pending } = await world.store.describe(world.id)
        const version = await world.store.read(world.id, { token: pending ?? '' })
        const { username, password } = version?.credential ?? world.app.current
        await sql(
          `drop user if exists ${username}`,
          `create user ${username} ${identifiedClause(server, password)}`,
        )
      },
      undo: async () => {},
      strategies: twoUserStrategies,
      holders: ['user'],
      moments: ['after create', 'after set', 'before rollback'],
      expectedEnd: () => /^(rotated|InvalidCredential|Forced)$/,
    },
    {
      name: 'the clone is the DEFINER of a view',
      make: async ({ clone, app }) =>
        (await exists(clone)) &&
        (await sql(`create or replace definer = ${clone} view ${app.database}.v as select 1`)),
      undo: ({ app }) => sql(`drop view if exists ${app.database}.v`),
      strategies: twoUserStrategies,
    },
    {
      name: 'the database is dropped',
      make: ({ app }) => sql(`drop database ${app.database}`),
      undo: ({ app }) => sql(`create database ${app.database}`),
      // The server still accepts the login of a user that has privileges on the database's name.
      locksOut: true,
      isUndecidable: true,
    },
    {
      name: 'the user has another plugin, for which Keyturn cannot set a password',
      covers: ['plugin', 'authentication_string'],
      make: ({ user, app }) =>
        isMysql
          ? sql(`alter user ${user} identified with sha256_password by '${app.current.password}'`)
          : sql(`alter user ${user} identified via unix_socket`),
      undo: ({ user, app }) => sql(`alter user ${user} ${identifiedClause(server, app.current.password)}`),
      holders: ['user'],
      moments: early,
      locksOut: !isMysql,
      expectedEnd: () => /^(NotPermitted|LoginRefused)$/,
    },
    {
      name: 'the user has another plugin, while the clone is in use',
      covers: ['plugin'],
      make: ({ user }) =>
        sql(`alter user ${user} identified ${isMysql ? "with sha256_password by 'x'" : 'via unix_socket'}`),
      undo: ({ user, app }) => sql(`alter user ${user} ${identifiedClause(server, app.current.password)}`),
      holders: ['clone'],
    },
    {
      name: 'the user has a second password beside current',
      covers: isMysql ? ['additional_password'] : ['auth_or'],
      make: ({ user, app }) =>
        isMysql
          ? sql(`alter user ${user} identified by '${randomHex(8)}Aa1!' retain current password`)
          : sql(
              `alter user ${user} identified via mysql_native_password using '${nativePasswordHash('x')}' or mysql_native_password using '${nativePasswordHash(app.current.password)}'`,
            ),
      async undo(world) {
        if (isMysql) await sql(`alter user ${world.user} discard old password`)
        const current = await world.current()
        if (current.username === world.user) await world.testServer.setPassword(current)
      },
      moments: early,
      holders: ['user'],
    },
  ]

  /** An entry that may keep a rollback from setting current's password again. */
  const blockingRollback = (entry: MysqlEntry): MysqlEntry => ({
    ...entry,
    locksOut: ({ strategy }) => strategy === 'single-user',
  })

  /** Makes current's user again, with its password and privileges. */
  async function remake({ app }: World, { username, password }: Credential): Promise<void> {
    await sql(
      `create user ${username} ${identifiedClause(server, password)}`,
      `grant select, insert, update, delete, create, drop on ${app.database}.* to ${username}`,
    )
  }

  const admins: MysqlEntry[] = [
    ['CREATE USER', 'create user on *.*'],
    ['SELECT on the tables of accounts', 'select on mysql.*'],
    ['its privileges on the database', undefined],
  ].map(([what, privilege]) => ({
    name: `the admin loses ${what}`,
    make: ({ app }: World) =>
      sql(`revoke ${privilege ?? `all on ${app.database}.*`} from ${app.admin.username}`),
    undo: ({ app }: World) =>
      sql(
        `grant create user, process, reload on *.* to ${app.admin.username} with grant option`,
        `grant select, update on mysql.* to ${app.admin.username}`,
        `grant all on ${app.database}.* to ${app.admin.username} with grant option`,
      ),
  }))

  /** While the state lasts, a password that was set cannot be set back. */
  const readOnly = { locksOut: ({ strategy }: World) => strategy === 'single-user', isUndecidable: true }
  let superuserConnection: Connection | undefined
  const settings: MysqlEntry[] = [
    variable('read_only', 'on', readOnly),
    variable('require_secure_transport', 'on'),
    variable('sql_mode', "'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'"),
    variable('sql_quote_show_create', 'off'),
    variable('autocommit', 'off'),
    variable(isMysql ? 'transaction_read_only' : 'tx_read_only', 'on', readOnly),
    variable('init_connect', "'set names latin1'"),
    variable('init_connect', "'no statement'", { locksOut: true, isUndecidable: true }),
    variable('wait_timeout', 1),
    variable('max_allowed_packet', 1024),
    variable('lock_wait_timeout', 1),
    variable('default_password_lifetime', 1),
    {
      name: 'no connection is free',
      async make() {
        const { host, port, superuser } = server
        superuserConnection = await mysql.createConnection({
          host,
          port,
          ...superuser,
          ssl: { ca: readFileSync(server.caFile) },
        })
        await sql(`set global max_connections = ${isMysql ? 1 : 10}`)
        if (!isMysql) more = await Promise.all(Array.from({ length: 9 }, () => openConnection()))
      },
      async undo() {
        // A new connection might be refused, as one that was refused counts until it has ended.
        await superuserConnection?.query('set global max_connections = 300')
        for (const one of [superuserConnection, ...more]) await one?.end()
        more = []
      },
      locksOut: true,
      isUndecidable: true,
    },
    {
      name: 'the server restarts',
      make: () => server.restart(),
      undo: async () => {},
      endsByItself: true,
      moments: ['after set', 'before rollback'],
      strategies: ['single-user', 'alternating-users'],
      expectedEnd: () => /^(rotated|Forced)$/,
    },
  ]
  let more: Connection[] = []
  const openConnection = () => {
    const { host, port, superuser } = server
    return mysql.createConnection({ host, port, ...superuser, ssl: { ca: readFileSync(server.caFile) } })
  }

  return [...accounts, ...privileges, ...admins, ...settings, ...(isMysql ? mysqlOnly() : mariadbOnly())]

  function mysqlOnly(): MysqlEntry[] {
    const component = 'file://component_validate_password'
    /** Rules that all passwords of these tests break, so that a rollback cannot set current's password again. */
    const rules = (name: string, ...more: string[]): MysqlEntry => ({
      name: `validate_password with ${name}`,
      make: () => sql(`install component '${component}'`, ...more),
      undo: () => sql(`uninstall component '${component}'`),
      locksOut: ({ strategy }) => strategy === 'single-user',
    })
    return [
      ...clause('a history of passwords', 'password history 3', 'password history default', {
        covers: ['Password_reuse_history'],
      }).map(blockingRollback),
      ...clause('an interval of reuse', 'password reuse interval 3 day', 'password reuse interval default', {
        covers: ['Password_reuse_time'],
      }).map(blockingRollback),
      ...clause('PASSWORD REQUIRE CURRENT', 'password require current', 'password require current default', {
        covers: ['Password_require_current'],
      }),
      ...clause(
        'a lock after refused logins',
        'failed_login_attempts 3 password_lock_time unbounded',
        'failed_login_attempts 0 password_lock_time 0 account unlock',
        { covers: ['Password_locking'] },
      ),
      ...clause('a comment with an emoji', "comment 'owner 😀'", "comment 'nobody'", {
        covers: ['metadata'],
      }),
      ...clause('a second factor', 'add 2 factor identified with auth_socket', 'drop 2 factor', {
        closes: true,
        covers: ['multi_factor_authentication'],
        undo: async ({ user, clone }) => {
          for (const name of [user, clone]) await sql(`alter user ${name} drop 2 factor`).catch(() => {})
        },
      }),
      {
        name: 'the user may no longer retain its password',
        make: ({ user }) => sql(`revoke if exists application_password_admin on *.* from ${user}`),
        undo: ({ user }) => sql(`grant application_password_admin on *.* to ${user}`),
        strategies: ['dual-password'],
      },
      {
        name: 'the user has a partial revoke',
        covers: ['Restrictions'],
        make: ({ user, app }) =>
          sql(
            'set global partial_revokes = on',
            `grant select on *.* to ${app.admin.username} with grant option`,
            `grant select on *.* to ${user}`,
            `revoke select on mysql.* from ${user}`,
          ),
        undo: ({ user, app }) =>
          sql(
            `grant select on mysql.* to ${user}`,
            `revoke select on *.* from ${user}`,
            `grant select on ${app.database}.* to ${user}`,
          ),
      },
      variable('super_read_only', 'on', {
        ...readOnly,
        undo: () => sql('set global super_read_only = off', 'set global read_only = off'),
      }),
      variable('offline_mode', 'on', { locksOut: true, isUndecidable: true }),
      blockingRollback(
        variable('password_history', 3, {
          strategies: ['single-user', 'alternating-users', 'dual-password'],
        }),
      ),
      blockingRollback(
        variable('password_reuse_interval', 3, {
          strategies: ['single-user', 'alternating-users', 'dual-password'],
        }),
      ),
      variable('password_require_current', 'on', {
        strategies: ['single-user', 'alternating-users', 'dual-password'],
      }),
      variable('max_execution_time', 1, { locksOut: false, isUndecidable: true }),
      variable('activate_all_roles_on_login', 'on'),
      rules('MEDIUM', 'set global validate_password.special_char_count = 9'),
      rules(
        'a length',
        'set global validate_password.policy = LOW',
        'set global validate_password.length = 90',
      ),
      rules(
        'changed characters',
        'set global validate_password.policy = LOW',
        'set global validate_password.changed_characters_percentage = 100',
      ),
    ]
  }

  function mariadbOnly(): MysqlEntry[] {
    return [
      ...clause('a limit of time', 'with max_statement_time 0.5', 'with max_statement_time 0', {
        covers: ['max_statement_time'],
      }),
      {
        name: 'a plugin checks passwords, and refuses password hashes',
        make: () => sql("install soname 'simple_password_check'"),
        undo: () => sql("uninstall soname 'simple_password_check'"),
        locksOut: ({ strategy }) => strategy === 'single-user',
      },
      {
        name: 'a plugin checks passwords, but not password hashes',
        make: () =>
          sql('set global strict_password_validation = off', "install soname 'simple_password_check'"),
        undo: () =>
          sql("uninstall soname 'simple_password_check'", 'set global strict_password_validation = on'),
        expectedEnd: () => /^(rotated|Forced)$/,
      },
      {
        name: 'the user has another plugin, with the same password',
        covers: ['plugin'],
        make: ({ user, app }) =>
          sql(`alter user ${user} identified via ed25519 using password('${app.current.password}')`),
        undo: async () => {},
        holders: ['user'],
        moments: early,
        expectedEnd: () => /^rotated$/,
      },
      variable('max_statement_time', 0.000001, { isUndecidable: true }),
      variable('max_password_errors', 1000, {
        moments: early,
        expectedEnd: ({ strategy }) => (strategy === 'single-user' ? /^NotPermitted$/ : /^rotated$/),
      }),
    ]
  }
}

import { readFileSync } from 'node:fs'
import mysql from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { MYSQL_FLAVOURS, startMysql } from '../../../../local/servers/mysql.ts'
import { makeApp, runStatements } from '../../../../local/servers/mysqlDatabase.ts'
import type { App } from '../../../../local/servers/postgresDatabase.ts'
import type { Credential } from '../../../../rotation/credential.ts'
import type { Engine } from '../../../../rotation/engines/engine.ts'
import { Mariadb } from '../../../../rotation/engines/mysql/mariadb.ts'
import { Mysql } from '../../../../rotation/engines/mysql/mysql.ts'
import {
  type Change,
  change,
  nextPassword,
  resultOrError,
  wouldChange,
} from '../../../support/engines/changes.ts'
import { engineOf } from '../../../support/engines/mysqlScene.ts'

const servers = inject('mysql')
const possible = MYSQL_FLAVOURS.filter(({ engine }) =>
  servers.some(server => server.engine === engine),
).slice(0, 2)

type State = {
  name: string
  deeds: Change[]
  make: (app: App) => string[]
  /** Statements that set the server back. */
  undo?: string[]
  /** The error of the changes, and a part of its message. Unset if the changes go well. */
  throws?: { name: string; says: RegExp }
}

describe.each(possible)('$engine of $packages.suite: a check foresees how a change ends', flavour => {
  const itself = flavour.engine === 'mysql'
  let server: Awaited<ReturnType<typeof startMysql>>
  let engine: Engine
  let ask: mysql.Connection
  const sql = (...statements: string[]) => runStatements(server, statements)
  beforeAll(async () => {
    server = await startMysql(flavour)
    engine = engineOf(server)
    const { host, port, caFile, superuser } = server
    ask = await mysql.createConnection({ host, port, ssl: { ca: readFileSync(caFile) }, ...superuser })
  })
  afterAll(async () => {
    await ask?.end()
    await server?.stop()
  })

  const tables = [
    ...['user', 'db', 'tables_priv', 'columns_priv', 'procs_priv', 'proxies_priv'],
    ...(itself
      ? ['global_grants', 'role_edges', 'default_roles', 'password_history']
      : ['global_priv', 'roles_mapping']),
  ]
  /** @returns all accounts, their privileges and the server's variables, as lines */
  const told = async () => {
    const found: unknown[] = []
    for (const table of tables) found.push((await ask.query(`select * from mysql.${table}`))[0])
    // All but what counts.
    const [variables] = await ask.query(
      `show global variables where variable_name not like 'gtid%' and variable_name <> 'timestamp'`,
    )
    return JSON.stringify([...found, variables], undefined, 1).split('\n')
  }

  const rich = (app: App) => [
    `create role role_${app.user}`,
    `grant role_${app.user} to ${app.user}`,
    itself
      ? `alter user ${app.user} default role role_${app.user}`
      : `set default role role_${app.user} for ${app.user}`,
    `create table ${app.database}.t (a int, b int)`,
    `create procedure ${app.database}.p() select 1`,
    `grant select (a), update (b) on ${app.database}.t to ${app.user}`,
    `grant execute on procedure ${app.database}.p to ${app.user}`,
  ]
  const refused = (says: RegExp, name = 'NotPermitted') => ({ throws: { name, says } })
  const all: Change[] = ['clone', 'user', 'admin', 'own', 'add', 'drop']
  const byAdmin: Change[] = itself ? ['clone', 'admin', 'drop'] : ['clone', 'admin', 'drop', 'add']

  const states: State[] = [
    { name: 'nothing is in the way', deeds: all, make: () => [] },
    {
      name: 'the user has all kinds of grants, and the admin may pass them on',
      deeds: ['clone'],
      make: app => [...rich(app), `grant role_${app.user} to ${app.admin.username} with admin option`],
    },
    {
      name: 'the admin may not create users',
      deeds: byAdmin,
      make: app => [
        `revoke create user on *.* from ${app.admin.username}`,
        `revoke update on mysql.* from ${app.admin.username}`,
      ],
      ...refused(/lacks CREATE USER, which it takes for `/),
    },
    {
      name: 'the admin may write to mysql.* instead',
      deeds: ['clone', 'admin'],
      make: app => [
        `revoke create user on *.* from ${app.admin.username}`,
        `grant insert, update on mysql.* to ${app.admin.username}`,
      ],
    },
    {
      name: 'the admin may insert and update in mysql.*, which does not let it drop users',
      deeds: ['drop'],
      make: app => [
        `revoke create user on *.* from ${app.admin.username}`,
        `grant insert, update on mysql.* to ${app.admin.username}`,
      ],
      ...refused(/lacks CREATE USER, which it takes for `/),
    },
    {
      name: 'the admin may delete in mysql.*, which lets it drop users',
      deeds: ['drop'],
      make: app => [
        `revoke create user on *.* from ${app.admin.username}`,
        `grant delete on mysql.* to ${app.admin.username}`,
      ],
    },
    {
      name: 'the clone is a DEFINER',
      deeds: ['drop'],
      make: app => [
        `create definer = ${app.user}_clone procedure ${app.database}.of_clone() select 1`,
        `grant execute on ${app.database}.* to ${app.admin.username}`,
      ],
      ...refused(/is the DEFINER of routines/),
    },
    {
      name: 'the admin may not look at accounts',
      deeds: byAdmin,
      make: app => [`revoke select on mysql.* from ${app.admin.username}`],
      ...refused(/denied/),
    },
    {
      name: 'the admin may not pass a privilege on',
      deeds: ['clone'],
      make: app => [`revoke insert, delete on ${app.database}.* from ${app.admin.username}`],
      ...refused(
        /lacks INSERT on `db_\w+`\.\* with grant option; DELETE on `db_\w+`\.\* with grant option, which/,
      ),
    },
    {
      name: 'the admin has no grant option',
      deeds: ['clone'],
      make: app => [
        `revoke grant option on ${app.database}.* from ${app.admin.username}`,
        `revoke grant option on *.* from ${app.admin.username}`,
      ],
      ...refused(/lacks SELECT on/),
    },
    {
      name: 'the admin has no privileges on the database, which opening the user does not need',
      deeds: ['user', 'admin'],
      make: app => [`revoke all on ${app.database}.* from ${app.admin.username}`],
    },
    {
      name: 'the admin has the privileges on a pattern of databases',
      deeds: ['clone'],
      make: app => [
        `revoke all on ${app.database}.* from ${app.admin.username}`,
        `revoke grant option on ${app.database}.* from ${app.admin.username}`,
        `grant all on \`d__%\`.* to ${app.admin.username} with grant option`,
      ],
    },
    {
      name: 'the admin has the privileges on the table alone, and the user on the database',
      deeds: ['clone'],
      make: app => [
        ...rich(app).slice(3, 4),
        `grant all on ${app.database}.t to ${app.admin.username} with grant option`,
        `revoke all on ${app.database}.* from ${app.admin.username}`,
      ],
      ...refused(/lacks SELECT on `db_\w+`\.\*/),
    },
    {
      name: 'the admin has the privileges by a role',
      deeds: ['clone'],
      make: app => [
        `create role admins_${app.user}`,
        `grant all on ${app.database}.* to admins_${app.user} with grant option`,
        `revoke all on ${app.database}.* from ${app.admin.username}`,
        `grant admins_${app.user} to ${app.admin.username}`,
        itself
          ? `alter user ${app.admin.username} default role admins_${app.user}`
          : `set default role admins_${app.user} for ${app.admin.username}`,
      ],
    },
    {
      name: 'the user has a privilege on the server that the admin lacks',
      deeds: ['clone'],
      make: app => [`grant show databases on *.* to ${app.user}`],
      ...refused(/lacks SHOW DATABASES on \*\.\* with grant option/),
    },
    {
      name: 'the user has a role that the admin may not grant',
      deeds: ['clone'],
      make: app => rich(app).slice(0, 2),
      ...refused(/lacks `role_\w+`(@`%`)? with admin option/),
    },
    {
      name: 'the user has a proxy that the admin may not grant',
      deeds: ['clone'],
      make: app => [`create user for_${app.user}`, `grant proxy on for_${app.user} to ${app.user}`],
      ...refused(/lacks PROXY on .for_\w+.@.%. with grant option/),
    },
    {
      name: 'the user has a proxy that the admin may grant',
      deeds: ['clone'],
      make: app => [
        `create user for_${app.user}`,
        `grant proxy on for_${app.user} to ${app.user}`,
        `grant proxy on for_${app.user} to ${app.admin.username} with grant option`,
      ],
    },
    {
      name: 'the user has ALL on the database, and the admin all but one',
      deeds: ['clone'],
      make: app => [
        `grant all on ${app.database}.* to ${app.user}`,
        `revoke trigger on ${app.database}.* from ${app.admin.username}`,
      ],
      ...refused(/lacks ALL PRIVILEGES on `db_\w+`\.\* with grant option/),
    },
    {
      name: 'the user has ALL on the database, and so has the admin',
      deeds: ['clone'],
      make: app => [`grant all on ${app.database}.* to ${app.user} with grant option`],
    },
    {
      name: 'the user has a privilege on a table that was dropped',
      deeds: ['clone'],
      make: app => [
        `create table ${app.database}.t (a int)`,
        `grant select on ${app.database}.t to ${app.user}`,
        `drop table ${app.database}.t`,
      ],
      ...refused(/error 1146/, 'DatabaseFailed'),
    },
    {
      name: 'another user has the name of the clone',
      deeds: ['clone', 'user'],
      make: app => [`create user ${app.user}_clone`, `grant select on mysql.* to ${app.user}_clone`],
      ...refused(/no clone of/),
    },
    {
      name: 'the user has an authentication plugin that cannot be rotated',
      deeds: itself ? ['clone', 'admin', 'own'] : ['clone', 'admin'],
      make: app => [
        itself
          ? `alter user ${app.user} identified with sha256_password by '${app.current.password}'`
          : `alter user ${app.user} identified via unix_socket`,
      ],
      ...refused(/what can be rotated is one of/),
    },
    {
      name: 'the server is read_only',
      deeds: all,
      make: () => ['set global read_only = on'],
      undo: ['set global read_only = off'],
      ...refused(/read-only/, 'Unreachable'),
    },
    {
      name: 'the server is read_only, and the admin may write all the same',
      deeds: ['clone', 'admin'],
      make: app => [
        `grant ${itself ? 'connection_admin' : 'read_only admin'} on *.* to ${app.admin.username}`,
        'set global read_only = on',
      ],
      undo: ['set global read_only = off'],
    },
    {
      name: 'transactions are read-only by default',
      deeds: all,
      make: () => [`set global ${itself ? 'transaction_read_only' : 'tx_read_only'} = on`],
      undo: [`set global ${itself ? 'transaction_read_only' : 'tx_read_only'} = off`],
      ...refused(/read-only/, 'Unreachable'),
    },
    {
      name: 'the user has a limit of queries an hour',
      deeds: ['own'],
      make: app => [`alter user ${app.user} with max_queries_per_hour 1000`],
      ...refused(/MAX_QUERIES_PER_HOUR/),
    },
    ...(itself ? mysqlOnly() : mariadbOnly()),
  ]

  function mysqlOnly(): State[] {
    const component = 'file://component_validate_password'
    const ruled = (name: string, rule: string, deeds: Change[], rest: Partial<State> = {}): State => ({
      name: `validate_password: ${name}`,
      deeds,
      make: () => [`install component '${component}'`, 'set global validate_password.policy = LOW', rule],
      undo: [`uninstall component '${component}'`],
      ...rest,
    })
    return [
      {
        name: 'the user may not have two passwords',
        deeds: ['add'],
        make: app => [`revoke application_password_admin on *.* from ${app.user}`],
        ...refused(/lacks APPLICATION_PASSWORD_ADMIN or CREATE USER/),
      },
      {
        name: 'the user has SYSTEM_USER, and the admin has not',
        deeds: byAdmin.filter(deed => deed !== 'drop'),
        make: app => [`grant system_user on *.* to ${app.user}`],
        ...refused(/lacks SYSTEM_USER/),
      },
      {
        name: 'the clone has SYSTEM_USER, and the admin has not',
        deeds: ['clone'],
        make: app => [
          `create user ${app.user}_clone`,
          `grant select on ${app.database}.* to ${app.user}_clone`,
          `grant system_user on *.* to ${app.user}_clone`,
        ],
        ...refused(/lacks SYSTEM_USER/),
      },
      {
        name: 'the user has a dynamic privilege that the admin has without GRANT OPTION',
        deeds: ['clone'],
        make: app => [
          `grant backup_admin on *.* to ${app.user}`,
          `grant backup_admin on *.* to ${app.admin.username}`,
          `revoke update on mysql.* from ${app.admin.username}`,
          `revoke grant option on *.* from ${app.admin.username}`,
        ],
        ...refused(/lacks BACKUP_ADMIN on \*\.\* with grant option/),
      },
      {
        name: 'the admin may grant any role by ROLE_ADMIN',
        deeds: ['clone'],
        make: app => [...rich(app).slice(0, 3), `grant role_admin on *.* to ${app.admin.username}`],
      },
      {
        name: 'the server is super_read_only',
        deeds: all,
        make: () => ['set global super_read_only = on'],
        undo: ['set global super_read_only = off', 'set global read_only = off'],
        ...refused(/read-only/, 'Unreachable'),
      },
      {
        name: 'the user has a history of passwords',
        deeds: ['own', 'add'],
        make: app => [`alter user ${app.user} password history 3`],
        ...refused(/PASSWORD HISTORY/),
      },
      {
        name: 'the user is locked after refused logins',
        deeds: ['own'],
        make: app => [`alter user ${app.user} failed_login_attempts 3 password_lock_time 1`],
        ...refused(/FAILED_LOGIN_ATTEMPTS/),
      },
      ruled(
        'a length that neither password has',
        'set global validate_password.length = 60',
        ['own', 'add'],
        {
          ...refused(/by validate_password\.length|rules for passwords/),
        },
      ),
      ruled('a length that both passwords have', 'set global validate_password.length = 8', [
        'own',
        'add',
        'admin',
      ]),
    ]
  }

  function mariadbOnly(): State[] {
    return [
      {
        name: 'a plugin checks passwords, and refuses verifiers',
        deeds: all.filter(deed => deed !== 'drop'),
        make: () => ["install soname 'simple_password_check'"],
        undo: ["uninstall soname 'simple_password_check'"],
        ...refused(/strict_password_validation/),
      },
      {
        name: 'a plugin checks passwords, and accepts verifiers',
        deeds: all,
        make: () => ["install soname 'simple_password_check'", 'set global strict_password_validation = off'],
        undo: ['set global strict_password_validation = on', "uninstall soname 'simple_password_check'"],
      },
      {
        name: 'the user has a default role that the admin may not set',
        deeds: ['clone'],
        make: app => [
          ...rich(app).slice(0, 3),
          `grant role_${app.user} to ${app.admin.username} with admin option`,
          `revoke update on mysql.* from ${app.admin.username}`,
        ],
        ...refused(/lacks UPDATE on `mysql`\.\*, which/),
      },
      {
        name: 'the server blocks users after refused logins (max_password_errors)',
        deeds: ['own'],
        make: () => ['set global max_password_errors = 5'],
        undo: ['set global max_password_errors = 4294967295'],
        ...refused(/max_password_errors/),
      },
    ]
  }

  const by = async (deed: Change, { current, admin }: App) =>
    deed === 'own' || (deed === 'add' && itself)
      ? await engine.login(current)
      : await engine.login(admin, '%')

  test.each(states)('$name', async ({ deeds, make, undo = [], throws }) => {
    const apps: App[] = []
    for (const deed of deeds) {
      const app = await makeApp(server)
      if (itself && deed === 'add') await sql(`grant application_password_admin on *.* to ${app.user}`)
      apps.push(app)
      if (deed === 'drop') {
        await using session = await by('clone', app)
        await change.clone(session, app)
      }
    }
    await sql(...apps.flatMap(app => make(app)).filter((one, i, every) => every.indexOf(one) === i))
    try {
      const before = await told()
      const foreseen: Awaited<ReturnType<typeof resultOrError>>[] = []
      for (const [i, app] of apps.entries()) {
        const deed = deeds[i] as Change
        await using session = await by(deed, app)
        foreseen.push(await resultOrError(async () => wouldChange[deed](session, app)))
      }
      expect(await told(), 'nothing is changed').toEqual(before)
      for (const [i, app] of apps.entries()) {
        const deed = deeds[i] as Change
        const { name, message } = foreseen[i] ?? {}
        await using session = await by(deed, app)
        const real = await resultOrError(async () => change[deed](session, app))
        expect(name, `${deed}: ${message}; then ${real.message}`).toBe(real.name)
        expect(name, message).toBe(throws?.name)
        if (throws) expect(message).toMatch(throws.says)
        expect(`${message}`).not.toContain(nextPassword)
      }
    } finally {
      if (undo.length) await sql(...undo)
    }
  })

  test('if the admin’s grants are in an unknown form, the check says so and does not refuse the change', async () => {
    const app = await makeApp(server)
    const Engine = itself ? Mysql : Mariadb
    const odd = new Engine({
      caFile: server.caFile,
      async connect(config) {
        const connection = await mysql.createConnection(config)
        const query: (options: unknown) => Promise<never> = connection.query.bind(connection) as never
        const wrapped = async (options: { sql: string }) =>
          options.sql === 'show grants' ? [[{ grant: 'GRANT of a new kind' }]] : query(options)
        return Object.assign(connection, { query: wrapped as never })
      },
    })
    await using session = await odd.login(app.admin, '%')
    expect(await wouldChange.clone(session, app)).toEqual([
      expect.stringMatching(/^could not be looked at: what admin_/),
    ])
    expect(await change.clone(session, app)).toEqual([])
  })

  test('countFreeConnections counts by all limits that the session can see', async () => {
    const app = await makeApp(server)
    const room = async (value: Credential) => {
      await using session = await engine.login(value, '%')
      return await session.countFreeConnections(app.user)
    }
    const free = (await room(app.current)) ?? 0
    expect(free).toBeGreaterThan(250)
    expect(free).toBeLessThan(300)
    await sql(`alter user ${app.user} with max_user_connections 3`)
    await using _ = await engine.login(app.current)
    // Beside that one, the one that asks.
    expect(await room(app.current)).toBe(1)
    expect(await room(app.admin)).toBe(2)
    await sql(`revoke process on *.* from ${app.admin.username}`)
    expect(await room(app.admin)).toBeUndefined()
    await sql(`alter user ${app.user} with max_user_connections 0`)
    // A MariaDB that was started without max_user_connections lets nobody set it.
    if (itself) {
      await sql('set global max_user_connections = 2')
      expect(await room(app.current)).toBe(0)
      await sql('set global max_user_connections = 0')
    }
    await sql(`alter user ${app.user} with max_connections_per_hour 900`)
    expect(await room(app.current)).toBeUndefined()
    await sql(`revoke select on mysql.* from ${app.admin.username}`)
    expect(await room(app.admin)).toBeUndefined()
  })
})

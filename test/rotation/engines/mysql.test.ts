import { readFileSync } from 'node:fs'
import mysql from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { flavours, type MysqlServer, startMysql } from '../../../local/servers/mysql.ts'
import {
  admits,
  asSuperuser,
  credentialFor,
  identified,
  makeApp,
} from '../../../local/servers/mysqlDatabase.ts'
import { type App, hex } from '../../../local/servers/postgresDatabase.ts'
import type { Credential } from '../../../rotation/credential.ts'
import type { Engine } from '../../../rotation/engines/engine.ts'
import { Mariadb } from '../../../rotation/engines/mariadb.ts'
import { ed25519Verifier } from '../../../rotation/engines/mariadbPlugins.ts'
import { Mysql } from '../../../rotation/engines/mysql.ts'
import { quoteText } from '../../../rotation/engines/mysqlAccount.ts'
import { ruleAgainst } from '../../../rotation/engines/mysqlRules.ts'
import { nativeVerifier } from '../../../rotation/engines/mysqlVerifiers.ts'
import { Unproven } from '../../../rotation/engines/unproven.ts'
import { AlternatingUsers } from '../../../rotation/strategies/alternatingUsers.ts'
import { DualPassword } from '../../../rotation/strategies/dualPassword.ts'
import { tryLogin } from '../../../rotation/strategies/login.ts'
import { SingleUser } from '../../../rotation/strategies/singleUser.ts'
import { TemporaryClone } from '../../../rotation/strategies/temporaryClone.ts'
import { engineContract, other } from '../../support/contracts/engine.ts'
import { subjectOf } from '../../support/engines/mysqlSubject.ts'

const { pair } = new AlternatingUsers()
const servers = inject('mysql')

describe.skipIf(!servers.length).each(servers)('$name', server => {
  engineContract(subjectOf(server))

  const mysqlItself = server.engine === 'mysql'
  const engine = engineOf(server)
  const sql = (...statements: string[]) => asSuperuser(server, statements)
  const grantsOf = async (account: string) =>
    (await sql(`show grants for ${account}`)).map(row => String(Object.values(row)[0]))

  async function makeClone(app: App) {
    const both = pair(app.user)
    const clone = app.current.with({ username: both.clone, password: `clone-${hex(8)}` })
    const sync = async (by = engine) => {
      await using proof = await by.login(app.current)
      await using session = await by.login(app.admin.with({ dbname: app.database }), proof.host)
      await session.cloneUser(both, { user: clone.username, password: clone.password })
    }
    const differences = async () => {
      await using session = await engine.login(clone)
      return await session.differences(both, async () => app.current)
    }
    return { both, clone, sync, differences }
  }

  describe('login', () => {
    test('a value that names the other engine is InvalidCredential, and says which', async () => {
      const { current } = await makeApp(server)
      const wrong = new (mysqlItself ? Mariadb : Mysql)({ caFile: server.caFile })
      await expect(wrong.login(current)).rejects.toMatchObject({
        name: 'InvalidCredential',
        message: expect.stringContaining(`should be ${server.engine}`),
        field: 'engine',
      })
    })

    test('an account that its owner locked, or whose password expired, is told apart', async () => {
      const { current } = await makeApp(server)
      await sql(`alter user ${current.username} account lock`)
      await expect(engine.login(current)).rejects.toMatchObject({ name: 'LoginRefused' })
      await sql(`alter user ${current.username} account unlock password expire`)
      await expect(engine.login(current)).rejects.toMatchObject({
        name: 'NotPermitted',
        message: expect.stringContaining('expired'),
      })
    })
  })

  test('an account that requires TLS is LoginRefused without, and the message says why that may be', async () => {
    const { current } = await makeApp(server)
    await sql(`alter user ${current.username} require ssl`)
    await using _ = await engine.login(current)
    await expect(engine.login(other(current, { ssl: false }))).rejects.toMatchObject({
      name: 'LoginRefused',
      message: expect.stringContaining('ssl: false'),
    })
  })

  test.each([
    ['none', false],
    ['ssl', false],
    ["cipher 'TLS_AES_256_GCM_SHA384'", false],
    ['x509', true],
    ["issuer '/CN=an issuer'", true],
    ["subject '/CN=it''s the app'", true],
  ])('an admin sees whether an account that requires %s wants a certificate: %s', async (what, wants) => {
    const { user, admin } = await makeApp(server)
    await sql(`create user ${user}@'10.%' require ${what}`)
    await using session = await engine.login(admin)
    expect(await session.wantsCertificate?.(user)).toBe(wants)
    expect(await session.wantsCertificate?.(user.toUpperCase())).toBe(false)
  })

  test('the server gives a statement up as well, after the time that it has', async () => {
    const { current } = await makeApp(server)
    const connections: mysql.Connection[] = []
    const Engine = mysqlItself ? Mysql : Mariadb
    const hasty = new Engine({
      caFile: server.caFile,
      statementTimeout: 200,
      async connect(config) {
        const connection = await mysql.createConnection(config)
        connections.push(connection)
        return connection
      },
    })
    await using _ = await hasty.login(current)
    const setting = mysqlItself ? '@@max_execution_time' : '@@max_statement_time * 1000'
    const [rows] = (await connections[0]?.query(`select ${setting} as milliseconds`)) ?? []
    expect(rows).toEqual([{ milliseconds: 200 }])
  })

  describe('a clone that something names as its DEFINER', () => {
    test.each([
      ['views', 'view', '{}.v as select 1'],
      ['routines', 'procedure', '{}.p() select 1'],
      ['routines', 'function', '{}.f() returns int deterministic return 1'],
      ['triggers', 'trigger', '{}.tr before insert on {}.t for each row set new.a = 1'],
      ['events', 'event', '{}.e on schedule every 1 day do select 1'],
    ])('of %s (%s) is not dropped', async (kind, thing, rest) => {
      const app = await makeApp(server)
      // As the master of RDS may: then MySQL would drop it.
      if (mysqlItself) await sql(`grant allow_nonexistent_definer on *.* to ${app.admin.username}`)
      const { both, clone, sync } = await makeClone(app)
      await sync()
      const name = `${app.database}.${/\w+/.exec(rest)}`
      const makeFor = (definer: string) =>
        sql(
          `drop ${thing} if exists ${name}`,
          `create definer = ${definer} ${thing} ${rest.replaceAll('{}', app.database)}`,
        )
      await sql(`create table ${app.database}.t (a int)`)
      await makeFor(both.clone)
      await using session = await engine.login(app.admin, '%')
      await expect(session.dropUser(both)).rejects.toMatchObject({
        name: 'NotPermitted',
        message: expect.stringContaining(`is the DEFINER of ${kind}, which`),
      })
      expect(await admits(server, clone)).toBe(true)
      await makeFor(app.user)
      await sql(`create definer = ${both.clone}@'10.%' view ${app.database}.elsewhere as select 1`)
      await sql(`create definer = ${both.clone.toUpperCase()} view ${app.database}.capital as select 1`)
      await session.dropUser(both)
      expect(await admits(server, clone)).toBe(false)
    })

    test('it is closed when its grace time is over; unless another rotation takes it up', async () => {
      const app = await makeApp(server)
      const { both, clone, sync } = await makeClone(app)
      await sync()
      await sql(`create definer = ${both.clone} view ${app.database}.v as select 1`)
      const retire = (taken?: Credential) =>
        new TemporaryClone().retire(engine, {
          current: app.current,
          admin: async () => app.admin,
          takenUp: async () => taken,
          drop: true,
        })
      const refused = { name: 'NotPermitted', message: expect.stringContaining('is the DEFINER of views') }
      await expect(retire()).rejects.toMatchObject(refused)
      expect(await admits(server, clone)).toBe(false)
      const next = clone.with({ password: 'next' })
      await expect(retire(next)).rejects.toMatchObject(refused)
      expect(await admits(server, next)).toBe(true)
    })

    test('where the admin does not see it: MySQL drops it not, MariaDB does', async () => {
      const app = await makeApp(server)
      const hidden = `db_${hex()}`
      const { both, clone, sync } = await makeClone(app)
      await sync()
      await sql(
        `create database ${hidden}`,
        `create table ${hidden}.t (a int)`,
        `create definer = ${both.clone} trigger ${hidden}.tr before insert on ${hidden}.t for each row set @x = 1`,
      )
      await using session = await engine.login(app.admin, '%')
      const dropped = session.dropUser(both)
      if (mysqlItself)
        await expect(dropped).rejects.toMatchObject({
          name: 'NotPermitted',
          message: expect.stringContaining('referenced as a definer'),
        })
      else await dropped
      expect(await admits(server, clone)).toBe(mysqlItself)
    })

    test('what a clone can make, an admin sees that can grant what it takes', async () => {
      const app = await makeApp(server)
      const made = `db_${hex()}`
      const { both, sync } = await makeClone(app)
      await sync()
      await sql(
        `create database ${made}`,
        `grant create view, create routine, trigger, event on ${made}.* to ${app.admin.username} with grant option`,
        `create table ${made}.t (a int)`,
        ...[
          'view {}.v as select 1',
          'procedure {}.p() select 1',
          'trigger {}.tr before insert on {}.t for each row set @x = 1',
          'event {}.e on schedule every 1 day do select 1',
        ].map(rest => `create definer = ${both.clone} ${rest.replaceAll('{}', made)}`),
      )
      await using session = await engine.login(app.admin, '%')
      const refused = await session.dropUser(both).catch((error: Error) => error.message)
      for (const kind of ['views', 'routines', 'triggers', 'events']) expect(refused).toContain(kind)
    })
  })

  describe('accounts of several hosts', () => {
    test('the one that the login came in by is changed, cloned and locked; the others stay', async () => {
      const app = await makeApp(server, { host: '127.%' })
      const elsewhere = `${app.user}@'10.%'`
      await sql(`create user ${elsewhere} ${identified(server, 'theirs')}`)
      const stored = async (host: string) =>
        sql(
          `select authentication_string as verifier from mysql.user where user = '${app.user}' and host = '${host}'`,
        )
      const before = await stored('10.%')
      const { clone, both, sync, differences } = await makeClone(app)
      await sync()
      expect(await differences()).toEqual([])
      expect(await grantsOf(`${both.clone}@'127.%'`)).toHaveLength(2)
      await expect(grantsOf(both.clone)).rejects.toMatchObject({ errno: 1141 })
      const next = app.current.with({ password: 'next' })
      {
        await using session = await engine.login(app.current)
        await session.setPassword(app.user, 'next')
      }
      expect(await admits(server, next)).toBe(true)
      expect(await stored('10.%')).toEqual(before)
      await using proof = await engine.login(clone)
      await using session = await engine.login(app.admin, proof.host)
      await session.lockUser(app.user, pair(app.user))
      expect(await admits(server, next)).toBe(false)
      expect(await stored('10.%')).toEqual(before)
    })

    test('alternating users turn the accounts of the host that current came in by', async () => {
      const app = await makeApp(server, { host: '127.%' })
      const strategy = new AlternatingUsers()
      const { both, clone } = await makeClone(app)
      const admin = async () => app.admin
      const turn = async (current: Credential, pending: Credential) => {
        const rds = () => Promise.reject(new Error('this is not on RDS'))
        await strategy.apply(engine, {
          ...{ current, pending, admin, rds },
          previous: async () => undefined,
          async *stored() {},
        })
        expect(await admits(server, pending)).toBe(true)
        await strategy.retire(engine, {
          current: pending,
          admin,
          takenUp: async () => undefined,
          drop: false,
        })
        expect(await admits(server, current)).toBe(false)
      }
      await turn(app.current, clone)
      await turn(clone, app.current.with({ password: 'back' }))
      const hosts = await sql(
        `select distinct host as host from mysql.user where user in ('${both.user}', '${both.clone}')`,
      )
      expect(hosts).toEqual([{ host: '127.%' }])
    })

    test('a clone that comes in by another host than its user is a difference', async () => {
      const app = await makeApp(server, { host: '127.%' })
      const { clone, both, sync, differences } = await makeClone(app)
      await sync()
      await sql(
        `create user ${both.clone}@'127.0.0.1' ${identified(server, clone.password)}`,
        `grant select on ${app.database}.* to ${both.clone}@'127.0.0.1'`,
        `grant select on ${app.database}.* to ${app.user}@'127.%'`,
      )
      expect(await differences()).toEqual([expect.stringContaining('different hosts')])
    })
  })

  if (mysqlItself)
    test('a locked user does not log in by an old password either that was retained', async () => {
      const app = await makeApp(server)
      await sql(`alter user ${app.user} identified by 'newer' retain current password`)
      expect(await admits(server, app.current)).toBe(true)
      await using session = await engine.login(app.admin, '%')
      await session.lockUser(app.user, pair(app.user))
      for (const password of [app.current.password, 'newer'])
        expect(await admits(server, app.current.with({ password }))).toBe(false)
    })

  if (mysqlItself)
    test('an account that must tell its current password does', async () => {
      const app = await makeApp(server)
      await sql(`alter user ${app.user} password require current`)
      await using session = await engine.login(app.current)
      await session.setPassword(app.user, 'second')
      await session.setPassword(app.user, 'third')
      expect(await admits(server, app.current.with({ password: 'third' }))).toBe(true)
    })

  if (mysqlItself)
    test.each([
      ['password history 1', true],
      ['password history 2', false],
      ['password reuse interval 1 day', false],
      ['failed_login_attempts 3 password_lock_time 1', false],
      ['failed_login_attempts 3 password_lock_time 0', true],
    ])('a single user with %s turns, as a rollback could take it back: %s', async (rule, may) => {
      const { current, user } = await makeApp(server)
      await sql(`alter user ${user} ${rule}`)
      const pending = current.with({ password: `second-${hex(8)}` })
      const none = () => Promise.reject(new Error('not needed'))
      const change = { current, pending, previous: none, async *stored() {}, admin: none, rds: none }
      const turned = new SingleUser().apply(engine, change)
      if (may) {
        await turned
        await using session = await engine.login(pending)
        await session.setPassword(user, current.password)
      } else
        await expect(turned).rejects.toMatchObject({
          name: 'NotPermitted',
          message: expect.stringMatching(/PASSWORD HISTORY|FAILED_LOGIN_ATTEMPTS/),
        })
      expect([await admits(server, current), await admits(server, pending)]).toEqual([true, false])
    })

  test.each(['max_queries_per_hour 50', 'max_updates_per_hour 1', 'max_connections_per_hour 9'])(
    'a single user with %s is NotPermitted: a rollback could find it used up',
    async limit => {
      const { current, user } = await makeApp(server)
      await sql(`alter user ${user} with ${limit}`)
      const none = () => Promise.reject(new Error('not needed'))
      const change = {
        ...{ current, pending: current.with({ password: 'next' }) },
        ...{ previous: none, async *stored() {}, admin: none, rds: none },
      }
      await expect(new SingleUser().apply(engine, change)).rejects.toMatchObject({
        name: 'NotPermitted',
        message: expect.stringContaining(limit.toUpperCase()),
      })
      expect(await admits(server, current)).toBe(true)
    },
  )

  describe('plugins', () => {
    const own = [
      'mysql_native_password',
      'ed25519',
      ...(server.name.startsWith('MariaDB 11') ? ['parsec'] : []),
    ]
    if (!mysqlItself)
      test.each(own)('%s: the account keeps it, the clone gets it, and both log in', async plugin => {
        const app = await makeApp(server)
        const password = `'\\pässwörd of ${plugin} ${hex()}`
        const made = `'${hex()}'`
        await sql(`alter user ${app.user} identified via ${plugin} using password(${made})`)
        const current = app.current.with({ password: made.slice(1, -1) })
        const { both, clone } = await makeClone(app)
        {
          await using session = await engine.login(current)
          await session.setPassword(app.user, password)
        }
        const next = current.with({ password })
        await expect(engine.login(current)).rejects.toMatchObject({ name: 'LoginRefused' })
        await using proof = await engine.login(next)
        await using session = await engine.login(app.admin, proof.host)
        await session.cloneUser(both, { user: clone.username, password: clone.password })
        await using partner = await engine.login(clone)
        expect(await partner.differences(both, async () => next)).toEqual([])
        await session.setPassword(app.user, 'by the admin')
        await using _ = await engine.login(next.with({ password: 'by the admin' }))
        const plugins = await sql(
          `select distinct plugin from mysql.user where user in ('${both.user}', '${both.clone}')`,
        )
        expect(plugins).toEqual([{ plugin }])
        await session.lockUser(app.user, pair(app.user))
        await expect(engine.login(next)).rejects.toMatchObject({ name: 'LoginRefused' })
        expect(subjectOf(server).logged()).not.toMatch(new RegExp(`${clone.password}|pässwörd of ${plugin}`))
      })

    if (!mysqlItself)
      test('the verifier of ed25519 is what the server itself would have stored', async () => {
        const { user } = await makeApp(server)
        for (const password of ['x', 'pässwörd', 'y'.repeat(100)]) {
          await sql(`alter user ${user} identified via ed25519 using password('${password}')`)
          const [row] = await sql(
            `select authentication_string as stored from mysql.user where user = '${user}'`,
          )
          expect(ed25519Verifier(password)).toBe(row?.stored)
        }
      })

    if (mysqlItself)
      test('an account with a second factor cannot be rotated', async () => {
        const app = await makeApp(server)
        await sql("install plugin auth_socket soname 'auth_socket.so'")
        try {
          await sql(`alter user ${app.user} add 2 factor identified with auth_socket`)
          await using session = await engine.login(app.admin, '%')
          const changed = session.setPassword(app.user, 'x')
          await expect(changed).rejects.toMatchObject({
            name: 'NotPermitted',
            message: expect.stringContaining('caching_sha2_password and auth_socket; what can be rotated'),
          })
          await expect(engine.login(app.current)).rejects.toMatchObject({ name: 'LoginRefused' })
        } finally {
          await sql(`drop user ${app.user}`, 'uninstall plugin auth_socket')
        }
      })

    const unfit = mysqlItself
      ? ['identified with sha256_password']
      : [
          'identified via unix_socket',
          `identified via mysql_native_password using '${nativeVerifier('p')}' or unix_socket`,
        ]
    test.each(unfit)('%s cannot be rotated: NotPermitted, and nothing changes', async clause => {
      const app = await makeApp(server)
      await using session = await engine.login(app.admin, '%')
      await sql(`alter user ${app.user} ${clause}`)
      const both = pair(app.user)
      for (const change of [
        session.setPassword(app.user, 'x'),
        session.lockUser(app.user, pair(app.user)),
        session.cloneUser(both, { user: both.clone, password: 'x' }),
      ])
        await expect(change).rejects.toMatchObject({
          name: 'NotPermitted',
          message: expect.stringContaining('can be rotated'),
        })
      const [made] = await sql(`select 1 from mysql.user where user = '${both.clone}'`)
      expect(made).toBeUndefined()
    })
  })

  describe('cloneUser', () => {
    test('what the server says of user and clone differs in name and password alone', async () => {
      const subject = subjectOf(server)
      const app = await makeApp(server)
      const { both, sync } = await makeClone(app)
      const told = async (account: string) =>
        [...(await sql(`show create user ${account}`)), ...(await sql(`show grants for ${account}`))]
          .map(row => String(Object.values(row)[0]).replaceAll(account, ''))
          .map(line => line.replace(/(AS|PASSWORD) '[^']+'| ATTRIBUTE '{}'/g, ''))
          .toSorted()
      const plain = await told(app.user)
      await subject.change(app)
      const changed = await told(app.user)
      await sync()
      expect(await told(both.clone)).toEqual(changed)
      await subject.changeBack(app)
      await sync()
      expect(await told(both.clone)).toEqual(plain)
      expect(await told(app.user)).toEqual(plain)
      for (const clause of [
        ...['REQUIRE SSL', 'MAX_QUERIES', 'MAX_UPDATES', 'MAX_CONNECTIONS', 'MAX_USER', 'INTERVAL 90 DAY'],
        ...(mysqlItself
          ? [
              'HISTORY 5',
              'REUSE INTERVAL 6',
              'CURRENT ',
              'ATTEMPTS 3',
              'LOCK_TIME 2',
              'comment',
              'DEFAULT ROLE',
            ]
          : ['MAX_STATEMENT_TIME', 'SET DEFAULT ROLE']),
        ...['GRANT PROXY', 'GRANT OPTION', 'ADMIN OPTION', 'EXECUTE ON PROCEDURE', 'SELECT (`a`)'],
      ])
        expect(changed.join('\n')).toContain(clause)
    })

    test('an account that may do nothing is no clone if its own password was proven', async () => {
      const app = await makeApp(server)
      const { both, clone, sync } = await makeClone(app)
      await sql(`create user ${both.clone}@'%'`)
      await using proof = await engine.login(app.current)
      await using session = await engine.login(app.admin, proof.host)
      const refused = { name: 'NotPermitted', message: expect.stringContaining('no clone') }
      await expect(session.cloneUser(both, { user: both.user, password: 'taken' })).rejects.toMatchObject(
        refused,
      )
      await expect(session.lockUser(both.user, both)).rejects.toMatchObject(refused)
      expect(await admits(server, app.current)).toBe(true)
      await sync()
      expect(await admits(server, clone)).toBe(true)
    })

    const changes: [string, (app: App) => string[]][] = [
      ['require x509', ({ user }) => [`alter user ${user} require x509`]],
      ['a limit of connections', ({ user }) => [`alter user ${user} with max_user_connections 1`]],
      ['a password that has expired', ({ user }) => [`alter user ${user} password expire`]],
      ['a password that expires', ({ user }) => [`alter user ${user} password expire interval 1 day`]],
      ['a lock', ({ user }) => [`alter user ${user} account lock`]],
      [
        'fewer privileges, without those on the database',
        ({ user, database }) => [
          `create table ${database}.t (a int)`,
          `grant select on ${database}.t to ${user}`,
          `grant select on ${database}.t to ${user}_clone`,
          `revoke all on ${database}.* from ${user}`,
        ],
      ],
      ['more privileges', ({ user, database }) => [`grant create view on ${database}.* to ${user}`]],
      [
        'another role by default',
        ({ user }) => [
          `create role role_${user}`,
          `grant role_${user} to ${user}`,
          mysqlItself
            ? `alter user ${user} default role role_${user}`
            : `set default role role_${user} for ${user}`,
        ],
      ],
      ...(mysqlItself
        ? ([
            ['history', ({ user }) => [`alter user ${user} password history 5`]],
            [
              'a lock after refused logins',
              ({ user }) => [`alter user ${user} failed_login_attempts 1 password_lock_time 1`],
            ],
            ['a comment', ({ user }) => [`alter user ${user} comment 'hello'`]],
          ] satisfies [string, (app: App) => string[]][])
        : []),
    ]
    test.each(changes)('%s of the user is nothing to the clone that is in use', async (_, change) => {
      const app = await makeApp(server)
      const { both, clone, sync } = await makeClone(app)
      await sync()
      await sql(...change(app))
      const told = async () => [
        ...(await sql(`show create user ${both.clone}`)),
        ...(await sql(`show grants for ${both.clone}`)),
      ]
      const before = await told()
      await using proof = await engine.login(clone)
      const statements: string[] = []
      await using session = await engineOf(server, statement => statements.push(statement)).login(
        app.admin,
        proof.host,
      )
      expect(await session.cloneUser(both, { user: both.user, password: 'next' })).toEqual([])
      expect(await told()).toEqual(before)
      expect(
        statements.filter(statement => /^(alter|grant|revoke|create|set default)/.test(statement)),
      ).toEqual([expect.stringContaining(`alter user \`${both.user}\`@`)])
      expect(await admits(server, clone)).toBe(true)
    })

    test('a clone that is gone is not made to open the user', async () => {
      const app = await makeApp(server)
      const both = pair(app.user)
      await using session = await engine.login(app.admin, '%')
      await session.cloneUser(both, { user: both.user, password: 'next' })
      expect(await admits(server, app.current.with({ password: 'next' }))).toBe(true)
      expect(await sql(`select 1 from mysql.user where user = '${both.clone}'`)).toEqual([])
    })

    test('ALL gives way to less, and less to ALL', async () => {
      const app = await makeApp(server)
      const { both, sync, differences } = await makeClone(app)
      await sync()
      await sql(`grant all on ${app.database}.* to ${app.user}`)
      await sync()
      expect(await differences()).toEqual([])
      expect(await grantsOf(both.clone)).toContainEqual(expect.stringContaining('ALL PRIVILEGES'))
      await sql(
        `revoke all on ${app.database}.* from ${app.user}`,
        `grant select, insert on ${app.database}.* to ${app.user}`,
      )
      expect(await differences()).not.toEqual([])
      await sync()
      expect(await differences()).toEqual([])
      expect(await grantsOf(both.clone)).toContainEqual(expect.stringMatching(/^GRANT SELECT, INSERT ON/))
    })

    test('what the clone was given besides is taken back, but for what the user has', async () => {
      const app = await makeApp(server)
      const { both, sync, differences } = await makeClone(app)
      await sync()
      await sql(
        `create table ${app.database}.t (a int)`,
        `grant process on *.* to ${both.clone} with grant option`,
        `grant alter on ${app.database}.* to ${both.clone} with grant option`,
        `grant references (a) on ${app.database}.t to ${both.clone}`,
        ...(mysqlItself
          ? [`grant application_password_admin on *.* to ${both.clone} with grant option`]
          : []),
      )
      if (mysqlItself)
        await sql(
          `grant application_password_admin on *.* to ${app.user}, ${app.admin.username} with grant option`,
          `revoke grant option on *.* from ${app.user}`,
        )
      expect(await differences()).not.toEqual([])
      await sync()
      expect(await differences()).toEqual([])
      const privileges = async (account: string) =>
        (await grantsOf(account)).map(line => line.replace(/ TO .*?( WITH GRANT OPTION)?$/, '$1'))
      expect(await privileges(both.clone)).toEqual(await privileges(app.user))
    })

    test('names of objects and patterns stay what they are', async () => {
      const app = await makeApp(server)
      const odd = `o\`dd'"${hex()}`
      const quoted = `\`${odd.replaceAll('`', '``')}\``
      await sql(`create database ${quoted}`, `create table ${quoted}.\`ta\`\`ble\` (\`co\`\`l\` int)`)
      await sql(
        `grant all on ${quoted}.* to ${app.admin.username} with grant option`,
        `grant all on \`db\\_x%\`.* to ${app.admin.username} with grant option`,
      )
      await sql(
        `grant select (\`co\`\`l\`) on ${quoted}.\`ta\`\`ble\` to ${app.user}`,
        `grant select on \`db\\_x%\`.* to ${app.user} with grant option`,
      )
      const { clone, sync, differences } = await makeClone(app)
      await sync()
      expect(await differences()).toEqual([])
      await using session = await engine.login(clone)
      await session.run(`select \`co\`\`l\` from ${quoted}.\`ta\`\`ble\``)
    })

    if (mysqlItself)
      test('partial revokes follow, and end', async () => {
        const app = await makeApp(server)
        await sql(
          'set global partial_revokes = on',
          `grant select, insert on *.* to ${app.admin.username} with grant option`,
          `grant select on *.* to ${app.user}`,
          `revoke select on mysql.* from ${app.user}`,
        )
        const { both, sync, differences } = await makeClone(app)
        await sync()
        expect(await differences()).toEqual([])
        expect(await grantsOf(both.clone)).toContainEqual(expect.stringMatching(/^REVOKE SELECT ON `mysql`/))
        await sql(`grant select on mysql.* to ${app.user}`)
        expect(await differences()).not.toEqual([])
        await sync()
        expect(await differences()).toEqual([])
      })

    test('the option of a role, a dynamic privilege or a proxy goes by itself', async () => {
      const app = await makeApp(server)
      const [role, proxied] = [`role_${hex()}`, `for_${hex()}`]
      const kinds = [role, `proxy on ${proxied}`, ...(mysqlItself ? ['role_admin on *.*'] : [])]
      const give = (what: string, to: string) => `grant ${what} to ${to}`
      const giveOption = (what: string, to: string) =>
        `${give(what, to)} with ${what === role ? 'admin' : 'grant'} option`
      await sql(
        `create role ${role}`,
        `create user ${proxied}`,
        ...kinds.flatMap(what => [giveOption(what, app.admin.username), give(what, app.user)]),
        mysqlItself
          ? `alter user ${app.user} default role ${role}`
          : `set default role ${role} for ${app.user}`,
      )
      if (mysqlItself)
        await sql(
          giveOption('connection_admin on *.*', app.admin.username),
          giveOption('connection_admin on *.*', app.user),
        )
      const { both, sync, differences } = await makeClone(app)
      const options = async (account: string) =>
        (await grantsOf(account))
          .map(line => line.replaceAll(account, ''))
          .filter(line => /OPTION/.test(line))
      await sync()
      expect(await differences()).toEqual([])
      for (const what of kinds) {
        await sql(giveOption(what, both.clone))
        expect(await differences()).not.toEqual([])
        await sync()
        expect(await differences()).toEqual([])
        expect(await options(both.clone)).toEqual(await options(app.user))
      }
    })

    if (mysqlItself)
      test('dynamic privileges that go together with the option of the whole server go at once', async () => {
        const app = await makeApp(server)
        const all = 'process, connection_admin, xa_recover_admin'
        await sql(
          ...[app.admin.username, app.user].map(to => `grant ${all} on *.* to ${to} with grant option`),
        )
        const { sync, differences } = await makeClone(app)
        await sync()
        await sql(`revoke ${all}, grant option on *.* from ${app.user}`)
        expect(await differences()).not.toEqual([])
        await sync()
        expect(await differences()).toEqual([])
      })

    test('a default role that was dropped since is nothing to the clone', async () => {
      const app = await makeApp(server)
      const role = `role_${hex()}`
      await sql(
        `create role ${role}`,
        `grant ${role} to ${app.user}`,
        `grant ${role} to ${app.admin.username} with admin option`,
        mysqlItself
          ? `alter user ${app.user} default role ${role}`
          : `set default role ${role} for ${app.user}`,
      )
      const { sync, differences } = await makeClone(app)
      await sync()
      await sql(`drop role ${role}`)
      await sync()
      expect(await differences()).toEqual([])
    })

    test('a proxy that the admin may not grant is NotPermitted', async () => {
      const app = await makeApp(server)
      const proxied = `for_${hex()}`
      await sql(`create user ${proxied}`, `grant proxy on ${proxied} to ${app.user}`)
      const { sync } = await makeClone(app)
      await expect(sync()).rejects.toMatchObject({
        name: 'NotPermitted',
        message: expect.stringContaining(`Access denied for user '${app.admin.username}'`),
      })
    })

    // The session is the admin's, as the user cannot log in without the certificate.
    test('REQUIRE follows, whatever the certificate must be', async () => {
      const app = await makeApp(server)
      const both = pair(app.user)
      await using session = await engine.login(app.admin, '%')
      const required = async (user: string) => {
        const [row] = await sql(
          `select concat_ws(' ', ssl_type, ssl_cipher, x509_issuer, x509_subject) as required
           from mysql.user where user = '${user}'`,
        )
        return String(row?.required)
      }
      let before = ''
      for (const clause of [
        'ssl',
        'x509',
        "subject '/C=DE/O=Some Company/CN=app'",
        "issuer '/C=DE/CN=ca' and subject '/CN=app' and cipher 'TLS_AES_256_GCM_SHA384'",
        "cipher 'TLS_AES_128_GCM_SHA256'",
        'none',
      ]) {
        await sql(`alter user ${app.user} require ${clause}`)
        await session.cloneUser(both, { user: both.clone, password: 'x' })
        const now = await required(app.user)
        expect(now).not.toBe(before)
        expect(await required(both.clone)).toBe(now)
        before = now
      }
    })

    if (mysqlItself)
      test('attributes follow, and what is taken out of one, however deep', async () => {
        const app = await makeApp(server)
        const { both, sync, differences } = await makeClone(app)
        const attributes = async (user: string) => {
          const [row] = await sql(
            `select attribute from information_schema.user_attributes where user = '${user}'`,
          )
          // As text: a number may have more digits than JavaScript's.
          return String(row?.ATTRIBUTE)
        }
        const follows = async (...changes: string[]) => {
          await sql(...changes.map(change => `alter user ${app.user} attribute ${quoteText(change)}`))
          await sync()
          expect(await differences()).toEqual([])
          expect(await attributes(both.clone)).toBe(await attributes(app.user))
        }
        for (const change of [
          `{"team": {"name": "it's", "of": {"x": 1, "y": [1, {"z": 2}]}}, "same": {"a": 1}, "tags": [{"a": 1, "b": 2}]}`,
          `{"team": {"of": {"x": null}}, "tags": [{"b": 2}]}`,
          `{"team": {"of": {"y": null}}, "more": {"k": {}}}`,
          `{"team": {"of": null}, "more": null}`,
          `{"team": "none", "tags": {"now": "an object"}}`,
          `{"team": {"again": 1}, "tags": null}`,
        ])
          await follows(change)
        expect(await attributes(both.clone)).toBe('{"same": {"a": 1}, "team": {"again": 1}}')
        for (const n of ['12345678901234567890', '12345678901234567891', '1.0', '1', '2']) {
          // Merged into a 1.0, a 1 leaves it as it is.
          await follows(`{"n": null, "in": null}`, `{"n": ${n}, "in": {"n": [${n}]}}`)
          expect(await attributes(both.clone)).toContain(`{"n": ${n}, "in": {"n": [${n}]}`)
        }
        await follows(`{"n": null, "in": null, "team": null}`)
        expect(await attributes(both.clone)).toBe('{"same": {"a": 1}}')
        // The server shows four question marks for such a character.
        for (const text of ['😀', '😁', '????', 'what?', '漢'])
          await follows(`{"same": null, "owner ${text}": "${text}"}`)
        expect(await attributes(both.clone)).toContain('"owner 😁": "😁"')
      })

    test('one that dies after any statement is mended by the next, and the user is never harmed', async () => {
      const subject = subjectOf(server)
      const app = await makeApp(server)
      await subject.change(app)
      const { both, clone, sync, differences } = await makeClone(app)
      const user = await grantsOf(app.user)
      let n = 0
      for (let died = true; died; n++) {
        let left = n
        died = false
        await sync(
          engineOf(server, statement => {
            if (!/^(create|alter|grant|revoke|set default)/.test(statement) || left-- > 0) return
            died = true
            throw new Error('the process died')
          }),
        ).catch(() => {})
        expect(await admits(server, app.current)).toBe(true)
        expect(await grantsOf(app.user)).toEqual(user)
        if (died) expect(await admits(server, clone)).toBe(false)
        // From scratch for each but the last.
        if (died && n % 2) await sql(`drop user ${both.clone}`)
      }
      expect(n).toBeGreaterThan(5)
      expect(await differences()).toEqual([])
    })
  })
})

const possible = flavours.filter(({ engine }) => servers.some(server => server.engine === engine)).slice(0, 2)
describe.each(possible)('a $engine of its own, whose settings matter', flavour => {
  let server: Awaited<ReturnType<typeof startMysql>>
  let engine: Engine
  const sql = (...statements: string[]) => asSuperuser(server, statements)
  beforeAll(async () => {
    server = await startMysql(flavour, { performance_schema: 'on' })
    engine = engineOf(server)
  })
  afterAll(() => server?.stop())

  test('a read-only server is Unreachable', async () => {
    const app = await makeApp(server)
    await sql('set global read_only = on')
    try {
      await using own = await engine.login(app.current)
      await expect(own.setPassword(app.user, 'x')).rejects.toMatchObject({ name: 'Unreachable' })
      await using session = await engine.login(app.admin, '%')
      await expect(session.lockUser(app.user, pair(app.user))).rejects.toMatchObject({ name: 'Unreachable' })
      expect(await admits(server, app.current)).toBe(true)
    } finally {
      await sql('set global read_only = off')
    }
  })

  test('what the server quotes, and lets its sessions write, by its own settings, is nothing to us', async () => {
    const variable = flavour.engine === 'mysql' ? 'transaction_read_only' : 'tx_read_only'
    await sql('set global sql_quote_show_create = off')
    try {
      const app = await makeApp(server)
      const both = pair(app.user)
      await using session = await engine.login(app.admin, '%')
      await session.cloneUser(both, { user: both.clone, password: 'p' })
      await sql(`set global ${variable} = on`)
      await using own = await engine.login(app.current)
      await expect(own.setPassword(app.user, 'x')).rejects.toMatchObject({ name: 'Unreachable' })
    } finally {
      await sql(`set global ${variable} = off`, 'set global sql_quote_show_create = on')
    }
  })

  test('a server that wants TLS says so without', async () => {
    const { current } = await makeApp(server)
    await sql('set global require_secure_transport = on')
    try {
      await expect(engine.login(other(current, { ssl: false }))).rejects.toMatchObject({
        name: server.name.startsWith('MariaDB 10') ? 'LoginRefused' : 'TlsFailed',
        message: expect.stringContaining('ssl: false'),
      })
    } finally {
      await sql('set global require_secure_transport = off')
    }
  })

  test('names and texts are read right where the server has them written otherwise', async () => {
    await sql("set global sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'")
    try {
      const app = await makeApp(server, { user: `o'br"ien` })
      const both = pair(app.user)
      await using session = await engine.login(app.admin, '%')
      await session.cloneUser(both, { user: both.clone, password: `'\\"` })
      const clone = app.current.with({ username: both.clone, password: `'\\"` })
      await using own = await engine.login(clone)
      expect(await own.differences(both, async () => app.current)).toEqual([])
    } finally {
      await sql('set global sql_mode = default')
    }
  })

  if (flavour.engine === 'mariadb')
    test('a server that takes no verifiers is NotPermitted', async () => {
      const app = await makeApp(server)
      await sql("install soname 'simple_password_check'")
      try {
        const both = pair(app.user)
        await using session = await engine.login(app.admin, '%')
        await using own = await engine.login(app.current)
        for (const change of [
          () => own.setPassword(app.user, 'x'),
          () => session.setPassword(app.user, 'x'),
          () => session.lockUser(app.user, both),
          () => session.cloneUser(both, { user: both.clone, password: 'x' }),
        ])
          await expect(change()).rejects.toMatchObject({
            name: 'NotPermitted',
            message: expect.stringContaining('strict_password_validation'),
          })
        expect(await admits(server, app.current)).toBe(true)
      } finally {
        await sql("uninstall soname 'simple_password_check'")
      }
    })

  if (flavour.engine === 'mariadb')
    test('a clone that is not there, whom the server asks for what some other account needs, is not open', async () => {
      const others = Array.from({ length: 20 }, () => `create user pam_${hex()} identified via pam`)
      await sql("install soname 'auth_pam'", ...others)
      for (let tries = 0; tries < 100; tries++) {
        const user = `app_${hex()}`
        const pending = credentialFor(server, pair(user).clone, 'p')
        const name = await engine.login(pending).catch((error: Error) => error.name)
        if (name !== 'NotPermitted') continue
        const { current, admin } = await makeApp(server, { user })
        const none = async () => undefined
        const no = async () => false
        const failed = { current, previous: none, rival: none, previousIsOpen: no, untouched: no }
        const undone = new AlternatingUsers().undo(engine, {
          ...failed,
          pending: current.with({ username: pending.username, password: 'p' }),
          admin: async () => admin,
          rds: () => Promise.reject(new Error('RDS is not asked')),
          async *stored() {},
        })
        return expect(await undone).toBe('intact')
      }
      expect.fail('the server asks nobody for what it asks the others')
    })

  test('performance_schema has what every session runs and ran, and no password', async () => {
    const app = await makeApp(server)
    const itself = flavour.engine === 'mysql'
    await sql(
      "update performance_schema.setup_consumers set enabled = 'YES'",
      "update performance_schema.setup_instruments set enabled = 'YES' where name like 'statement/%'",
      ...(itself ? [`grant application_password_admin on *.* to ${app.user}`] : []),
    )
    const both = pair(app.user)
    const [set, added, opened, cloned, running] = ['set', 'added', 'opened', 'cloned', 'running'].map(
      word => `${word}${hex()}`,
    ) as [string, string, string, string, string]
    await using session = await engine.login(app.admin, '%')
    await using own = await engine.login(app.current)
    const { passwords } = itself ? own : session
    await own.setPassword(app.user, set)
    await passwords?.add(app.user, added, set)
    await passwords?.keep(app.user, added)
    await session.setPassword(app.user, opened)
    await session.cloneUser(both, { user: both.clone, password: cloned })
    await session.lockUser(both.clone, both)
    await using last = await engine.login(app.current.with({ password: opened }))
    const mark = `mark${hex()}`
    const { host, port, caFile, superuser } = server
    const connect = () =>
      mysql.createConnection({ host, port, ...superuser, ssl: { ca: readFileSync(caFile) } })
    const watch = await connect()
    // A session that goes on, as each keeps its own history; and no prepared statement, of which MariaDB keeps no text.
    const marked = await connect()
    await marked.query(`select '${mark}'`)
    const query = async (statement: string) => {
      const [rows] = await watch.query({ sql: statement, rowsAsArray: true })
      return rows as unknown[][]
    }
    /** The tables of performance_schema in which each text is at this moment. */
    const tablesWith = async (texts: string[]) => {
      const found = texts.map((): string[] => [])
      for (const [table] of await query('show tables from performance_schema')) {
        const values = (await query(`select * from performance_schema.${table}`)).flat().join('\n')
        for (const [i, text] of texts.entries()) if (values.includes(text)) found[i]?.push(String(table))
      }
      return found
    }
    try {
      await query(`prepare kept from "select '${mark}'"`)
      // Now one has to wait, and is seen while it runs.
      await query('flush tables with read lock')
      const waiting = last.setPassword(app.user, running)
      await vi.waitFor(async () => {
        const info = `select info from information_schema.processlist where user = '${app.user}' and state like '%lock%'`
        expect(await query(info)).toHaveLength(1)
      })
      const secrets = [app.current.password, set, added, opened, cloned, running]
      const statement = itself ? 'BY <secret> REPLACE <secret>' : 'set password'
      const [run, ran, ...told] = await tablesWith([statement, mark, ...secrets])
      await query('unlock tables')
      await waiting
      expect(run).toContain('threads')
      for (const table of ['events_statements_history', 'events_statements_history_long'])
        expect(ran).toContain(table)
      expect(ran).toContain('prepared_statements_instances')
      expect(told).toEqual(secrets.map(() => []))
      expect(await tablesWith([running])).toEqual([[]])
    } finally {
      await Promise.all([watch.end(), marked.end()])
    }
  })

  if (flavour.engine === 'mysql')
    describe('rules for passwords', () => {
      beforeAll(() => sql("install component 'file://component_validate_password'"))
      afterAll(() => sql("uninstall component 'file://component_validate_password'"))
      const rule = (name: string, value: string | number) =>
        sql(`set global validate_password.${name} = ${value}`)
      /** DEFAULT does not bring all of them back, and the server raises the length with the others. */
      const relax = async () => {
        await rule('policy', 'MEDIUM')
        await rule('changed_characters_percentage', 0)
        for (const kind of ['mixed_case', 'number', 'special_char']) await rule(`${kind}_count`, 1)
        await rule('length', 8)
      }
      const strong = () => `Aa1!${hex(12)}`
      const none = () => Promise.reject(new Error('not needed'))
      const makeOwn = async (password: string) => {
        const { user, current } = await makeApp(server, { password })
        await sql(`grant application_password_admin on *.* to ${user}`)
        return current
      }

      test.each<[string, string | number, () => string, boolean]>([
        ['policy', 'LOW', () => hex(4), true],
        ['length', 20, () => `Aa1!${hex(7)}`, false],
        ['mixed_case_count', 2, () => `Aa1!${hex(12)}`, false],
        ['number_count', 40, () => `Aa1!${hex(12)}`, false],
        ['special_char_count', 2, () => `Aa1!${hex(12)}`, false],
        ['policy', 'STRONG', strong, true],
        ['changed_characters_percentage', 100, () => `Aa1!${hex(12)}`, false],
      ])(
        '%s %s, %#: neither a single user nor two passwords are begun with what could not be taken back',
        async (name, value, password, may) => {
          const current = await makeOwn(password())
          await rule(name, value)
          try {
            for (const strategy of [new SingleUser(), new DualPassword()]) {
              const pending = current.with({
                password: `bB2?${'bB2?'.repeat(12)}${hex(20)}1234567890`.slice(0, 90),
              })
              const change = { current, pending, previous: none, async *stored() {}, admin: none, rds: none }
              const applied = strategy.apply(engine, change)
              if (may) {
                await applied
                const failed = { ...change, previous: async () => undefined, rival: async () => undefined }
                const no = async () => false
                const rest = { previousIsOpen: no, untouched: no }
                await strategy.undo(engine, { ...failed, ...rest })
              } else
                await expect(applied).rejects.toMatchObject({
                  name: 'NotPermitted',
                  message: expect.stringMatching(/validate_password\.\w+ the server may refuse/),
                })
              expect([await admits(server, current), await admits(server, pending)]).toEqual([true, false])
            }
          } finally {
            await relax()
          }
        },
      )

      test('what is worked out here is never what the server would not take', async () => {
        const rules: [string, string | number][][] = [
          [['policy', 'LOW']],
          [
            ['policy', 'LOW'],
            ['length', 4],
          ],
          [['policy', 'MEDIUM']],
          [
            ['policy', 'MEDIUM'],
            ['mixed_case_count', 2],
            ['special_char_count', 0],
          ],
          [
            ['policy', 'MEDIUM'],
            ['number_count', 3],
          ],
        ]
        for (const some of rules) {
          for (const [name, value] of some) await rule(name, value)
          try {
            const rows = await sql("show global variables like 'validate_password%'")
            const settings = Object.fromEntries(rows.map(row => Object.values(row).map(String)))
            for (const password of [
              ...[
                '12345678',
                'aA1!',
                'aA1!aA1!',
                'aaBB11!!',
                'äÄ1!äÄ1!',
                'aA1 aA1 ',
                'aA1日aA1日',
                'aA1\\aA1~',
                'AA11!!bbb',
              ],
              ...['x'.repeat(99), `aA1!${'x'.repeat(97)}`, `aaAA111${'x'.repeat(90)}`],
            ])
              if (!ruleAgainst(settings, 'nobody', password, 'other'))
                await sql(`create user u${hex()} identified by ${quoteText(password)}`)
          } finally {
            await relax()
          }
        }
        expect(await sql("show global variables like 'validate_password.length'")).toHaveLength(1)
      })
    })

  test('an anonymous account that takes the login is NotPermitted', async () => {
    // It goes before all others, being for one address only.
    await sql(`create user ''@'127.0.0.1' ${identified(server, 'p')}`)
    await expect(engine.login(credentialFor(server, 'nobody', 'p'))).rejects.toMatchObject({
      name: 'NotPermitted',
      message: expect.stringContaining('takes it for'),
    })
  })
})

test.each(possible)(
  'a login at a $engine that was started with skip-grant-tables is Unproven',
  async flavour => {
    const server = await startMysql(flavour, { skip_grant_tables: 'on', init_file: '/dev/null' })
    try {
      const { socket, caFile } = server
      const Engine = flavour.engine === 'mysql' ? Mysql : Mariadb
      // MySQL then listens nowhere else.
      const connect = ({ user, password }: mysql.ConnectionOptions) =>
        mysql.createConnection({ socketPath: socket, user: user ?? '', password: password ?? '' })
      const engine = new Engine({ caFile, connect })
      for (const password of ['any', 'another']) {
        const login = tryLogin(engine, credentialFor(server, 'app', password))
        await expect(login).rejects.toBeInstanceOf(Unproven)
        await expect(login).rejects.toMatchObject({ message: expect.stringContaining('skip-grant-tables') })
      }
    } finally {
      await server.stop()
    }
  },
)

/** `before` is told every statement before it is sent. */
function engineOf(server: MysqlServer, before: (statement: string) => void = () => {}): Engine {
  const Engine = server.engine === 'mysql' ? Mysql : Mariadb
  return new Engine({
    caFile: server.caFile,
    async connect(config) {
      const connection = await mysql.createConnection(config)
      const query: (options: unknown) => Promise<never> = connection.query.bind(connection) as never
      const wrapped = async (options: { sql: string }) => {
        before(options.sql)
        return query(options)
      }
      return Object.assign(connection, { query: wrapped as never })
    },
  })
}

import mysql from 'mysql2/promise'
import { describe, expect, inject, test } from 'vitest'
import { admits, identifiedClause, makeApp } from '../../../../local/servers/mysqlDatabase.ts'
import { randomHex } from '../../../../local/servers/postgresDatabase.ts'
import type { Credential } from '../../../../rotation/credential.ts'
import { Mariadb } from '../../../../rotation/engines/mysql/mariadb.ts'
import { ed25519PasswordHash } from '../../../../rotation/engines/mysql/mariadbPlugins.ts'
import { Mysql } from '../../../../rotation/engines/mysql/mysql.ts'
import { nativePasswordHash } from '../../../../rotation/engines/mysql/mysqlPasswordHashes.ts'
import { AlternatingUsers } from '../../../../rotation/strategies/alternatingUsers.ts'
import { SingleUser } from '../../../../rotation/strategies/singleUser.ts'
import { TemporaryClone } from '../../../../rotation/strategies/temporaryClone.ts'
import { certificateContract } from '../../../support/contracts/certificate.ts'
import { engineContract, withChange } from '../../../support/contracts/engine.ts'
import { sceneOf } from '../../../support/engines/mysqlScene.ts'
import { subjectOf } from '../../../support/engines/mysqlSubject.ts'

const { pairOf } = new AlternatingUsers()
const servers = inject('mysql')

describe.skipIf(!servers.length).each(servers)('$name', server => {
  engineContract(subjectOf(server))
  certificateContract(subjectOf(server))

  const { isMysql, engine, sql, grantsOf, makeClone } = sceneOf(server)

  describe('login', () => {
    test('a value that names the other engine of the two throws InvalidCredential, which names the right one', async () => {
      const { current } = await makeApp(server)
      const wrong = new (isMysql ? Mariadb : Mysql)({ caFile: server.caFile })
      await expect(wrong.login(current)).rejects.toMatchObject({
        name: 'InvalidCredential',
        message: expect.stringContaining(`should be ${server.engine}`),
        field: 'engine',
      })
    })

    test('a locked account throws LoginRefused, and an expired password NotPermitted', async () => {
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

  test('an account that requires TLS throws LoginRefused without TLS, and the message names ssl: false', async () => {
    const { current } = await makeApp(server)
    await sql(`alter user ${current.username} require ssl`)
    await using _ = await engine.login(current)
    await expect(engine.login(withChange(current, { ssl: false }))).rejects.toMatchObject({
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
    expect(await session.requiresClientCertificate?.(user)).toBe(wants)
    expect(await session.requiresClientCertificate?.(user.toUpperCase())).toBe(false)
  })

  test('the server is told when to give a statement up', async () => {
    const { current } = await makeApp(server)
    const connections: mysql.Connection[] = []
    const Engine = isMysql ? Mysql : Mariadb
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
    const setting = isMysql ? '@@max_execution_time' : '@@max_statement_time * 1000'
    const [rows] = (await connections[0]?.query(`select ${setting} as milliseconds`)) ?? []
    expect(rows).toEqual([{ milliseconds: 200 }])
  })

  describe('a clone that is the DEFINER of something', () => {
    test.each([
      ['views', 'view', '{}.v as select 1'],
      ['routines', 'procedure', '{}.p() select 1'],
      ['routines', 'function', '{}.f() returns int deterministic return 1'],
      ['triggers', 'trigger', '{}.tr before insert on {}.t for each row set new.a = 1'],
      ['events', 'event', '{}.e on schedule every 1 day do select 1'],
    ])('if it is one of the %s (%s), the clone is not dropped', async (kind, thing, rest) => {
      const app = await makeApp(server)
      // As the master of RDS may: then MySQL would drop it.
      if (isMysql) await sql(`grant allow_nonexistent_definer on *.* to ${app.admin.username}`)
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
      await expect(session.dropClone(both)).rejects.toMatchObject({
        name: 'NotPermitted',
        message: expect.stringContaining(`is the DEFINER of ${kind}, which`),
      })
      expect(await admits(server, clone)).toBe(true)
      await makeFor(app.user)
      await sql(`create definer = ${both.clone}@'10.%' view ${app.database}.elsewhere as select 1`)
      await sql(`create definer = ${both.clone.toUpperCase()} view ${app.database}.capital as select 1`)
      await session.dropClone(both)
      expect(await admits(server, clone)).toBe(false)
    })

    test('a temporary clone that cannot be dropped is closed after the grace time, if no other rotation uses it', async () => {
      const app = await makeApp(server)
      const { both, clone, sync } = await makeClone(app)
      await sync()
      await sql(`create definer = ${both.clone} view ${app.database}.v as select 1`)
      const retire = (taken?: Credential) =>
        new TemporaryClone().retire(engine, {
          current: app.current,
          readAdmin: async () => app.admin,
          reusedBy: async () => taken,
          drop: true,
        })
      const refused = { name: 'NotPermitted', message: expect.stringContaining('is the DEFINER of views') }
      await expect(retire()).rejects.toMatchObject(refused)
      expect(await admits(server, clone)).toBe(false)
      const next = clone.with({ password: 'next' })
      await expect(retire(next)).rejects.toMatchObject(refused)
      expect(await admits(server, next)).toBe(true)
    })

    test('where the admin cannot see that, MySQL does not drop the clone, and MariaDB does', async () => {
      const app = await makeApp(server)
      const hidden = `db_${randomHex()}`
      const { both, clone, sync } = await makeClone(app)
      await sync()
      await sql(
        `create database ${hidden}`,
        `create table ${hidden}.t (a int)`,
        `create definer = ${both.clone} trigger ${hidden}.tr before insert on ${hidden}.t for each row set @x = 1`,
      )
      await using session = await engine.login(app.admin, '%')
      const dropped = session.dropClone(both)
      if (isMysql)
        await expect(dropped).rejects.toMatchObject({
          name: 'NotPermitted',
          message: expect.stringContaining('referenced as a definer'),
        })
      else await dropped
      expect(await admits(server, clone)).toBe(isMysql)
    })

    test('an admin that may grant the rights to make an object also sees whose DEFINER the clone is', async () => {
      const app = await makeApp(server)
      const made = `db_${randomHex()}`
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
      const refused = await session.dropClone(both).catch((error: Error) => error.message)
      for (const kind of ['views', 'routines', 'triggers', 'events']) expect(refused).toContain(kind)
    })
  })

  describe('accounts of the same name for several hosts', () => {
    test('only the account that the login came in by is changed, cloned and locked', async () => {
      const app = await makeApp(server, { host: '127.%' })
      const elsewhere = `${app.user}@'10.%'`
      await sql(`create user ${elsewhere} ${identifiedClause(server, 'theirs')}`)
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
      await using session = await engine.login(app.admin, proof.accountQualifier)
      await session.closeUser(app.user, pairOf(app.user))
      expect(await admits(server, next)).toBe(false)
      expect(await stored('10.%')).toEqual(before)
    })

    test('alternating users use the accounts for the host that current came in by', async () => {
      const app = await makeApp(server, { host: '127.%' })
      const strategy = new AlternatingUsers()
      const { both, clone } = await makeClone(app)
      const admin = async () => app.admin
      const turn = async (current: Credential, pending: Credential) => {
        const rds = () => Promise.reject(new Error('this is not on RDS'))
        await strategy.apply(engine, {
          ...{ current, pending, readAdmin: admin, rds },
          readPrevious: async () => undefined,
          async *storedValues() {},
        })
        expect(await admits(server, pending)).toBe(true)
        await strategy.retire(engine, {
          current: pending,
          readAdmin: admin,
          reusedBy: async () => undefined,
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

    test('a clone that comes in by another host than its user is reported as a difference', async () => {
      const app = await makeApp(server, { host: '127.%' })
      const { clone, both, sync, differences } = await makeClone(app)
      await sync()
      await sql(
        `create user ${both.clone}@'127.0.0.1' ${identifiedClause(server, clone.password)}`,
        `grant select on ${app.database}.* to ${both.clone}@'127.0.0.1'`,
        `grant select on ${app.database}.* to ${app.user}@'127.%'`,
      )
      expect(await differences()).toEqual([expect.stringContaining('different hosts')])
    })
  })

  if (isMysql)
    test('a locked user does not log in by a retained old password either', async () => {
      const app = await makeApp(server)
      await sql(`alter user ${app.user} identified by 'newer' retain current password`)
      expect(await admits(server, app.current)).toBe(true)
      await using session = await engine.login(app.admin, '%')
      await session.closeUser(app.user, pairOf(app.user))
      for (const password of [app.current.password, 'newer'])
        expect(await admits(server, app.current.with({ password }))).toBe(false)
    })

  if (isMysql)
    test('a user whose account requires it names its current password when it sets another', async () => {
      const app = await makeApp(server)
      await sql(`alter user ${app.user} password require current`)
      await using session = await engine.login(app.current)
      await session.setPassword(app.user, 'second')
      await session.setPassword(app.user, 'third')
      expect(await admits(server, app.current.with({ password: 'third' }))).toBe(true)
    })

  if (isMysql)
    test.each([
      ['password history 1', true],
      ['password history 2', false],
      ['password reuse interval 1 day', false],
      ['failed_login_attempts 3 password_lock_time 1', false],
      ['failed_login_attempts 3 password_lock_time 0', true],
    ])(
      'whether a single user with %s may rotate, as a rollback could set the old password again: %s',
      async (rule, may) => {
        const { current, user } = await makeApp(server)
        await sql(`alter user ${user} ${rule}`)
        const pending = current.with({ password: `second-${randomHex(8)}` })
        const none = () => Promise.reject(new Error('not needed'))
        const change = {
          current,
          pending,
          readPrevious: none,
          async *storedValues() {},
          readAdmin: none,
          rds: none,
        }
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
      },
    )

  test.each(['max_queries_per_hour 50', 'max_updates_per_hour 1', 'max_connections_per_hour 9'])(
    'a single user with %s throws NotPermitted, as a rollback could find the limit used up',
    async limit => {
      const { current, user } = await makeApp(server)
      await sql(`alter user ${user} with ${limit}`)
      const none = () => Promise.reject(new Error('not needed'))
      const change = {
        ...{ current, pending: current.with({ password: 'next' }) },
        ...{ readPrevious: none, async *storedValues() {}, readAdmin: none, rds: none },
      }
      await expect(new SingleUser().apply(engine, change)).rejects.toMatchObject({
        name: 'NotPermitted',
        message: expect.stringContaining(limit.toUpperCase()),
      })
      expect(await admits(server, current)).toBe(true)
    },
  )

  describe('authentication plugins', () => {
    const own = [
      'mysql_native_password',
      'ed25519',
      ...(server.name.startsWith('MariaDB 11') ? ['parsec'] : []),
    ]
    if (!isMysql)
      test.each(own)(
        'an account with %s keeps the plugin, its clone gets it, and both log in',
        async plugin => {
          const app = await makeApp(server)
          const password = `'\\pässwörd of ${plugin} ${randomHex()}`
          const made = `'${randomHex()}'`
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
          await using session = await engine.login(app.admin, proof.accountQualifier)
          await session.openUser(both, { user: clone.username, password: clone.password })
          await using partner = await engine.login(clone)
          expect(await partner.differences(both, async () => next)).toEqual([])
          await session.setPassword(app.user, 'by the admin')
          await using _ = await engine.login(next.with({ password: 'by the admin' }))
          const plugins = await sql(
            `select distinct plugin from mysql.user where user in ('${both.user}', '${both.clone}')`,
          )
          expect(plugins).toEqual([{ plugin }])
          await session.closeUser(app.user, pairOf(app.user))
          await expect(engine.login(next)).rejects.toMatchObject({ name: 'LoginRefused' })
          expect(subjectOf(server).logged()).not.toMatch(
            new RegExp(`${clone.password}|pässwörd of ${plugin}`),
          )
        },
      )

    if (!isMysql)
      test('ed25519PasswordHash makes the verifier that the server itself would store', async () => {
        const { user } = await makeApp(server)
        for (const password of ['x', 'pässwörd', 'y'.repeat(100)]) {
          await sql(`alter user ${user} identified via ed25519 using password('${password}')`)
          const [row] = await sql(
            `select authentication_string as stored from mysql.user where user = '${user}'`,
          )
          expect(ed25519PasswordHash(password)).toBe(row?.stored)
        }
      })

    if (isMysql)
      test('an account with a second factor throws NotPermitted', async () => {
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

    const unfit = isMysql
      ? ['identified with sha256_password']
      : [
          'identified via unix_socket',
          `identified via mysql_native_password using '${nativePasswordHash('p')}' or unix_socket`,
        ]
    test.each(unfit)('an account %s throws NotPermitted, and nothing changes', async clause => {
      const app = await makeApp(server)
      await using session = await engine.login(app.admin, '%')
      await sql(`alter user ${app.user} ${clause}`)
      const both = pairOf(app.user)
      for (const change of [
        session.setPassword(app.user, 'x'),
        session.closeUser(app.user, pairOf(app.user)),
        session.openUser(both, { user: both.clone, password: 'x' }),
      ])
        await expect(change).rejects.toMatchObject({
          name: 'NotPermitted',
          message: expect.stringContaining('can be rotated'),
        })
      const [made] = await sql(`select 1 from mysql.user where user = '${both.clone}'`)
      expect(made).toBeUndefined()
    })
  })
})

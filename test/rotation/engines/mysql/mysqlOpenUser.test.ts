import { describe, expect, inject, test } from 'vitest'
import { admits, makeApp } from '../../../../local/servers/mysqlDatabase.ts'
import { type App, randomHex } from '../../../../local/servers/postgresDatabase.ts'
import { quoteText } from '../../../../rotation/engines/mysql/mysqlAccount.ts'
import { AlternatingUsers } from '../../../../rotation/strategies/alternatingUsers.ts'
import { engineOf, sceneOf } from '../../../support/engines/mysqlScene.ts'
import { subjectOf } from '../../../support/engines/mysqlSubject.ts'

const { pairOf } = new AlternatingUsers()
const servers = inject('mysql')

describe.skipIf(!servers.length).each(servers)('$name', server => {
  const { isMysql, engine, sql, grantsOf, makeClone } = sceneOf(server)

  describe('openUser', () => {
    test('SHOW CREATE USER and SHOW GRANTS differ only in name and password', async () => {
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
        ...(isMysql
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

    test('an account without privileges, whose own password was proven, is not trusted with the user', async () => {
      const app = await makeApp(server)
      const { both, clone, sync } = await makeClone(app)
      await sql(`create user ${both.clone}@'%'`)
      await using proof = await engine.login(app.current)
      await using session = await engine.login(app.admin, proof.accountQualifier)
      const refused = { name: 'NotPermitted', message: expect.stringContaining('no clone') }
      await expect(session.openUser(both, { user: both.user, password: 'taken' })).rejects.toMatchObject(
        refused,
      )
      await expect(session.closeUser(both.user, both)).rejects.toMatchObject(refused)
      expect(await admits(server, app.current)).toBe(true)
      await sync()
      expect(await admits(server, clone)).toBe(true)
    })

    const changes: [string, (app: App) => string[]][] = [
      ['REQUIRE X509', ({ user }) => [`alter user ${user} require x509`]],
      ['a limit of connections', ({ user }) => [`alter user ${user} with max_user_connections 1`]],
      ['a password that has expired', ({ user }) => [`alter user ${user} password expire`]],
      ['a password that expires', ({ user }) => [`alter user ${user} password expire interval 1 day`]],
      ['a lock', ({ user }) => [`alter user ${user} account lock`]],
      [
        'no privileges on the database any more',
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
          isMysql
            ? `alter user ${user} default role role_${user}`
            : `set default role role_${user} for ${user}`,
        ],
      ],
      ...(isMysql
        ? ([
            ['a history of passwords', ({ user }) => [`alter user ${user} password history 5`]],
            [
              'a lock after refused logins',
              ({ user }) => [`alter user ${user} failed_login_attempts 1 password_lock_time 1`],
            ],
            ['a comment', ({ user }) => [`alter user ${user} comment 'hello'`]],
          ] satisfies [string, (app: App) => string[]][])
        : []),
    ]
    test.each(changes)('the user now has %s: opening it leaves the clone as it is', async (_, change) => {
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
        proof.accountQualifier,
      )
      expect(await session.openUser(both, { user: both.user, password: 'next' })).toEqual([])
      expect(await told()).toEqual(before)
      expect(
        statements.filter(statement => /^(alter|grant|revoke|create|set default)/.test(statement)),
      ).toEqual([expect.stringContaining(`alter user \`${both.user}\`@`)])
      expect(await admits(server, clone)).toBe(true)
    })

    test('opening the user does not make a clone that is gone', async () => {
      const app = await makeApp(server)
      const both = pairOf(app.user)
      await using session = await engine.login(app.admin, '%')
      await session.openUser(both, { user: both.user, password: 'next' })
      expect(await admits(server, app.current.with({ password: 'next' }))).toBe(true)
      expect(await sql(`select 1 from mysql.user where user = '${both.clone}'`)).toEqual([])
    })

    test('a clone loses ALL when its user has fewer privileges, and gets it when its user does', async () => {
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

    test('a clone loses what only it was granted, and keeps what its user has too', async () => {
      const app = await makeApp(server)
      const { both, sync, differences } = await makeClone(app)
      await sync()
      await sql(
        `create table ${app.database}.t (a int)`,
        `grant process on *.* to ${both.clone} with grant option`,
        `grant alter on ${app.database}.* to ${both.clone} with grant option`,
        `grant references (a) on ${app.database}.t to ${both.clone}`,
        ...(isMysql ? [`grant application_password_admin on *.* to ${both.clone} with grant option`] : []),
      )
      if (isMysql)
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

    test('odd names of objects, and patterns, reach the clone unchanged', async () => {
      const app = await makeApp(server)
      const odd = `o\`dd'"${randomHex()}`
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
      await session.runTestQuery(`select \`co\`\`l\` from ${quoted}.\`ta\`\`ble\``)
    })

    if (isMysql)
      test('partial revokes reach the clone, and end with the user’s', async () => {
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

    test('a clone that may pass on a role, a privilege or a proxy loses only the right to pass it on', async () => {
      const app = await makeApp(server)
      const [role, proxied] = [`role_${randomHex()}`, `for_${randomHex()}`]
      const kinds = [role, `proxy on ${proxied}`, ...(isMysql ? ['role_admin on *.*'] : [])]
      const give = (what: string, to: string) => `grant ${what} to ${to}`
      const giveOption = (what: string, to: string) =>
        `${give(what, to)} with ${what === role ? 'admin' : 'grant'} option`
      await sql(
        `create role ${role}`,
        `create user ${proxied}`,
        ...kinds.flatMap(what => [giveOption(what, app.admin.username), give(what, app.user)]),
        isMysql ? `alter user ${app.user} default role ${role}` : `set default role ${role} for ${app.user}`,
      )
      if (isMysql)
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

    if (isMysql)
      test('a clone loses dynamic privileges together with GRANT OPTION on the whole server', async () => {
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

    test('a user’s default role that was dropped does not stop the clone', async () => {
      const app = await makeApp(server)
      const role = `role_${randomHex()}`
      await sql(
        `create role ${role}`,
        `grant ${role} to ${app.user}`,
        `grant ${role} to ${app.admin.username} with admin option`,
        isMysql ? `alter user ${app.user} default role ${role}` : `set default role ${role} for ${app.user}`,
      )
      const { sync, differences } = await makeClone(app)
      await sync()
      await sql(`drop role ${role}`)
      await sync()
      expect(await differences()).toEqual([])
    })

    test('a proxy that the admin may not grant throws NotPermitted', async () => {
      const app = await makeApp(server)
      const proxied = `for_${randomHex()}`
      await sql(`create user ${proxied}`, `grant proxy on ${proxied} to ${app.user}`)
      const { sync } = await makeClone(app)
      await expect(sync()).rejects.toMatchObject({
        name: 'NotPermitted',
        message: expect.stringContaining(`Access denied for user '${app.admin.username}'`),
      })
    })

    // The session is the admin's, as the user cannot log in without the certificate.
    test('a clone gets the user’s REQUIRE, whatever certificate it asks for', async () => {
      const app = await makeApp(server)
      const both = pairOf(app.user)
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
        await session.openUser(both, { user: both.clone, password: 'x' })
        const now = await required(app.user)
        expect(now).not.toBe(before)
        expect(await required(both.clone)).toBe(now)
        before = now
      }
    })

    if (isMysql)
      test('a clone gets the user’s attributes, and loses what was removed in one, however deep', async () => {
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

    test('a openUser that died after any statement is completed by the next, and the user is never harmed', async () => {
      const subject = subjectOf(server)
      const app = await makeApp(server)
      await subject.change(app)
      const { both, clone, sync, differences } = await makeClone(app)
      // MariaDB shows the grants of roles in an order that another account's change may turn around.
      const grants = async () => (await grantsOf(app.user)).toSorted()
      const before = await grants()
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
        expect(await grants()).toEqual(before)
        if (died) expect(await admits(server, clone)).toBe(false)
        // From scratch for each but the last.
        if (died && n % 2) await sql(`drop user ${both.clone}`)
      }
      expect(n).toBeGreaterThan(5)
      expect(await differences()).toEqual([])
    })
  })
})

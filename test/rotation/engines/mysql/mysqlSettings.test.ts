import { readFileSync } from 'node:fs'
import mysql from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { MYSQL_FLAVOURS, startMysql } from '../../../../local/servers/mysql.ts'
import {
  admits,
  credentialFor,
  identifiedClause,
  makeApp,
  runStatements,
} from '../../../../local/servers/mysqlDatabase.ts'
import { randomHex } from '../../../../local/servers/postgresDatabase.ts'
import type { Engine } from '../../../../rotation/engines/engine.ts'
import { Mariadb } from '../../../../rotation/engines/mysql/mariadb.ts'
import { Mysql } from '../../../../rotation/engines/mysql/mysql.ts'
import { quoteText } from '../../../../rotation/engines/mysql/mysqlAccount.ts'
import { findBrokenRule } from '../../../../rotation/engines/mysql/mysqlPasswordRules.ts'
import { PasswordNotChecked } from '../../../../rotation/engines/passwordNotChecked.ts'
import { AlternatingUsers } from '../../../../rotation/strategies/alternatingUsers.ts'
import { DualPassword } from '../../../../rotation/strategies/dualPassword.ts'
import { tryLogin } from '../../../../rotation/strategies/login.ts'
import { SingleUser } from '../../../../rotation/strategies/singleUser.ts'
import { withChange } from '../../../support/contracts/engine.ts'
import { engineOf } from '../../../support/engines/mysqlScene.ts'

const { pairOf } = new AlternatingUsers()
const servers = inject('mysql')

const possible = MYSQL_FLAVOURS.filter(({ engine }) =>
  servers.some(server => server.engine === engine),
).slice(0, 2)
describe.each(possible)('a $engine with changed server settings', flavour => {
  let server: Awaited<ReturnType<typeof startMysql>>
  let engine: Engine
  const sql = (...statements: string[]) => runStatements(server, statements)
  beforeAll(async () => {
    server = await startMysql(flavour, { performance_schema: 'on' })
    engine = engineOf(server)
  })
  afterAll(() => server?.stop())

  test('a read-only server is a standby, and changes there throw Unreachable', async () => {
    const app = await makeApp(server)
    await using before = await engine.login(app.current)
    expect(await before.isStandby?.()).toBe(false)
    await sql('set global read_only = on')
    try {
      await using own = await engine.login(app.current)
      for (const session of [before, own]) expect(await session.isStandby?.()).toBe(true)
      await expect(own.setPassword(app.user, 'x')).rejects.toMatchObject({ name: 'Unreachable' })
      await using session = await engine.login(app.admin, '%')
      await expect(session.closeUser(app.user, pairOf(app.user))).rejects.toMatchObject({
        name: 'Unreachable',
      })
      expect(await admits(server, app.current)).toBe(true)
    } finally {
      await sql('set global read_only = off')
    }
  })

  test('openUser succeeds without quoted names, and read-only transactions throw Unreachable', async () => {
    const variable = flavour.engine === 'mysql' ? 'transaction_read_only' : 'tx_read_only'
    await sql('set global sql_quote_show_create = off')
    try {
      const app = await makeApp(server)
      const both = pairOf(app.user)
      await using session = await engine.login(app.admin, '%')
      await session.openUser(both, { user: both.clone, password: 'p' })
      await sql(`set global ${variable} = on`)
      await using own = await engine.login(app.current)
      await expect(own.setPassword(app.user, 'x')).rejects.toMatchObject({ name: 'Unreachable' })
    } finally {
      await sql(`set global ${variable} = off`, 'set global sql_quote_show_create = on')
    }
  })

  test('a server that requires TLS throws an error without TLS, which names ssl: false', async () => {
    const { current } = await makeApp(server)
    await sql('set global require_secure_transport = on')
    try {
      await expect(engine.login(withChange(current, { ssl: false }))).rejects.toMatchObject({
        name: server.name.startsWith('MariaDB 10') ? 'LoginRefused' : 'TlsFailed',
        message: expect.stringContaining('ssl: false'),
      })
    } finally {
      await sql('set global require_secure_transport = off')
    }
  })

  test('names and texts are read correctly in a SQL mode with other quotes and escapes', async () => {
    await sql("set global sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'")
    try {
      const app = await makeApp(server, { user: `o'br"ien` })
      const both = pairOf(app.user)
      await using session = await engine.login(app.admin, '%')
      await session.openUser(both, { user: both.clone, password: `'\\"` })
      const clone = app.current.with({ username: both.clone, password: `'\\"` })
      await using own = await engine.login(clone)
      expect(await own.differences(both, async () => app.current)).toEqual([])
    } finally {
      await sql('set global sql_mode = default')
    }
  })

  if (flavour.engine === 'mariadb')
    test('a server that accepts no verifiers throws NotPermitted', async () => {
      const app = await makeApp(server)
      await sql("install soname 'simple_password_check'")
      try {
        const both = pairOf(app.user)
        await using session = await engine.login(app.admin, '%')
        await using own = await engine.login(app.current)
        for (const change of [
          () => own.setPassword(app.user, 'x'),
          () => session.setPassword(app.user, 'x'),
          () => session.closeUser(app.user, both),
          () => session.openUser(both, { user: both.clone, password: 'x' }),
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
    test('a clone that does not exist counts as closed, even if the server asks it for another plugin', async () => {
      const others = Array.from({ length: 20 }, () => `create user pam_${randomHex()} identified via pam`)
      await sql("install soname 'auth_pam'", ...others)
      for (let tries = 0; tries < 100; tries++) {
        const user = `app_${randomHex()}`
        const pending = credentialFor(server, pairOf(user).clone, 'p')
        const name = await engine.login(pending).catch((error: Error) => error.name)
        if (name !== 'NotPermitted') continue
        const { current, admin } = await makeApp(server, { user })
        const none = async () => undefined
        const no = async () => false
        const failed = {
          current,
          readPrevious: none,
          otherRotation: none,
          isPreviousOpen: no,
          hasChangedNothing: no,
        }
        const undone = new AlternatingUsers().undo(engine, {
          ...failed,
          pending: current.with({ username: pending.username, password: 'p' }),
          readAdmin: async () => admin,
          rds: () => Promise.reject(new Error('RDS is not asked')),
          async *storedValues() {},
        })
        return expect(await undone).toBe('intact')
      }
      expect.fail('the server asks nobody for what it asks the others')
    })

  test('performance_schema keeps running and past statements, but none with a password', async () => {
    const app = await makeApp(server)
    const itself = flavour.engine === 'mysql'
    await sql(
      "update performance_schema.setup_consumers set enabled = 'YES'",
      "update performance_schema.setup_instruments set enabled = 'YES' where name like 'statement/%'",
      ...(itself ? [`grant application_password_admin on *.* to ${app.user}`] : []),
    )
    const both = pairOf(app.user)
    const [set, added, opened, cloned, running] = ['set', 'added', 'opened', 'cloned', 'running'].map(
      word => `${word}${randomHex()}`,
    ) as [string, string, string, string, string]
    await using session = await engine.login(app.admin, '%')
    await using own = await engine.login(app.current)
    const { dualPassword } = itself ? own : session
    await own.setPassword(app.user, set)
    await dualPassword?.add(app.user, added, set)
    await dualPassword?.keepOnly(app.user, added)
    await session.setPassword(app.user, opened)
    await session.openUser(both, { user: both.clone, password: cloned })
    await session.closeUser(both.clone, both)
    await using last = await engine.login(app.current.with({ password: opened }))
    const mark = `mark${randomHex()}`
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
      const strong = () => `Aa1!${randomHex(12)}`
      const none = () => Promise.reject(new Error('not needed'))
      const makeOwn = async (password: string) => {
        const { user, current } = await makeApp(server, { password })
        await sql(`grant application_password_admin on *.* to ${user}`)
        return current
      }

      test.each<[string, string | number, () => string, boolean]>([
        ['policy', 'LOW', () => randomHex(4), true],
        ['length', 20, () => `Aa1!${randomHex(7)}`, false],
        ['mixed_case_count', 2, () => `Aa1!${randomHex(12)}`, false],
        ['number_count', 40, () => `Aa1!${randomHex(12)}`, false],
        ['special_char_count', 2, () => `Aa1!${randomHex(12)}`, false],
        ['policy', 'STRONG', strong, true],
        ['changed_characters_percentage', 100, () => `Aa1!${randomHex(12)}`, false],
      ])(
        'validate_password.%s = %s (%#): no strategy sets a password that a rollback might not replace by the old one',
        async (name, value, password, may) => {
          const current = await makeOwn(password())
          await rule(name, value)
          try {
            for (const strategy of [new SingleUser(), new DualPassword()]) {
              const pending = current.with({
                password: `bB2?${'bB2?'.repeat(12)}${randomHex(20)}1234567890`.slice(0, 90),
              })
              const change = {
                current,
                pending,
                readPrevious: none,
                async *storedValues() {},
                readAdmin: none,
                rds: none,
              }
              const applied = strategy.apply(engine, change)
              if (may) {
                await applied
                const failed = {
                  ...change,
                  readPrevious: async () => undefined,
                  otherRotation: async () => undefined,
                }
                const no = async () => false
                const rest = { isPreviousOpen: no, hasChangedNothing: no }
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

      test('a password that findBrokenRule accepts is accepted by the server', async () => {
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
              if (!findBrokenRule(settings, 'nobody', password, 'other'))
                await sql(`create user u${randomHex()} identified by ${quoteText(password)}`)
          } finally {
            await relax()
          }
        }
        expect(await sql("show global variables like 'validate_password.length'")).toHaveLength(1)
      })
    })

  test('a login that the server takes for an anonymous account throws NotPermitted', async () => {
    // It goes before all others, being for one address only.
    await sql(`create user ''@'127.0.0.1' ${identifiedClause(server, 'p')}`)
    await expect(engine.login(credentialFor(server, 'nobody', 'p'))).rejects.toMatchObject({
      name: 'NotPermitted',
      message: expect.stringContaining('takes it for'),
    })
  })
})

test.each(possible)(
  'a login at a $engine that was started with skip-grant-tables throws PasswordNotChecked',
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
        await expect(login).rejects.toBeInstanceOf(PasswordNotChecked)
        await expect(login).rejects.toMatchObject({ message: expect.stringContaining('skip-grant-tables') })
      }
    } finally {
      await server.stop()
    }
  },
)

import { describe, expect, inject, test } from 'vitest'
import { admits, identifiedClause, makeApp, runStatements } from '../../../../local/servers/mysqlDatabase.ts'
import { type App, randomHex, rejectRds } from '../../../../local/servers/postgresDatabase.ts'
import type { Credential } from '../../../../rotation/credential.ts'
import { Mariadb } from '../../../../rotation/engines/mysql/mariadb.ts'
import { Mysql } from '../../../../rotation/engines/mysql/mysql.ts'
import { AlternatingUsers } from '../../../../rotation/strategies/alternatingUsers.ts'
import type { FailedChange } from '../../../../rotation/strategies/strategy.ts'

const servers = inject('mysql')
const strategy = new AlternatingUsers()

/** The clones that an earlier tool, such as AWS's own functions, may have left when it died. Its value is pending. */
const states: [string, (clone: string, by: string, app: App) => string[], { open: boolean }][] = [
  ['no clone', () => [], { open: false }],
  ['a clone without a password', clone => [`create user ${clone}`], { open: false }],
  [
    'a clone without a password, with privileges',
    (clone, _, { database }) => [`create user ${clone}`, `grant all on ${database}.* to ${clone}`],
    { open: false },
  ],
  ['a clone with its password alone', (clone, by) => [`create user ${clone} ${by}`], { open: true }],
  [
    'a clone that may see one table',
    (clone, by, { database }) => [
      `create table ${database}.t (a int, b int)`,
      `create user ${clone} ${by}`,
      `grant select on ${database}.t to ${clone}`,
    ],
    { open: true },
  ],
  [
    'a clone that may see one column',
    (clone, by, { database }) => [
      `create table ${database}.t (a int, b int)`,
      `create user ${clone} ${by}`,
      `grant select (a) on ${database}.t to ${clone}`,
    ],
    { open: true },
  ],
  [
    'a clone with half of the privileges',
    (clone, by, { database }) => [`create user ${clone} ${by}`, `grant select on ${database}.* to ${clone}`],
    { open: true },
  ],
  [
    'a clone that is locked',
    (clone, by) => [`create user ${clone} ${by}`, `alter user ${clone} account lock`],
    { open: false },
  ],
  [
    'a clone whose password has expired',
    (clone, by) => [`create user ${clone} ${by} password expire`],
    { open: true },
  ],
]

describe.skipIf(!servers.length).each(servers)('$name, with a clone that is half done', server => {
  const engine = new (server.engine === 'mysql' ? Mysql : Mariadb)({ caFile: server.caFile })
  const none = async () => undefined
  const failed = (app: App, pending: Credential): FailedChange => ({
    current: app.current,
    pending,
    readPrevious: none,
    readAdmin: async () => app.admin,
    rds: rejectRds,
    otherRotation: none,
    isPreviousOpen: async () => false,
    hasChangedNothing: async () => false,
    async *storedValues() {},
  })
  /** @returns whether the password is right, by a login without a database, which the clone may not be allowed to use */
  const opens = async ({ username, password }: Credential) => {
    const login = { user: username, password }
    return runStatements(server, 'do 1', login).then(
      () => true,
      (error: { errno?: number }) => {
        // Its password was right.
        if (error.errno === 1820 || error.errno === 1862) return true
        expect([1045, 1698, 3118, 4151]).toContain(error.errno)
        return false
      },
    )
  }

  test.each(states)(
    'where there is %s, it is closed after a rollback, and complete after the next rotation',
    async (_, make, { open }) => {
      const app = await makeApp(server)
      const { clone } = strategy.pairOf(app.user)
      const pending = app.current.with({ username: clone, password: `half-${randomHex(8)}` })
      const statements = make(clone, identifiedClause(server, pending.password), app)
      await runStatements(server, statements)
      expect(await opens(pending)).toBe(open)
      expect(await strategy.undo(engine, failed(app, pending))).toBe('intact')
      expect(await opens(pending)).toBe(false)
      expect(await admits(server, app.current)).toBe(true)
      const next = pending.with({ password: `next-${randomHex(8)}` })
      expect(await strategy.apply(engine, failed(app, next))).toEqual({
        address: app.current.address,
        left: [],
      })
      await using session = await engine.login(next)
      expect(await session.differences(strategy.pairOf(app.user), async () => app.current)).toEqual([])
    },
  )

  test('a user with privileges on another database alone is no clone: a rollback leaves it open and says so', async () => {
    const app = await makeApp(server)
    const { clone } = strategy.pairOf(app.user)
    const pending = app.current.with({ username: clone, password: `half-${randomHex(8)}` })
    await runStatements(server, [
      `create database other_${clone}`,
      `create user ${clone} ${identifiedClause(server, pending.password)}`,
      `grant select on other_${clone}.* to ${clone}`,
    ])
    // A login with a wrong password has shown that the user does not accept any password.
    expect(await strategy.undo(engine, failed(app, pending))).toBe('open')
    expect(await opens(pending)).toBe(true)
    expect(await admits(server, app.current)).toBe(true)
    await expect(strategy.apply(engine, failed(app, pending))).rejects.toMatchObject({ name: 'NotPermitted' })
  })
})

import { readFileSync, writeFileSync } from 'node:fs'
import { escapeIdentifier as name, escapeLiteral as text } from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type PostgresServer, startPostgres } from '../../../../local/servers/postgres.ts'
import { admits, makeApp, rejectRds, runStatements } from '../../../../local/servers/postgresDatabase.ts'
import type { Credential } from '../../../../rotation/credential.ts'
import { Postgres } from '../../../../rotation/engines/postgres/postgres.ts'
import { md5PasswordHash, scramVerifier } from '../../../../rotation/engines/postgres/scram.ts'
import { AlternatingUsers } from '../../../../rotation/strategies/alternatingUsers.ts'
import { SingleUser } from '../../../../rotation/strategies/singleUser.ts'
import {
  authenticationOk,
  authenticationRequest,
  readyForQuery,
  rowMessages,
  type Script,
  serverMessage,
  startScriptedPostgres,
} from '../../../support/engines/scriptedPostgres.ts'
import { rejectionOf } from '../../../support/observe.ts'

const { pairOf } = new AlternatingUsers()

const versions = inject('postgres').flatMap(({ version }) => ([18, 14].includes(version) ? [version] : []))
// Each has a server of its own, as the tests change how the server asks for passwords.
describe.each(versions)('how PostgreSQL %i asks for a password', version => {
  let server: PostgresServer & { stop(): Promise<void> }
  let hba = ''
  beforeAll(async () => {
    server = await startPostgres(version)
    const [found] = await runStatements(server, 'show hba_file')
    hba = found?.hba_file
    // Without, it cannot ask for a certificate.
    await runStatements(server, `alter system set ssl_ca_file = ${text(server.caFile)}`)
    await reload()
  })
  afterAll(() => server.stop())

  const reload = () => runStatements(server, 'select pg_reload_conf()')
  const engine = () => new Postgres({ caFile: server.caFile })
  const stored = async (user: string) => {
    const [found] = await runStatements(
      server,
      `select rolpassword as kept from pg_authid where rolname = ${text(user)}`,
    )
    return found?.kept as string
  }

  /** Has the server ask a user for its password like this. */
  async function ask(user: string, method: string) {
    writeFileSync(hba, `hostssl all ${user} 127.0.0.1/32 ${method}\n${readFileSync(hba, 'utf8')}`)
    await reload()
    const rules = `select auth_method from pg_hba_file_rules where ${text(user)} = any(user_name)`
    await expect.poll(() => runStatements(server, rules)).not.toEqual([])
  }

  const turn = async (
    { current, admin, database }: Awaited<ReturnType<typeof makeApp>>,
    open: Credential,
  ) => {
    await using proof = await engine().login(current)
    await using session = await engine().login(admin.with({ dbname: database }), proof.accountQualifier)
    await session.openUser(pairOf(current.username), { user: open.username, password: open.password })
  }

  test.each([
    [
      'a SCRAM verifier',
      async (_: string, password: string) => scramVerifier(password),
      /^SCRAM-SHA-256\$4096:/,
    ],
    [
      'a SCRAM verifier of few iterations',
      async (_: string, password: string) => scramVerifier(password, 1),
      /^SCRAM-SHA-256\$1:/,
    ],
    [
      'a SCRAM verifier of many iterations',
      async (_: string, password: string) => scramVerifier(password, 100_000),
      /^SCRAM-SHA-256\$100000:/,
    ],
    [
      'an md5 verifier',
      async (user: string, password: string) => md5PasswordHash(user, password),
      /^md5\w{32}$/,
    ],
  ] as const)(
    'setPassword and openUser make the kind of verifier that current has: %s',
    async (_, made, like) => {
      const app = await makeApp(server)
      await runStatements(
        server,
        `alter role ${app.user} password ${text(await made(app.user, app.current.password))};
         alter role ${app.user} set password_encryption = ${like.source.includes('md5') ? "'scram-sha-256'" : "'md5'"};
         alter role ${app.admin.username} set password_encryption = 'md5'`,
      )
      const clone = app.current.with({ username: `${app.user}_clone`, password: 'the clone' })
      await turn(app, clone)
      expect(await stored(clone.username)).toMatch(like)
      await using _session = await engine().login(clone)
      await using session = await engine().login(app.current)
      await session.setPassword(app.user, 'next')
      expect(await stored(app.user)).toMatch(like)
      await using _next = await engine().login(app.current.with({ password: 'next' }))
    },
  )

  test('a user goes on logging in where the server asks for SCRAM but would itself make md5 verifiers', async () => {
    const app = await makeApp(server)
    await ask(app.user, 'scram-sha-256')
    await ask(`${app.user}_clone`, 'scram-sha-256')
    await runStatements(server, `alter database ${app.database} set password_encryption = 'md5'`)
    const clone = app.current.with({ username: `${app.user}_clone`, password: 'the clone' })
    await turn(app, clone)
    expect(await admits(server, clone)).toBe(true)
    await using session = await engine().login(app.current)
    await session.setPassword(app.user, 'next')
    expect(await admits(server, app.current.with({ password: 'next' }))).toBe(true)
  })

  if (version >= 16) {
    test.each(['server', 'database', 'user', 'admin'])(
      'scram_iterations of the %s that drivers do not support are not used for verifiers',
      async whose => {
        const app = await makeApp(server)
        const shown = () => runStatements(server, 'show scram_iterations')
        const set = {
          server: 'alter system',
          database: `alter database ${app.database}`,
          user: `alter role ${app.user}`,
          admin: `alter role ${app.admin.username}`,
        }[whose]
        await runStatements(server, `${set} set scram_iterations = 200000`)
        await reload()
        if (whose === 'server') await expect.poll(shown).toEqual([{ scram_iterations: '200000' }])
        const clone = app.current.with({ username: `${app.user}_clone`, password: 'the clone' })
        await turn(app, clone)
        await using _clone = await engine().login(clone)
        await using session = await engine().login(app.current)
        await session.setPassword(app.user, 'next')
        await using _next = await engine().login(app.current.with({ password: 'next' }))
        await runStatements(server, 'alter system reset scram_iterations')
        await reload()
        await expect.poll(shown).toEqual([{ scram_iterations: '4096' }])
      },
    )

    test('scram_iterations that drivers do not support throw NotPermitted for a user that is asked in clear text', async () => {
      const app = await makeApp(server)
      await ask(app.user, 'password')
      await runStatements(server, `alter role ${app.user} set scram_iterations = 200000`)
      const before = await stored(app.user)
      await using session = await engine().login(app.current)
      const clone = app.current.with({ username: `${app.user}_clone` })
      for (const act of [() => session.setPassword(app.user, 'next'), () => turn(app, clone)])
        expect(await rejectionOf(act())).toMatchObject({
          name: 'NotPermitted',
          message: expect.stringContaining('scram_iterations of 200000'),
        })
      expect(await stored(app.user)).toBe(before)
      expect(
        await runStatements(server, `select from pg_roles where rolname = ${text(clone.username)}`),
      ).toEqual([])
    })
  }

  test('a user whose verifier has too many iterations throws NotPermitted, which names the setting', async () => {
    const app = await makeApp(server)
    const verifier = await scramVerifier(app.current.password, 100_001)
    await runStatements(server, `alter role ${app.user} password ${text(verifier)}`)
    expect(await rejectionOf(engine().login(app.current))).toMatchObject({
      name: 'NotPermitted',
      message: expect.stringContaining('scram_iterations of 100001'),
    })
  })

  test.each([
    ['md5', /^md5\w{32}$/],
    ['scram-sha-256', /^SCRAM-SHA-256\$4096:/],
  ])(
    'a user that is asked in clear text gets the kind of verifier that the server is set to make: %s',
    async (kind, like) => {
      const app = await makeApp(server)
      await ask(app.user, 'password')
      await runStatements(server, `alter role ${app.user} set password_encryption = '${kind}'`)
      const clone = app.current.with({ username: `${app.user}_clone`, password: 'the clone' })
      await turn(app, clone)
      expect(await stored(clone.username)).toMatch(like)
      await using session = await engine().login(app.current)
      await session.requirePasswordCheck()
      await session.setPassword(app.user, 'next')
      expect(await stored(app.user)).toMatch(like)
    },
  )

  test('a user or an admin that is let in without a password throws NotPermitted', async () => {
    const app = await makeApp(server)
    await ask(app.user, 'trust')
    for (const password of [app.current.password, 'any other'])
      expect(await rejectionOf(engine().login(app.current.with({ password })))).toMatchObject({
        name: 'NotPermitted',
        message: expect.stringContaining('asked for no password'),
      })
    await ask(app.admin.username, 'trust')
    expect(await rejectionOf(engine().login(app.admin))).toMatchObject({ name: 'NotPermitted' })
  })

  test.each([
    [true, 'restored', [true, false]],
    [false, 'NotPermitted', [false, true]],
  ])(
    'a single user let in without a password since it was set, which is known (%s): a rollback ends as %s',
    async (known, outcome, admitted) => {
      const { current, user, admin } = await makeApp(server)
      const pending = current.with({ password: 'pending' })
      const change = {
        ...{ current, pending, rds: rejectRds },
        readPrevious: async () => undefined,
        async *storedValues() {},
        readAdmin: async () => admin,
      }
      await new SingleUser().apply(engine(), change)
      await ask(user, 'trust')
      const undone = new SingleUser().undo(engine(), {
        ...change,
        otherRotation: async () => undefined,
        isPreviousOpen: async () => false,
        hasChangedNothing: async () => false,
        wasSet: async () => known,
      })
      expect(await undone.catch(error => error.name)).toBe(outcome)
      await ask(user, 'scram-sha-256')
      expect([await admits(server, current), await admits(server, pending)]).toEqual(admitted)
    },
  )

  test.each([
    ['the name of its operating system user', 'ident'],
    ['a certificate', 'cert'],
    ['a certificate beside the password', 'scram-sha-256 clientcert=verify-full'],
    ['nothing, as it is always refused', 'reject'],
  ])('a user that the server asks for %s throws NotPermitted', async (_, method) => {
    const app = await makeApp(server)
    await ask(app.user, method)
    expect(await rejectionOf(engine().login(app.current))).toMatchObject({ name: 'NotPermitted' })
  })

  test('a database that accepts no connections throws Unreachable', async () => {
    const app = await makeApp(server)
    await runStatements(server, `alter database ${name(app.database)} allow_connections false`)
    expect(await rejectionOf(engine().login(app.current))).toMatchObject({
      name: 'Unreachable',
      message: expect.stringContaining('accepts no connections'),
    })
  })
})

test.each(['ldap', 'pam', 'radius', 'bsd'])(
  'a login whose password %s checks does not prove the password, and throws NotPermitted',
  async method => {
    const script: Script = async (stream, next) => {
      await next()
      stream.write(authenticationRequest(3))
      await next()
      stream.write(
        Buffer.concat([
          authenticationOk,
          serverMessage('S', 'server_version\x0018.1 (Debian)\0'),
          readyForQuery,
        ]),
      )
      await next()
      // Before it comes what settles the transaction.
      const settled = Array(5).fill(serverMessage('C', 'SET\0'))
      const found = rowMessages({ kind: 'md5', iterations: '4096', who: `${method}:app` })
      stream.write(Buffer.concat([...settled, ...found, readyForQuery]))
    }
    await using server = await startScriptedPostgres(script)
    await using session = await new Postgres({ caFile: server.caFile }).login(server.credential())
    expect(await rejectionOf(session.requirePasswordCheck())).toMatchObject({
      name: 'NotPermitted',
      message: expect.stringContaining(`leaves this user's password to ${method}`),
    })
  },
)

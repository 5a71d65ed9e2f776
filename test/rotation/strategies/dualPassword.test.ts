import { beforeEach, describe, expect, inject, test, vi } from 'vitest'
import { admits, makeApp, runStatements } from '../../../local/servers/mysqlDatabase.ts'
import { type App, connectionJsonOf, randomHex, rejectRds } from '../../../local/servers/postgresDatabase.ts'
import { Credential } from '../../../rotation/credential.ts'
import { engineLoaders } from '../../../rotation/engines/engineLoaders.ts'
import { quoteText } from '../../../rotation/engines/mysql/mysqlAccount.ts'
import { parseOptions } from '../../../rotation/options.ts'
import type { Pipeline } from '../../../rotation/pipeline.ts'
import { retire } from '../../../rotation/retire.ts'
import { rollback, rollbackAbandoned } from '../../../rotation/rollback.ts'
import * as steps from '../../../rotation/steps.ts'
import { MemoryStore } from '../../../rotation/stores/memory.ts'

const id = 'app'
const [first, second, third] = ['first-', 'second-', 'third-'].map(name => name.padEnd(32, '0')) as [
  string,
  string,
  string,
]
const servers = inject('mysql')

describe.skipIf(!servers.length).each(servers)('two passwords of one user, $name', server => {
  const mysql = server.engine === 'mysql'
  const sql = (...statements: string[]) => runStatements(server, statements)
  let app: App
  let store: MemoryStore
  let running: Set<string>
  let pipeline: Pipeline

  beforeEach(async () => {
    app = await makeApp(server)
    if (mysql) await sql(`grant application_password_admin on *.* to ${app.user}`)
    store = new MemoryStore()
    store.create(id, first, app.current, { 'keyturn:strategy': 'dual-password', 'keyturn:grace': '1h' })
    running = new Set()
    pipeline = {
      store,
      loadEngine: name => engineLoaders[name]({ caFile: server.caFile }),
      readAdmin: vi.fn(async () => app.admin),
      readConnection: async () => connectionJsonOf(app.current),
      rds: rejectRds,
      isRotating: async token => running.has(token),
      isExecutionRunning: async token => running.has(token),
      hasChangedNothing: async () => false,
      defaults: parseOptions({}),
    }
  })

  const value = async (token: string) => (await store.read(id, { token }))?.credential as Credential
  const admitted = async (...tokens: string[]) =>
    Promise.all(tokens.map(async token => admits(server, await value(token))))

  async function rotate(token: string) {
    const rotation = await steps.createSecret(pipeline, { id, token })
    await steps.setSecret(pipeline, rotation)
    await steps.testSecret(pipeline, rotation)
    await steps.finishSecret(pipeline, rotation)
    return rotation
  }

  test('the old password works until the grace time is over, and the admin is used only where necessary', async () => {
    const rotation = await rotate(second)
    expect(rotation).toMatchObject({
      strategy: 'dual-password',
      user: app.user,
      nextUser: app.user,
      grace: 3600,
    })
    expect(await admitted(first, second)).toEqual([true, true])
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'retired' })
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'retired' })
    expect(await admitted(first, second)).toEqual([false, true])
    if (mysql) expect(pipeline.readAdmin).not.toHaveBeenCalled()
    else expect(pipeline.readAdmin).toHaveBeenCalled()
  })

  test('the old password is closed after the grace time even if the value was edited meanwhile', async () => {
    const rotation = await rotate(second)
    await store.propose(
      id,
      third,
      Credential.parse((await value(second)).serialize().replace('{', '{"note":1,')),
    )
    await store.promote(id, third, second)
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'retired' })
    expect(await admitted(first, second)).toEqual([false, true])
  })

  test('a rotation within the grace time of the last one closes the older of its two passwords', async () => {
    const rotation = await rotate(second)
    await rotate(third)
    expect(await admitted(second, third)).toEqual([true, true])
    expect(await admitted(first)).toEqual([false])
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'superseded' })
    expect(await admitted(second, third)).toEqual([true, true])
  })

  test('a rollback removes the new password and keeps the old one, and the next rotation succeeds', async () => {
    const rotation = await steps.createSecret(pipeline, { id, token: second })
    await steps.setSecret(pipeline, rotation)
    expect(await rollback(pipeline, rotation)).toEqual({ token: second, outcome: 'intact' })
    expect(await admitted(first, second)).toEqual([true, false])
    await rotate(third)
    expect(await admitted(first, third)).toEqual([true, true])
  })

  test('a database that was restored to the previous password rotates', async () => {
    await retire(pipeline, await rotate(second))
    const restored = (await value(first)).password
    const kind = mysql ? 'caching_sha2_password' : 'mysql_native_password'
    await sql(
      mysql
        ? `alter user ${app.user} identified with ${kind} by ${quoteText(restored)}`
        : `alter user ${app.user} identified by ${quoteText(restored)}`,
    )
    await rotate(third)
    expect(await admitted(third)).toEqual([true])
  })

  test('setSecret throws LoginRefused if no stored value logs in, and the rollback LockedOut', async () => {
    await sql(`alter user ${app.user} identified by 'by hand'`)
    const rotation = await steps.createSecret(pipeline, { id, token: second })
    await expect(steps.setSecret(pipeline, rotation)).rejects.toMatchObject({ name: 'LoginRefused' })
    await expect(rollback(pipeline, rotation)).rejects.toMatchObject({ name: 'LockedOut' })
  })

  if (mysql)
    test('the oldest password, which a rotation of another strategy kept, is closed after the first grace time', async () => {
      const rotation = await rotate(second)
      store.tag(id, { 'keyturn:strategy': 'single-user' })
      await rotate(third)
      expect(await admitted(first, second, third)).toEqual([true, false, true])
      expect(await retire(pipeline, rotation)).toEqual({ outcome: 'retired' })
      expect(await admitted(first, third)).toEqual([false, true])
    })

  test.each([{ 'keyturn:strategy': 'single-user' }, { 'keyturn:strategy': 'temporary-clone' }, {}])(
    'an abandoned rotation is rolled back, although the tags are %j by now',
    async tags => {
      const rotation = await steps.createSecret(pipeline, { id, token: second })
      await steps.setSecret(pipeline, rotation)
      store.tag(id, tags as Record<string, string>)
      expect(await rollbackAbandoned(pipeline, id)).toEqual({ token: second, outcome: 'intact' })
      expect(await admitted(first, second)).toEqual([true, false])
      await rotate(third)
      expect(await admitted(third)).toEqual([true])
    },
  )

  test('after a rotation died, current works, and the next rotation closes the dead one’s password', async () => {
    const ours = await steps.createSecret(pipeline, { id, token: second })
    running.add(second)
    await steps.setSecret(pipeline, ours)
    running.delete(second)
    await expect(steps.createSecret(pipeline, { id, token: third })).rejects.toMatchObject({
      name: 'RotationAbandoned',
    })
    await rollbackAbandoned(pipeline, id)
    await rotate(third)
    expect(await admitted(first, second, third)).toEqual([true, false, true])
  })

  test('a password that another rotation sets while the older one is closed is set again', async () => {
    const rotation = await rotate(second)
    const describe = store.describe.bind(store)
    const plain = store.withParser(Credential.parse)
    let looks = 0
    vi.spyOn(store, 'describe').mockImplementation(async which => {
      if (++looks === 2) {
        await plain.propose(id, third, (await value(second)).with({ password: `third-${randomHex(8)}` }))
        expect(await admitted(first, second)).toEqual([false, true])
      }
      return describe(which)
    })
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'superseded' })
    expect(await admitted(second, third)).toEqual([true, true])
  })

  test('a value of another user that is pending while the older password is closed sets nobody’s password', async () => {
    const { current: victim } = await makeApp(server)
    const rotation = await rotate(second)
    const plain = store.withParser(Credential.parse)
    const describe = store.describe.bind(store)
    let looks = 0
    vi.spyOn(store, 'describe').mockImplementation(async which => {
      const { username } = victim
      if (++looks === 2)
        await plain.propose(id, third, (await value(second)).with({ username, password: 'stolen' }))
      return describe(which)
    })
    await retire(pipeline, rotation)
    expect(await admits(server, victim)).toBe(true)
    expect(await admits(server, victim.with({ password: 'stolen' }))).toBe(false)
    expect(await admitted(second)).toEqual([true])
  })

  test(`a password of ${mysql ? '257 characters is refused before it is stored' : '1024 characters rotates'}`, async () => {
    store.tag(id, { 'keyturn:strategy': 'dual-password', 'keyturn:PASSWORD_LENGTH': mysql ? '257' : '1024' })
    if (!mysql) return expect(await rotate(second)).toMatchObject({ nextUser: app.user })
    await expect(steps.createSecret(pipeline, { id, token: second })).rejects.toMatchObject({
      name: 'InvalidOption',
      message: 'PASSWORD_LENGTH: should be at most 256: the database takes no more',
    })
    expect((await store.describe(id)).pending).toBeUndefined()
    store.tag(id, { 'keyturn:strategy': 'dual-password', 'keyturn:PASSWORD_LENGTH': '256' })
    await rotate(third)
  })

  if (mysql) {
    test('an account with a rule against reusing passwords throws NotPermitted, and nothing changes', async () => {
      for (const rule of ['password history 3', 'password reuse interval 7 day']) {
        await sql(`alter user ${app.user} password history default password reuse interval default ${rule}`)
        const rotation = await steps.createSecret(pipeline, { id, token: second })
        await expect(steps.setSecret(pipeline, rotation)).rejects.toMatchObject({
          name: 'NotPermitted',
          message: expect.stringContaining('PASSWORD HISTORY'),
        })
        expect(await admitted(first, second)).toEqual([true, false])
      }
    })

    /** Rolls a second rotation back while the user may not have two passwords, so that its password stays as the first of two. */
    async function leaveOpen() {
      const rotation = await steps.createSecret(pipeline, { id, token: second })
      await steps.setSecret(pipeline, rotation)
      await sql(`revoke application_password_admin on *.* from ${app.user}`)
      expect(await rollback(pipeline, rotation)).toEqual({ token: second, outcome: 'open' })
      await sql(`grant application_password_admin on *.* to ${app.user}`)
      expect(await admitted(first, second)).toEqual([true, true])
    }
    /** Makes versions that were discarded, newer than what was left open. */
    async function discardMore(count: number) {
      for (let n = 0; n < count; n++) {
        const token = `never-${n}-`.padEnd(32, '0')
        await store.propose(id, token, app.current.with({ password: `never-${randomHex(8)}` }))
        await store.discard(id, token)
      }
    }

    test('a password that a rollback had to leave is closed by the next rotation', async () => {
      await leaveOpen()
      await discardMore(3)
      const rotation = await rotate(third)
      expect(await admitted(first, second, third)).toEqual([true, false, true])
      await retire(pipeline, rotation)
      expect(await admitted(first, second, third)).toEqual([false, false, true])
    })

    test('looking for a left password locks no account that is locked after refused logins', async () => {
      await sql(`alter user ${app.user} failed_login_attempts 2 password_lock_time unbounded`)
      await leaveOpen()
      await discardMore(6)
      await rotate(third)
      expect(await admitted(first, second, third)).toEqual([true, false, true])
    })

    test.each(['its rotation runs', 'it becomes current meanwhile'])(
      'setSecret throws Conflict and keeps a password that a rollback left if %s',
      async why => {
        await leaveOpen()
        const rotation = await steps.createSecret(pipeline, { id, token: third })
        if (why === 'its rotation runs') running.add(second)
        else {
          const read = store.read.bind(store)
          vi.spyOn(store, 'read').mockImplementation((which, version) => {
            if (version.token === second) store.move(id, 'current', second)
            return read(which, version)
          })
        }
        await expect(steps.setSecret(pipeline, rotation)).rejects.toMatchObject({ name: 'Conflict' })
        vi.restoreAllMocks()
        expect(await admitted(first, second, third)).toEqual([true, true, false])
        expect(await rollback(pipeline, rotation)).toEqual({ token: third, outcome: 'intact' })
      },
    )

    test.each([
      ['4, as the admin sees', 4, true],
      ['6, and no admin is named', 6, false],
    ])('a rollback makes fewer refused logins than lock the account: %s', async (_, limit, admin) => {
      const { masterarn: __, ...rest } = JSON.parse(app.current.serialize())
      const current = admin ? app.current : Credential.parse(JSON.stringify(rest))
      store.create(id, first, current, { 'keyturn:strategy': 'dual-password' })
      await discardMore(9)
      await sql(
        `alter user ${app.user} failed_login_attempts ${limit} password_lock_time unbounded`,
        `alter user ${app.user} identified by 'by hand'`,
      )
      const rotation = await steps.createSecret(pipeline, { id, token: second })
      await expect(steps.setSecret(pipeline, rotation)).rejects.toMatchObject({ name: 'LoginRefused' })
      await expect(rollback(pipeline, rotation)).rejects.toMatchObject({
        name: 'LockedOut',
        message: expect.stringContaining('older ones were not tried'),
      })
      expect(await admits(server, current.with({ password: 'by hand' }))).toBe(true)
    })

    test('a rollback tries the oldest of ten values on an account that is never locked', async () => {
      await discardMore(9)
      await sql(
        `alter user ${app.user} identified by ${quoteText((await value('never-0-'.padEnd(32, '0'))).password)}`,
      )
      const rotation = await steps.createSecret(pipeline, { id, token: second })
      await expect(steps.setSecret(pipeline, rotation)).rejects.toMatchObject({ name: 'LoginRefused' })
      expect(await rollback(pipeline, rotation)).toEqual({ token: second, outcome: 'restored' })
      expect(await admitted(first)).toEqual([true])
    })

    test('an unknown password that was retained over current throws Conflict, which says what to do', async () => {
      await sql(`alter user ${app.user} identified by 'by hand' retain current password`)
      await discardMore(2)
      const rotation = await steps.createSecret(pipeline, { id, token: second })
      await expect(steps.setSecret(pipeline, rotation)).rejects.toMatchObject({
        name: 'Conflict',
        message: expect.stringContaining('have an administrator set current'),
      })
      expect(await rollback(pipeline, rotation)).toEqual({ token: second, outcome: 'intact' })
      expect(await admits(server, app.current.with({ password: 'by hand' }))).toBe(true)
      expect(await admitted(first, second)).toEqual([true, false])
    })

    test('a password alone can have two passwords too', async () => {
      const { current } = app
      const passwordOnly = Credential.passwordOnlyParser(connectionJsonOf(current))
      const tags = { 'keyturn:connection': '/app/connection', 'keyturn:strategy': 'dual-password' }
      store.create(id, first, passwordOnly(current.password), tags)
      const rotation = await rotate(second)
      expect(rotation).toMatchObject({ connection: '/app/connection', strategy: 'dual-password' })
      const next = (await store.withParser(passwordOnly).read(id, { token: second }))
        ?.credential as Credential
      expect([await admits(server, current), await admits(server, next)]).toEqual([true, true])
      await retire(pipeline, rotation)
      expect([await admits(server, current), await admits(server, next)]).toEqual([false, true])
    })
  } else
    test('a value without an admin throws InvalidCredential before anything is written', async () => {
      const { masterarn: _, ...value } = JSON.parse(app.current.serialize())
      store.create(id, first, Credential.parse(JSON.stringify(value)), {
        'keyturn:strategy': 'dual-password',
      })
      await expect(steps.createSecret(pipeline, { id, token: second })).rejects.toMatchObject({
        name: 'InvalidCredential',
        field: 'masterarn',
      })
    })
})

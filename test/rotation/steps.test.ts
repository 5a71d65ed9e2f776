import { inspect } from 'node:util'
import { describe, expect, test, vi } from 'vitest'
import { admits, credentialFor, randomHex, runStatements } from '../../local/servers/postgresDatabase.ts'
import { Credential } from '../../rotation/credential.ts'
import { NotPermitted, Unreachable } from '../../rotation/errors.ts'
import { retire } from '../../rotation/retire.ts'
import { rollback } from '../../rotation/rollback.ts'
import {
  checkRotation,
  createSecret,
  finishSecret,
  setSecret,
  testSecret as try_,
} from '../../rotation/steps.ts'
import { MemoryStore } from '../../rotation/stores/memory.ts'
import { AlternatingUsers } from '../../rotation/strategies/alternatingUsers.ts'
import {
  admin,
  app,
  connection,
  engine,
  firstToken,
  id,
  pipeline,
  rds,
  readByToken,
  readCurrent,
  rotate,
  running,
  secondToken,
  server,
  setUpSecret,
  singleUserTags,
  store,
  unreachableEngine,
  untouched,
} from '../support/oneSecret.ts'

describe('createSecret', () => {
  test('chooses alternating users if the value names an admin, else a single user, unless a tag says otherwise', async () => {
    await setUpSecret()
    expect(await createSecret(pipeline, { id, token: secondToken })).toMatchObject({
      strategy: 'alternating-users',
      user: app.user,
      nextUser: `${app.user}_clone`,
      replaces: firstToken,
      grace: 86_400,
    })
    await setUpSecret(singleUserTags)
    expect(await createSecret(pipeline, { id, token: secondToken })).toMatchObject({
      strategy: 'single-user',
      nextUser: app.user,
    })
    await setUpSecret({}, credentialFor(server, app.user, 'p'))
    expect(await createSecret(pipeline, { id, token: secondToken })).toMatchObject({
      strategy: 'single-user',
    })
  })

  test('returns the grace time of the tag, and none for `never` or for a strategy with one user', async () => {
    await setUpSecret({ 'keyturn:grace': '15m' })
    expect(await createSecret(pipeline, { id, token: secondToken })).toMatchObject({ grace: 900 })
    await setUpSecret({ 'keyturn:grace': 'never' })
    expect(await createSecret(pipeline, { id, token: secondToken })).not.toHaveProperty('grace')
    await setUpSecret(singleUserTags)
    expect(await createSecret(pipeline, { id, token: secondToken })).not.toHaveProperty('grace')
  })

  test('returns no secret value', async () => {
    const facts = JSON.stringify(await createSecret(pipeline, { id, token: secondToken }))
    expect(facts).not.toContain((await readByToken(secondToken)).password)
    expect(facts).not.toContain((await readCurrent()).password)
  })

  test('returns the same result if it is repeated, at any time', async () => {
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    const { password } = await readByToken(secondToken)
    expect(await createSecret(pipeline, { id, token: secondToken })).toEqual(rotation)
    await setSecret(pipeline, rotation)
    expect(await createSecret(pipeline, { id, token: secondToken })).toEqual(rotation)
    await finishSecret(pipeline, rotation)
    expect(await createSecret(pipeline, { id, token: secondToken })).toEqual(rotation)
    expect((await readCurrent()).password).toBe(password)
  })

  test('throws RotationInProgress if another rotation runs, and RotationAbandoned if another one died', async () => {
    await createSecret(pipeline, { id, token: secondToken })
    const other = 'third-'.padEnd(32, '0')
    running.add(secondToken)
    await expect(createSecret(pipeline, { id, token: other })).rejects.toMatchObject({
      name: 'RotationInProgress',
    })
    running.clear()
    await expect(createSecret(pipeline, { id, token: other })).rejects.toMatchObject({
      name: 'RotationAbandoned',
    })
    expect((await store.describe(id)).pending).toBe(secondToken)
    expect(await readByToken(other)).toBeUndefined()
  })

  test.each(['a new rotation', 'one that was rolled back before'])(
    'discards the value of a rotation that died and changed nothing, and %s goes on',
    async which => {
      const other = 'third-'.padEnd(32, '0')
      if (which !== 'a new rotation') {
        await createSecret(pipeline, { id, token: other })
        await store.discard(id, other)
      }
      await createSecret(pipeline, { id, token: secondToken })
      untouched.add(secondToken)
      running.add(secondToken)
      await expect(createSecret(pipeline, { id, token: other })).rejects.toMatchObject({
        name: 'RotationInProgress',
      })
      running.clear()
      const rotation = await createSecret(pipeline, { id, token: other })
      expect((await store.describe(id)).pending).toBe(other)
      await setSecret(pipeline, rotation)
      await try_(pipeline, rotation)
      await finishSecret(pipeline, rotation)
      expect(await admits(server, await readCurrent())).toBe(true)
    },
  )

  test.each([
    ['read its history', 'untouched'],
    ['discard its value', 'discard'],
  ])('leaves a rotation that died to a rollback if it cannot %s', async (_, what) => {
    await createSecret(pipeline, { id, token: secondToken })
    untouched.add(secondToken)
    const no = () => Promise.reject(new NotPermitted('no'))
    if (what === 'discard') vi.spyOn(store, 'discard').mockImplementation(no)
    const refusing = what === 'discard' ? pipeline : { ...pipeline, hasChangedNothing: no }
    const other = 'third-'.padEnd(32, '0')
    await expect(createSecret(refusing, { id, token: other })).rejects.toMatchObject({
      name: 'RotationAbandoned',
    })
    expect((await store.describe(id)).pending).toBe(secondToken)
  })

  test('asks for no execution and discards nothing if nothing else is pending', async () => {
    const asked = vi.fn(async () => true)
    const discard = vi.spyOn(store, 'discard')
    const watched = { ...pipeline, isRotating: asked, isExecutionRunning: asked, hasChangedNothing: asked }
    for (const _ of [1, 2]) await createSecret(watched, { id, token: secondToken })
    await finishSecret(pipeline, await rotate(secondToken))
    await createSecret(watched, { id, token: 'third-'.padEnd(32, '0') })
    expect(asked).not.toHaveBeenCalled()
    expect(discard).not.toHaveBeenCalled()
  })

  test.each([
    ['an unknown tag', { 'keyturn:stratgey': 'x' }, {}, 'InvalidOption', /keyturn:stratgey/],
    ['a password of too few bits', { 'keyturn:PASSWORD_LENGTH': '8' }, {}, 'InvalidOption', /bits/],
    [
      'two users without an admin',
      { 'keyturn:strategy': 'alternating-users' },
      { masterarn: undefined },
      'InvalidCredential',
      /masterarn/,
    ],
  ])('refuses %s before anything is written', async (_, tags, more, name, message) => {
    const { host, port } = server
    const value = credentialFor(server, app.user, 'p', {
      host,
      port,
      masterarn: app.current.masterarn,
      ...more,
    })
    await setUpSecret(tags, value)
    await expect(createSecret(pipeline, { id, token: secondToken })).rejects.toMatchObject({
      name,
      message: expect.stringMatching(message),
    })
    expect((await store.describe(id)).pending).toBeUndefined()
  })

  test.each([
    ...['db:5432', 'postgres://u:secret@db/x', 'u:secret@db', 'db ', 'x y', 'db\n', '/run/postgresql'],
    ...['db/secret', '[::1]', 'db..example.com', 'x'.repeat(254)],
  ])('refuses the impossible host %j before anything is written, and never repeats it', async host => {
    await setUpSecret(singleUserTags, credentialFor(server, app.user, 'p', { host }))
    for (const refused of [createSecret, checkRotation]) {
      const error = await refused(pipeline, { id, token: secondToken }).catch((error: Error) => error)
      expect(error).toMatchObject({ name: 'InvalidCredential', field: 'host' })
      expect(inspect(error)).not.toContain(host)
    }
    expect((await store.describe(id)).pending).toBeUndefined()
    expect(
      `${await readCurrent()} ${JSON.stringify(await readCurrent())} ${(await readCurrent()).server}`,
    ).not.toContain(host)
  })

  test.each([
    'db',
    'db.example.com',
    'db.example.com.',
    'my_db-1',
    'bücher.example',
    '10.1.2.3',
    '::1',
    'fe80::1%eth0',
  ])('accepts the host %s', async host => {
    await setUpSecret(singleUserTags, credentialFor(server, app.user, 'p', { host }))
    expect(await createSecret(pipeline, { id, token: secondToken })).toMatchObject({ host })
  })

  test('throws TokenReused for the token of an older version, which would bring its password back', async () => {
    await setUpSecret(singleUserTags)
    await rotate(secondToken)
    const third = 'third-'.padEnd(32, '0')
    await rotate(third)
    for (const old of [firstToken, secondToken]) {
      await expect(createSecret(pipeline, { id, token: old })).rejects.toMatchObject({ name: 'TokenReused' })
      expect(await store.describe(id)).toMatchObject({ current: third, pending: undefined })
    }
  })

  test('accepts the token of a rotation that was rolled back', async () => {
    await setUpSecret(singleUserTags)
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await setSecret(pipeline, rotation)
    await rollback(pipeline, rotation)
    await rotate(secondToken)
    expect((await store.describe(id)).current).toBe(secondToken)
    expect(await admits(server, await readCurrent())).toBe(true)
  })

  test('refuses a user name whose clone’s name would be too long', async () => {
    await setUpSecret({}, credentialFor(server, 'ü'.repeat(29), 'p', { masterarn: app.current.masterarn }))
    await expect(createSecret(pipeline, { id, token: secondToken })).rejects.toMatchObject({
      name: 'InvalidCredential',
      field: 'username',
      message: expect.stringContaining('57 bytes'),
    })
  })

  test('leaves fields that Keyturn does not know where they are', async () => {
    const text = `{"z":1,"engine":"postgres","host":"h","username":"u","password":"p","id":12345678901234567890,"a":{"b":[]}}`
    await setUpSecret(singleUserTags, Credential.parse(text))
    await createSecret(pipeline, { id, token: secondToken })
    const next = await readByToken(secondToken)
    expect(next.serialize()).toBe(
      text.replace('"password":"p"', () => `"password":${JSON.stringify(next.password)}`),
    )
  })
})

describe('setSecret', () => {
  test('of a single user has the new password log in, and the old one refused', async () => {
    await setUpSecret(singleUserTags)
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await setSecret(pipeline, rotation)
    await setSecret(pipeline, rotation)
    expect(await admits(server, await readByToken(secondToken))).toBe(true)
    expect(await admits(server, app.current)).toBe(false)
  })

  test('of a single user succeeds in a database that was restored to the previous password', async () => {
    await setUpSecret(singleUserTags)
    await rotate(secondToken)
    await runStatements(server, `alter role "${app.user}" password '${app.current.password}'`)
    const third = 'third-'.padEnd(32, '0')
    await rotate(third)
    expect(await admits(server, await readByToken(third))).toBe(true)
  })

  test('of a single user throws LoginRefused if no stored value logs in, and nothing changes', async () => {
    await setUpSecret(singleUserTags, app.current.with({ password: 'wrong' }))
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await expect(setSecret(pipeline, rotation)).rejects.toMatchObject({ name: 'LoginRefused' })
    expect(await admits(server, app.current)).toBe(true)
  })

  test('throws InvalidCredential before any change if the admin is one of the two users', async () => {
    const { clone } = new AlternatingUsers().pairOf(app.user)
    for (const username of [app.user, clone]) {
      await setUpSecret({ 'keyturn:strategy': 'alternating-users' })
      admin.mockResolvedValue(app.admin.with({ username }))
      const rotation = await createSecret(pipeline, { id, token: secondToken })
      await expect(setSecret(pipeline, rotation)).rejects.toMatchObject({
        name: 'InvalidCredential',
        field: 'masterarn',
        message: expect.stringMatching(/another user.*; this try changed nothing$/),
      })
      untouched.add(secondToken)
      expect(await rollback(pipeline, rotation)).toEqual({ token: secondToken, outcome: 'intact' })
    }
  })

  describe('of an admin whose own password is changed at the same time', () => {
    const logins = () => {
      const counted = vi.fn(engine.login.bind(engine))
      pipeline.loadEngine = async () => ({ login: counted })
      return () => counted.mock.calls.filter(([{ username }]) => username === app.admin.username).length
    }
    /** Changes the admin's password, while its secret still has the old value. */
    const turned = async () => {
      const next = app.admin.with({ password: `turned-${randomHex()}` })
      await runStatements(server, `alter role "${app.admin.username}" password '${next.password}'`)
      return next
    }

    test('reads the admin’s value again, and logs in with the next one', async () => {
      const rotation = await createSecret(pipeline, { id, token: secondToken })
      const next = await turned()
      admin.mockResolvedValueOnce(app.admin).mockResolvedValueOnce(app.admin).mockResolvedValue(next)
      const count = logins()
      await setSecret(pipeline, rotation)
      expect(count()).toBe(2)
      expect(await admits(server, await readByToken(secondToken))).toBe(true)
    })

    test('throws AdminRefused until the value is another one, without a second login with the refused one', async () => {
      const rotation = await createSecret(pipeline, { id, token: secondToken })
      const next = await turned()
      const count = logins()
      for (let n = 0; n < 3; n++)
        await expect(setSecret(pipeline, rotation)).rejects.toMatchObject({
          name: 'AdminRefused',
          message: expect.stringMatching(/; this try changed nothing$/),
        })
      expect(count()).toBe(1)
      admin.mockResolvedValue(next)
      await setSecret(pipeline, rotation)
      expect(count()).toBe(2)
      await finishSecret(pipeline, rotation)
      admin.mockResolvedValue(app.admin)
      await expect(retire(pipeline, rotation)).rejects.toMatchObject({ name: 'AdminRefused' })
      admin.mockResolvedValue(next)
      expect(await retire(pipeline, rotation)).toEqual({ outcome: 'retired' })
    })
  })

  test('says in an error whether its try may have changed anything', async () => {
    const error = async (change: () => Promise<unknown>) => {
      await setUpSecret({ 'keyturn:strategy': 'alternating-users' })
      const rotation = await createSecret(pipeline, { id, token: secondToken })
      await change()
      return setSecret(pipeline, rotation).catch((error: Error) => error)
    }
    const saysSo = { message: expect.stringMatching(/; this try changed nothing$/) }
    expect(await error(async () => (pipeline.loadEngine = unreachableEngine))).toMatchObject(saysSo)
    expect(await error(async () => store.discard(id, secondToken))).toMatchObject(saysSo)
    const noAdmin = async () => admin.mockRejectedValue(new Unreachable('Secrets Manager: no route'))
    expect(await error(noAdmin)).toMatchObject(saysSo)
    admin.mockResolvedValue(app.admin)
    const superuser = async () => runStatements(server, `alter role "${app.user}" superuser`)
    const { message } = (await error(superuser)) as Error
    expect(message).not.toMatch(saysSo.message.sample)
    await setUpSecret({ 'keyturn:strategy': 'master' })
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    rds.mockResolvedValue({ setMasterPassword: () => Promise.reject(new Unreachable('RDS: gone')) } as never)
    await expect(setSecret(pipeline, rotation)).rejects.toMatchObject({ message: 'RDS: gone' })
  })

  test('throws Superseded if another version became current meanwhile', async () => {
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await expect(setSecret(pipeline, { ...rotation, replaces: 'other' })).rejects.toMatchObject({
      name: 'Superseded',
    })
  })

  test('throws RotationInProgress if another rotation is pending meanwhile', async () => {
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await store.discard(id, secondToken)
    await expect(setSecret(pipeline, rotation)).rejects.toMatchObject({ name: 'RotationInProgress' })
    await expect(try_(pipeline, rotation)).rejects.toMatchObject({ name: 'RotationInProgress' })
  })

  test('throws HostMismatch, without the admin, if the pending value is for another user or database', async () => {
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    for (const change of [{ dbname: 'elsewhere' }, { username: 'postgres' }]) {
      const tampered = (await readByToken(secondToken)).with(change)
      vi.spyOn(store, 'read').mockImplementationOnce(MemoryStore.prototype.read.bind(store))
      vi.spyOn(store, 'read').mockImplementation(async (_, which) =>
        which.stage === 'pending'
          ? { token: secondToken, credential: tampered }
          : MemoryStore.prototype.read.call(store, id, which),
      )
      await expect(setSecret(pipeline, rotation)).rejects.toMatchObject({ name: 'HostMismatch' })
      vi.restoreAllMocks()
    }
    expect(admin).not.toHaveBeenCalled()
  })

  describe('does not become a confused deputy:', () => {
    test('if current does not log in, the admin is not read', async () => {
      await setUpSecret({}, app.current.with({ password: 'guessed' }))
      const rotation = await createSecret(pipeline, { id, token: secondToken })
      await expect(setSecret(pipeline, rotation)).rejects.toMatchObject({ name: 'LoginRefused' })
      expect(admin).not.toHaveBeenCalled()
    })

    test.each([
      ['host', { host: 'localhost' }],
      ['port', { port: 1 }],
    ])('an admin of another %s is not used', async (_, change) => {
      const { username, password } = app.admin
      admin.mockResolvedValueOnce(credentialFor(server, username, password, change))
      const rotation = await createSecret(pipeline, { id, token: secondToken })
      await expect(setSecret(pipeline, rotation)).rejects.toMatchObject({ name: 'HostMismatch' })
    })

    test('a missing port equals the engine’s default port', async () => {
      const { username, password } = app.admin
      const value = { ...JSON.parse(app.current.serialize()), port: undefined }
      await setUpSecret({}, credentialFor(server, app.user, 'p', value))
      admin.mockResolvedValueOnce(credentialFor(server, username, password, { port: 5432 }))
      const rotation = await createSecret(pipeline, { id, token: secondToken })
      await expect(setSecret(pipeline, rotation)).rejects.not.toMatchObject({ name: 'HostMismatch' })
    })

    test('another user with the name that a clone’s user would have is not taken over', async () => {
      const victim = `victim_${randomHex()}`
      const mine = credentialFor(server, `${victim}_clone`, 'mine', {
        dbname: app.database,
        masterarn: app.current.masterarn,
      })
      await runStatements(
        server,
        `create role ${victim} login superuser password 'theirs'; create role ${victim}_clone login password 'mine'`,
      )
      await setUpSecret({}, mine)
      const rotation = await createSecret(pipeline, { id, token: secondToken })
      expect(rotation.nextUser).toBe(victim)
      admin.mockResolvedValueOnce(credentialFor(server, server.superuser.user, server.superuser.password))
      await expect(setSecret(pipeline, rotation)).rejects.toMatchObject({ name: 'NotPermitted' })
      expect(await admits(server, credentialFor(server, victim, 'theirs'))).toBe(true)
    })
  })
})

describe('testSecret', () => {
  test('runs the test query with the new credential', async () => {
    await setUpSecret({ 'keyturn:strategy': 'single-user', 'keyturn:test-query': 'TABLE public.nowhere' })
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await setSecret(pipeline, rotation)
    await expect(try_(pipeline, rotation)).rejects.toMatchObject({
      name: 'TestFailed',
      message: expect.stringContaining('42P01'),
    })
    await runStatements(
      server,
      'create table public.nowhere (n int); grant select on public.nowhere to public',
      app.database,
    )
    await try_(pipeline, rotation)
  })

  test('throws LoginRefused for a password that was never set', async () => {
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await expect(try_(pipeline, rotation)).rejects.toMatchObject({ name: 'LoginRefused' })
  })

  test('throws TestFailed for a clone that differs from its user, and says how', async () => {
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await setSecret(pipeline, rotation)
    await runStatements(server, `alter role "${app.user}" connection limit 3`)
    await expect(try_(pipeline, rotation)).rejects.toMatchObject({
      name: 'TestFailed',
      message: expect.stringContaining('connection limit 3'),
    })
  })
})

describe('finishSecret', () => {
  test('throws Superseded if another version became current, and may be repeated', async () => {
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await expect(finishSecret(pipeline, { ...rotation, replaces: 'other' })).rejects.toMatchObject({
      name: 'Superseded',
    })
    await finishSecret(pipeline, rotation)
    await finishSecret(pipeline, rotation)
    expect((await store.describe(id)).current).toBe(secondToken)
  })
})

test('a strategy that the engine does not allow throws InvalidOption before anything is written', async () => {
  await setUpSecret({ 'keyturn:strategy': 'dual-password' })
  const refusal = {
    name: 'InvalidOption',
    option: 'keyturn:strategy',
    message: expect.stringMatching(
      /single-user or alternating-users or temporary-clone or master, .* postgres allows/,
    ),
  }
  await expect(createSecret(pipeline, { id, token: secondToken })).rejects.toMatchObject(refusal)
  await expect(checkRotation(pipeline, { id, token: secondToken })).rejects.toMatchObject(refusal)
  expect((await store.describe(id)).pending).toBeUndefined()
})

test('the connection is read for no value but a password alone', async () => {
  const rotation = await rotate(secondToken)
  await retire(pipeline, rotation)
  await rollback(pipeline, rotation)
  await checkRotation(pipeline, { id, token: secondToken })
  expect(connection).not.toHaveBeenCalled()
})

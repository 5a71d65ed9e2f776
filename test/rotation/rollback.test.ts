import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, inject, test, vi } from 'vitest'
import { admits, connectionJsonOf, runStatements } from '../../local/servers/postgresDatabase.ts'
import { Credential } from '../../rotation/credential.ts'
import { Postgres } from '../../rotation/engines/postgres/postgres.ts'
import {
  DatabaseFailed,
  InvalidCredential,
  NotPermitted,
  TlsFailed,
  Unreachable,
} from '../../rotation/errors.ts'
import { rollback, rollbackAbandoned } from '../../rotation/rollback.ts'
import { createSecret, setSecret, testSecret as try_ } from '../../rotation/steps.ts'
import {
  admin,
  app,
  connection,
  engine,
  firstToken,
  id,
  pipeline,
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

describe('rollback', () => {
  test('has nothing to do before anything was written', async () => {
    expect(await rollback(pipeline, { id, token: secondToken })).toEqual({
      token: secondToken,
      outcome: 'nothing',
    })
  })

  test('reports `finished` after FinishSecret, and the new value stays', async () => {
    await rotate(secondToken)
    expect(await rollback(pipeline, { id, token: secondToken })).toEqual({
      token: secondToken,
      outcome: 'finished',
    })
    expect(await admits(server, await readCurrent())).toBe(true)
  })

  test('of a single user reports `intact` before SetSecret and `restored` after it, and nothing is pending', async () => {
    await setUpSecret(singleUserTags)
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'intact' })
    await createSecret(pipeline, { id, token: secondToken })
    await setSecret(pipeline, rotation)
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'restored' })
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'intact' })
    expect((await store.describe(id)).pending).toBeUndefined()
    expect(await admits(server, app.current)).toBe(true)
  })

  test('of a single user restores current by a value of an older rotation', async () => {
    await setUpSecret(singleUserTags)
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await setSecret(pipeline, rotation)
    await store.discard(id, secondToken)
    const third = 'third-'.padEnd(32, '0')
    await store.propose(id, third, app.current.with({ password: 'never set' }))
    expect(await rollback(pipeline, { id, token: third })).toMatchObject({ outcome: 'restored' })
    expect(await admits(server, app.current)).toBe(true)
  })

  test('of a single user goes on to other stored values if one cannot be tried', async () => {
    await setUpSecret(singleUserTags)
    await rotate(secondToken)
    await runStatements(server, `alter role "${app.user}" password '${app.current.password}'`)
    const third = 'third-'.padEnd(32, '0')
    const odd = 'odd-'.padEnd(32, '0')
    const value = JSON.parse((await readCurrent()).serialize())
    await store.propose(id, odd, Credential.parse(JSON.stringify({ ...value, ssl: false })))
    await store.discard(id, odd)
    await store.propose(id, third, (await readCurrent()).with({ password: 'never set' }))
    expect(await rollback(pipeline, { id, token: third })).toMatchObject({ outcome: 'restored' })
    expect(await admits(server, await readCurrent())).toBe(true)
  })

  test('throws LockedOut if no stored value logs in, and the value stays pending', async () => {
    await setUpSecret(singleUserTags)
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await runStatements(server, `alter role "${app.user}" password 'changed by hand'`)
    await expect(rollback(pipeline, rotation)).rejects.toMatchObject({ name: 'LockedOut' })
    expect((await store.describe(id)).pending).toBe(secondToken)
  })

  test('of alternating users closes the other user, or restores its password while its grace time runs', async () => {
    await rotate(secondToken)
    const third = 'third-'.padEnd(32, '0')
    const rotation = await createSecret(pipeline, { id, token: third })
    await setSecret(pipeline, rotation)
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'intact' })
    expect(await admits(server, await readByToken(third))).toBe(false)
    expect(await admits(server, app.current)).toBe(false)
    running.add(secondToken)
    await createSecret(pipeline, { id, token: third })
    await setSecret(pipeline, rotation)
    store.tag(id, { 'keyturn:strategy': 'alternating-users', 'keyturn:nonsense': 'x' })
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'intact' })
    expect(await admits(server, await readByToken(third))).toBe(false)
    expect(await admits(server, app.current)).toBe(true)
    expect(await admits(server, await readCurrent())).toBe(true)
  })

  test('of alternating users leaves the other user alone while a running rotation may use it', async () => {
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await setSecret(pipeline, rotation)
    const rival = 'third-'.padEnd(32, '0')
    await store.propose(
      id,
      rival,
      app.current.with({ username: `${app.user}_clone`, password: 'of the rival' }),
    )
    running.add(rival)
    expect(await rollback(pipeline, rotation)).toEqual({ token: secondToken, outcome: 'intact' })
    expect(await admits(server, await readByToken(secondToken))).toBe(true)
    running.clear()
    expect(await rollback(pipeline, rotation)).toEqual({ token: secondToken, outcome: 'intact' })
    expect(await admits(server, await readByToken(secondToken))).toBe(false)
  })

  test('of alternating users closes a clone that the server never lets in', async () => {
    const [{ hba_file: file } = { hba_file: '' }] = await runStatements<{ hba_file: string }>(
      server,
      'show hba_file',
    )
    const rules = readFileSync(file, 'utf8')
    writeFileSync(file, `hostssl all "${app.user}_clone" all reject\n${rules}`)
    await runStatements(server, 'select pg_reload_conf()')
    try {
      const rotation = await createSecret(pipeline, { id, token: secondToken })
      await setSecret(pipeline, rotation)
      const tested = () => try_(pipeline, rotation).catch(({ name }) => name)
      await expect.poll(tested).toBe('NotPermitted')
      expect(await rollback(pipeline, rotation)).toEqual({ token: secondToken, outcome: 'intact' })
      const verifier = `select rolpassword from pg_authid where rolname = '${app.user}_clone'`
      expect(await runStatements(server, verifier)).toEqual([{ rolpassword: null }])
    } finally {
      writeFileSync(file, rules)
      await runStatements(server, 'select pg_reload_conf()')
    }
  })

  test('of alternating users discards the pending value even if the admin is refused', async () => {
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await setSecret(pipeline, rotation)
    admin.mockResolvedValue(app.admin.with({ password: 'gone' }))
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'open' })
    expect((await store.describe(id)).pending).toBeUndefined()
    expect(await admits(server, app.current)).toBe(true)
  })

  test.each([false, true])(
    'of alternating users throws Unreachable if the admin cannot be read, which is tried again; set: %s',
    async changed => {
      const rotation = await createSecret(pipeline, { id, token: secondToken })
      if (changed) await setSecret(pipeline, rotation)
      admin.mockRejectedValueOnce(new Unreachable('Secrets Manager: no route'))
      await expect(rollback(pipeline, rotation)).rejects.toMatchObject({ name: 'Unreachable' })
      expect((await store.describe(id)).pending).toBe(secondToken)
      expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'intact' })
      expect(await admits(server, await readByToken(secondToken))).toBe(false)
    },
  )

  test('throws LockedOut if a password was set that then does not log in', async () => {
    await setUpSecret(singleUserTags)
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await setSecret(pipeline, rotation)
    pipeline.loadEngine = async () => ({
      login: async credential =>
        Object.assign(await engine.login(credential), { setPassword: async () => {} }),
    })
    await expect(rollback(pipeline, rotation)).rejects.toMatchObject({
      name: 'LockedOut',
      message: expect.stringContaining('right after'),
    })
    expect((await store.describe(id)).pending).toBe(secondToken)
  })

  test.each([
    [10, 'restored'],
    [11, 'LockedOut'],
  ])(
    'tries at most ten other values: if the last of %i others is the right one, it ends as %s',
    async (others, result) => {
      await setUpSecret(singleUserTags)
      for (let n = 0; n < others; n++) {
        const { current } = await store.describe(id)
        await store.propose(id, `edited-${n}`, app.current.with({ password: `never set ${n}` }))
        await store.promote(id, `edited-${n}`, current ?? '')
      }
      const rotation = await createSecret(pipeline, { id, token: secondToken })
      const ended = rollback(pipeline, rotation).then(
        ({ outcome }) => outcome,
        ({ name }) => name,
      )
      expect(await ended).toBe(result)
    },
  )

  test('throws LockedOut for a secret without a current version, and the value stays pending', async () => {
    await createSecret(pipeline, { id, token: secondToken })
    const describe = vi
      .spyOn(store, 'describe')
      .mockResolvedValueOnce({ ...(await store.describe(id)), current: undefined })
    await expect(rollback(pipeline, { id, token: secondToken })).rejects.toMatchObject({ name: 'LockedOut' })
    describe.mockRestore()
    expect((await store.describe(id)).pending).toBe(secondToken)
  })

  test('discards a pending value that cannot be read', async () => {
    await store.withParser(Credential.parseOpaque).propose(id, secondToken, Credential.parseOpaque('{'))
    expect(await rollback(pipeline, { id, token: secondToken })).toEqual({
      token: secondToken,
      outcome: 'nothing',
    })
    expect((await store.describe(id)).pending).toBeUndefined()
  })

  test('restores the version that became current meanwhile', async () => {
    await setUpSecret(singleUserTags)
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await setSecret(pipeline, rotation)
    const moved = 'moved-'.padEnd(32, '0')
    const describe = store.describe.bind(store)
    vi.spyOn(store, 'describe')
      .mockImplementationOnce(describe)
      .mockImplementationOnce(async () => {
        await store.propose(id, moved, app.current.with({ password: 'moved' }))
        await store.promote(id, moved, firstToken)
        return describe(id)
      })
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'restored' })
    expect((await readCurrent()).password).toBe('moved')
    expect(await admits(server, await readCurrent())).toBe(true)
  })

  test('throws Unreachable if the database does not answer, and the value stays pending', async () => {
    await setUpSecret(singleUserTags)
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    pipeline.loadEngine = unreachableEngine
    await expect(rollback(pipeline, rotation)).rejects.toMatchObject({ name: 'Unreachable' })
    expect((await store.describe(id)).pending).toBe(secondToken)
  })

  test('of an untouched database discards the pending value even if current is unusable', async () => {
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    untouched.add(secondToken)
    store.create(id, firstToken, Credential.parseOpaque('no JSON'))
    await store.propose(id, secondToken, app.current)
    expect(await rollback(pipeline, rotation)).toEqual({ token: secondToken, outcome: 'untouched' })
    expect((await store.describe(id)).pending).toBeUndefined()
  })

  test('of an untouched database discards the pending value even if the database cannot be looked at', async () => {
    const absent = app.current.with({ dbname: 'absent' })
    const strange = async () => new Postgres({ caFile: inject('postgres')[1]?.caFile ?? '' })
    for (const [value, engine] of [
      [app.current, unreachableEngine],
      [app.current, strange],
      [absent, pipeline.loadEngine],
    ] as const) {
      await setUpSecret(singleUserTags, value)
      const rotation = await createSecret(pipeline, { id, token: secondToken })
      pipeline.loadEngine = engine
      untouched.add(secondToken)
      const rolledBack = { token: secondToken, outcome: 'untouched' }
      expect(await rollback(pipeline, rotation)).toEqual(rolledBack)
      expect((await store.describe(id)).pending).toBeUndefined()
      await store.propose(id, secondToken, value)
      expect(await rollbackAbandoned(pipeline, id)).toEqual(rolledBack)
    }
  })

  describe('after a rotation that changed nothing, as current was refused before, says so in LockedOut, once', () => {
    const refused = async (found: RegExp) => {
      const rotation = await createSecret(pipeline, { id, token: secondToken })
      await expect(setSecret(pipeline, rotation)).rejects.toMatchObject({
        name: 'LoginRefused',
        message: expect.stringMatching(/this try changed nothing$/),
      })
      untouched.add(secondToken)
      await expect(rollback(pipeline, rotation)).rejects.toMatchObject({
        name: 'LockedOut',
        wasLockedOutBefore: true,
        message: expect.stringMatching(found),
      })
      expect((await store.describe(id)).pending).toBeUndefined()
      // A process that died before it could answer is asked again.
      await expect(rollback(pipeline, rotation)).rejects.toMatchObject({
        name: 'LockedOut',
        wasLockedOutBefore: true,
      })
    }

    test('if the password was changed outside', async () => {
      await setUpSecret(singleUserTags, app.current.with({ password: 'wrong' }))
      await refused(
        /: it was so before this rotation began, which changed nothing; no stored version logs in$/,
      )
    })

    test('if an edited value has an unknown user, although the previous value logs in', async () => {
      await rotate(secondToken)
      const edited = 'edited-'.padEnd(32, '0')
      await store.propose(id, edited, app.current.with({ username: 'mistyped' }))
      await store.promote(id, edited, secondToken)
      const rotation = await createSecret(pipeline, { id, token: 'third-'.padEnd(32, '0') })
      await expect(setSecret(pipeline, rotation)).rejects.toMatchObject({ name: 'LoginRefused' })
      untouched.add(rotation.token)
      await expect(rollback(pipeline, rotation)).rejects.toMatchObject({
        name: 'LockedOut',
        wasLockedOutBefore: true,
        message: expect.stringContaining(
          `changed nothing; the previous value, of user "${app.user}_clone", logs in`,
        ),
      })
      expect((await store.describe(id)).pending).toBeUndefined()
    })

    test('but not if it is unknown whether the rotation changed something', async () => {
      await setUpSecret(singleUserTags, app.current.with({ password: 'wrong' }))
      const rotation = await createSecret(pipeline, { id, token: secondToken })
      pipeline.hasChangedNothing = () => Promise.reject(new Unreachable('Step Functions: no route'))
      await expect(rollback(pipeline, rotation)).rejects.toMatchObject({
        name: 'LockedOut',
        wasLockedOutBefore: false,
      })
      expect((await store.describe(id)).pending).toBe(secondToken)
    })
  })

  test('of an untouched database reports `untouched` for a secret that was deleted', async () => {
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    store.delete(id)
    await expect(rollback(pipeline, rotation)).rejects.toMatchObject({
      name: 'InvalidCredential',
      field: 'id',
    })
    untouched.add(secondToken)
    expect(await rollback(pipeline, rotation)).toEqual({ token: secondToken, outcome: 'untouched' })
  })

  test('of an untouched database reports `untouched` for a connection that names another user by now', async () => {
    await setUpSecret(
      { 'keyturn:connection': '/app/connection' },
      Credential.parseOpaque(app.current.password),
    )
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    connection.mockResolvedValue(connectionJsonOf(app.current, { username: 'other' }))
    await expect(setSecret(pipeline, rotation)).rejects.toMatchObject({ name: 'HostMismatch' })
    untouched.add(secondToken)
    expect(await rollback(pipeline, rotation)).toEqual({ token: secondToken, outcome: 'untouched' })
    expect((await store.describe(id)).pending).toBeUndefined()
  })

  test('of an untouched database reports `untouched` after an error without a name', async () => {
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    pipeline.loadEngine = () => Promise.reject(new RangeError('a driver'))
    await expect(setSecret(pipeline, rotation)).rejects.toMatchObject({
      name: 'Unexpected',
      message: 'an unexpected RangeError; this try changed nothing',
    })
    await expect(rollback(pipeline, rotation)).rejects.toThrow('a driver')
    untouched.add(secondToken)
    expect(await rollback(pipeline, rotation)).toEqual({ token: secondToken, outcome: 'untouched' })
  })

  test('does not try a password that was never set, as a server may lock an account for that', async () => {
    await setUpSecret(singleUserTags)
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    untouched.add(secondToken)
    const login = vi.fn(engine.login.bind(engine))
    pipeline.loadEngine = async () => ({ login })
    expect(await rollback(pipeline, rotation)).toEqual({ token: secondToken, outcome: 'intact' })
    expect(login.mock.calls.map(([{ password }]) => password)).toEqual([app.current.password])
  })

  test('succeeds, if current logs in, whatever error pending meets', async () => {
    for (const wrong of [
      // As a server says whose limit of this user's connections is reached.
      new Unreachable('no room for another connection'),
      new InvalidCredential('dbname', 'there is none'),
      new TlsFailed('untrusted'),
      new DatabaseFailed('SQLSTATE XX000'),
      new NotPermitted('not from here'),
    ]) {
      await setUpSecret({ 'keyturn:strategy': 'alternating-users' })
      const rotation = await createSecret(pipeline, { id, token: secondToken })
      await setSecret(pipeline, rotation)
      const login = engine.login.bind(engine)
      pipeline.loadEngine = async () => ({
        login: async (credential, host) => {
          if (credential.username === rotation.nextUser) throw wrong
          return await login(credential, host)
        },
      })
      expect(await rollback(pipeline, rotation)).toEqual({ token: secondToken, outcome: 'intact' })
      expect(await admits(server, await readByToken(secondToken))).toBe(false)
    }
  })

  test('succeeds with a wrong tag', async () => {
    await setUpSecret(singleUserTags)
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await setSecret(pipeline, rotation)
    store.tag(id, { ...singleUserTags, 'keyturn:grace': 'soon' })
    expect(await rollback(pipeline, { id, token: secondToken })).toMatchObject({ outcome: 'restored' })
    expect(await admits(server, app.current)).toBe(true)
  })

  test('of an abandoned rotation rolls back what is pending, unless that rotation runs', async () => {
    expect(await rollbackAbandoned(pipeline, id)).toEqual({ outcome: 'nothing' })
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await setSecret(pipeline, rotation)
    running.add(secondToken)
    await expect(rollbackAbandoned(pipeline, id)).rejects.toMatchObject({ name: 'RotationInProgress' })
    running.clear()
    expect(await rollbackAbandoned(pipeline, id)).toEqual({ token: secondToken, outcome: 'intact' })
    expect((await store.describe(id)).pending).toBeUndefined()
  })
})

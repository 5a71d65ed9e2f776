import { beforeEach, describe, expect, test, vi } from 'vitest'
import { admits, connectionJsonOf, runStatements } from '../../local/servers/postgresDatabase.ts'
import { Credential } from '../../rotation/credential.ts'
import { retire } from '../../rotation/retire.ts'
import { rollback, rollbackAbandoned } from '../../rotation/rollback.ts'
import {
  checkRotation,
  createSecret,
  finishSecret,
  setSecret,
  testSecret as try_,
} from '../../rotation/steps.ts'
import { MemoryStore } from '../../rotation/stores/memory.ts'
import {
  admin,
  app,
  connection,
  firstToken,
  id,
  pipeline,
  rotate,
  secondToken,
  server,
  setUpSecret,
  store,
} from '../support/oneSecret.ts'

/** @returns the stored text of a version */
const stored = async (stage: 'current' | 'pending' | 'previous') =>
  (await store.withParser(Credential.parseOpaque).read(id, { stage }))?.credential.password

describe('a password alone', () => {
  const tags = { 'keyturn:connection': '/shop/connection' }
  const alone = (password = app.current.password) =>
    Credential.passwordOnlyParser(connectionJsonOf(app.current))(password)
  const admitted = async (password = '') => admits(server, app.current.with({ password }))

  beforeEach(() => setUpSecret(tags, alone()))

  test('rotates its user, even where the connection names an admin', async () => {
    const describes = vi.spyOn(MemoryStore.prototype, 'describe')
    const rotation = await rotate(secondToken)
    expect(rotation).toEqual({
      ...{ id, token: secondToken, engine: 'postgres', connection: '/shop/connection', host: server.host },
      address: `${server.host}:${server.port}`,
      ...{
        strategy: 'single-user',
        user: app.user,
        nextUser: app.user,
        replaces: firstToken,
        rehearse: true,
      },
    })
    expect(await stored('current')).toMatch(/^[!-~]{32}$/)
    expect(await stored('previous')).toBe(app.current.password)
    expect([await admitted(app.current.password), await admitted(await stored('current'))]).toEqual([
      false,
      true,
    ])
    expect(connection.mock.calls).toEqual(Array(3).fill(['/shop/connection']))
    expect(describes).toHaveBeenCalledOnce()
    expect(admin).not.toHaveBeenCalled()
    describes.mockRestore()
  })

  test('is rotated by steps that may be repeated', async () => {
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    const pending = await stored('pending')
    expect(await createSecret(pipeline, { id, token: secondToken })).toEqual(rotation)
    await setSecret(pipeline, rotation)
    await setSecret(pipeline, rotation)
    await finishSecret(pipeline, rotation)
    expect(await createSecret(pipeline, { id, token: secondToken })).toEqual(rotation)
    await setSecret(pipeline, rotation)
    await try_(pipeline, rotation)
    expect(await stored('current')).toBe(pending)
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'superseded' })
  })

  test('may look like JSON', async () => {
    const text = '{"password":"one of its own"}'
    await runStatements(server, `alter role "${app.user}" password '${text}'`)
    await setUpSecret(tags, alone(text))
    await rotate(secondToken)
    expect(await admitted(await stored('current'))).toBe(true)
  })

  test('is rotated in a database that was restored to the previous password', async () => {
    await rotate(secondToken)
    await runStatements(server, `alter role "${app.user}" password '${app.current.password}'`)
    await rotate('third-'.padEnd(32, '0'))
    expect(await admitted(await stored('current'))).toBe(true)
  })

  test('is tested by the test query', async () => {
    await setUpSecret({ ...tags, 'keyturn:test-query': 'TABLE public.nowhere' }, alone())
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await setSecret(pipeline, rotation)
    await expect(try_(pipeline, rotation)).rejects.toMatchObject({ name: 'TestFailed' })
  })

  test.each([
    ['another strategy', { 'keyturn:strategy': 'alternating-users' }, 'keyturn:strategy'],
    ['keyturn:engine beside it', { 'keyturn:engine': 'opaque' }, 'keyturn:engine'],
  ])('with %s is refused before anything is written', async (_, more, option) => {
    await setUpSecret({ ...tags, ...more }, alone())
    await expect(createSecret(pipeline, { id, token: secondToken })).rejects.toMatchObject({
      name: 'InvalidOption',
      option,
    })
    expect(await stored('pending')).toBeUndefined()
  })

  test.each([
    [
      '{"engine":"postgres","username":"app"}',
      "host: is missing; it should be the host name of the database itself, not RDS Proxy's, which takes no password that is not current yet",
    ],
    ['Hidden-1', 'value: should be a JSON object with engine, host and username'],
  ])('with an unusable connection is refused before anything is written: %s', async (text, problem) => {
    connection.mockResolvedValueOnce(text)
    await expect(createSecret(pipeline, { id, token: secondToken })).rejects.toMatchObject({
      name: 'InvalidCredential',
      field: 'keyturn:connection',
      message: `keyturn:connection: in parameter /shop/connection, ${problem}`,
    })
    expect(await stored('pending')).toBeUndefined()
  })

  test.each([{ host: 'localhost' }, { username: 'postgres' }])(
    'whose connection was changed to %j since the rotation began throws HostMismatch',
    async change => {
      const rotation = await createSecret(pipeline, { id, token: secondToken })
      connection.mockResolvedValueOnce(connectionJsonOf(app.current, change))
      await expect(setSecret(pipeline, rotation)).rejects.toMatchObject({
        name: 'HostMismatch',
        message: expect.stringContaining(`the rotation began for user "${app.user}" on ${server.host}, `),
      })
      expect(await admitted(app.current.password)).toBe(true)
    },
  )

  test('is rolled back by what createSecret found out, or else by its tags, even if other tags are wrong', async () => {
    for (const [known, now] of [
      [true, {}],
      [true, { 'keyturn:engine': 'opaque' }],
      [false, { ...tags, 'keyturn:grace': 'soon', 'keyturn:strategy': 'alternating-users' }],
    ] as const) {
      await setUpSecret(tags, alone())
      const rotation = await createSecret(pipeline, { id, token: secondToken })
      await setSecret(pipeline, rotation)
      store.tag(id, now)
      const rolledBack = rollback(pipeline, known ? rotation : { id, token: secondToken })
      expect(await rolledBack).toEqual({ token: secondToken, outcome: 'restored' })
      expect([await stored('current'), await stored('pending')]).toEqual([app.current.password, undefined])
      expect(await admitted(app.current.password)).toBe(true)
    }
  })

  test('of an abandoned rotation is rolled back by its tags', async () => {
    await setSecret(pipeline, await createSecret(pipeline, { id, token: secondToken }))
    expect(await rollbackAbandoned(pipeline, id)).toEqual({ token: secondToken, outcome: 'restored' })
    expect(await admitted(app.current.password)).toBe(true)
  })

  test('is restored by the password of an older rotation', async () => {
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await setSecret(pipeline, rotation)
    await store.discard(id, secondToken)
    const third = 'third-'.padEnd(32, '0')
    await store.withParser(Credential.parseOpaque).propose(id, third, Credential.parseOpaque('never set'))
    expect(await rollback(pipeline, { id, token: third })).toMatchObject({ outcome: 'restored' })
    expect(await admitted(app.current.password)).toBe(true)
  })

  test('stays pending if a rollback cannot read its connection', async () => {
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await setSecret(pipeline, rotation)
    connection.mockResolvedValueOnce('{}')
    await expect(rollback(pipeline, rotation)).rejects.toMatchObject({ field: 'keyturn:connection' })
    expect((await store.describe(id)).pending).toBe(secondToken)
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'restored' })
  })

  test('is checked by a login with it', async () => {
    await checkRotation(pipeline, { id, token: secondToken })
    await setUpSecret(tags, alone('wrong'))
    await expect(checkRotation(pipeline, { id, token: secondToken })).rejects.toMatchObject({
      name: 'LoginRefused',
    })
  })
})

describe('an opaque value', () => {
  const tags = { 'keyturn:engine': 'opaque' }

  test.each(['a signing key', '{"engine":"postgres","host":"h","username":"u","password":"p"}', '{'])(
    'is rotated, and its previous value stays readable: %s',
    async text => {
      await setUpSecret(tags, Credential.parseOpaque(text))
      expect(await rotate(secondToken)).toEqual({
        ...{
          id,
          token: secondToken,
          engine: 'opaque',
          host: '',
          strategy: 'single-user',
          user: '',
          nextUser: '',
        },
        replaces: firstToken,
      })
      const second = await stored('current')
      expect([await stored('previous'), second]).toEqual([text, expect.stringMatching(/^[!-~]{32}$/)])
      await rotate('third-'.padEnd(32, '0'))
      expect(await stored('previous')).toBe(second)
      expect(await stored('current')).not.toBe(second)
    },
  )

  test('is made by the password settings', async () => {
    await setUpSecret({ ...tags, 'keyturn:PASSWORD_LENGTH': '64', 'keyturn:EXCLUDE_PUNCTUATION': 'true' })
    await rotate(secondToken)
    expect(await stored('current')).toMatch(/^[A-Za-z0-9]{64}$/)
  })

  test.each([
    ['another strategy', { 'keyturn:strategy': 'alternating-users' }, 'keyturn:strategy'],
    ['a test query', { 'keyturn:test-query': 'TABLE t' }, 'keyturn:test-query'],
  ])('with %s is refused before anything is written', async (_, more, option) => {
    await setUpSecret({ ...tags, ...more })
    await expect(createSecret(pipeline, { id, token: secondToken })).rejects.toMatchObject({
      name: 'InvalidOption',
      option,
    })
    expect(await stored('pending')).toBeUndefined()
  })

  test('is rolled back, even if other tags are wrong', async () => {
    for (const known of [true, false]) {
      await setUpSecret(tags, Credential.parseOpaque('first'))
      const rotation = await createSecret(pipeline, { id, token: secondToken })
      await setSecret(pipeline, rotation)
      store.tag(id, { ...(!known && tags), 'keyturn:strategy': 'none' })
      expect(await rollback(pipeline, known ? rotation : { id, token: secondToken })).toEqual({
        token: secondToken,
        outcome: 'intact',
      })
      expect([await stored('current'), await stored('pending')]).toEqual(['first', undefined])
    }
  })

  test('of an abandoned rotation is rolled back', async () => {
    await setUpSecret(tags, Credential.parseOpaque('first'))
    await createSecret(pipeline, { id, token: secondToken })
    expect(await rollbackAbandoned(pipeline, id)).toEqual({ token: secondToken, outcome: 'intact' })
    expect([await stored('current'), await stored('pending')]).toEqual(['first', undefined])
  })

  test('passes a check', async () => {
    await setUpSecret(tags, Credential.parseOpaque('first'))
    await checkRotation(pipeline, { id, token: secondToken })
  })
})

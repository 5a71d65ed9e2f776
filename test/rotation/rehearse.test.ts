import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { describe, expect, test, vi } from 'vitest'
import { Executions } from '../../fleet/executions.ts'
import { connectionJsonOf, runStatements } from '../../local/servers/postgresDatabase.ts'
import { CallRefused, CallUnanswered } from '../../rotation/callAws.ts'
import { Credential } from '../../rotation/credential.ts'
import type { Session } from '../../rotation/engines/engine.ts'
import { NotPermitted, Throttled } from '../../rotation/errors.ts'
import type { Pipeline } from '../../rotation/pipeline.ts'
import { checkSession, rehearseFinish, rehearseRollback, rehearseTest } from '../../rotation/rehearse.ts'
import type { Rotation } from '../../rotation/rotationState.ts'
import { createSecret, finishSecret, setSecret, testSecret as try_ } from '../../rotation/steps.ts'
import { SecretsManager } from '../../rotation/stores/secretsManager.ts'
import type { Store } from '../../rotation/stores/store.ts'
import {
  admin,
  app,
  engine,
  firstToken,
  id,
  pipeline,
  rds,
  readCurrent,
  secondToken,
  server,
  setUpSecret,
  singleUserTags,
  store,
  unreachableEngine,
} from '../support/oneSecret.ts'

const rehearsals = { rehearseTest, rehearseFinish, rehearseRollback }
const before = 'in the rehearsal, before anything was changed: '

/** A pipeline that keeps the names of all calls of the store, and the passwords of all logins. */
function watched(given: Pipeline = pipeline): { seen: string[]; watching: Pipeline } {
  const seen: string[] = []
  const watch = (one: Store): Store =>
    new Proxy(one, {
      get(target, name: keyof Store) {
        // An await reads the property `then`.
        if (typeof target[name] !== 'function') return undefined
        if (name === 'withParser')
          return (...format: Parameters<Store['withParser']>) => watch(target.withParser(...format))
        return (...given: never[]) => {
          seen.push(name)
          return (target[name] as (...given: never[]) => unknown).apply(target, given)
        }
      },
    })
  const login: typeof engine.login = credential => {
    seen.push(`login with ${credential.password}`)
    return engine.login(credential)
  }
  return { seen, watching: { ...given, store: watch(given.store), loadEngine: async () => ({ login }) } }
}

async function created(tags: Record<string, string> = {}, value = app.current): Promise<Rotation> {
  await setUpSecret({ ...singleUserTags, ...tags }, value)
  return createSecret(pipeline, { id, token: secondToken })
}

/** @returns all that a rotation changes: the user's password hash and its right to log in */
const inDatabase = () =>
  runStatements(
    server,
    `select rolpassword, rolvaliduntil, rolcanlogin from pg_authid where rolname = '${app.user}'`,
  )

describe('createSecret asks for a rehearsal', () => {
  test('if current will be refused for a moment, and in no other case', async () => {
    expect(await created()).toMatchObject({ rehearse: true })
    expect(await created({ 'keyturn:strategy': 'master' })).toMatchObject({ rehearse: true })
    expect(await created({ 'keyturn:strategy': 'alternating-users' })).not.toHaveProperty('rehearse')
    const opaque = { 'keyturn:strategy': 'single-user', 'keyturn:engine': 'opaque' }
    await setUpSecret(opaque, Credential.parseOpaque('a text'))
    expect(await createSecret(pipeline, { id, token: secondToken })).not.toHaveProperty('rehearse')
  })
})

describe('a rehearsal', () => {
  test('reads, logs in with current and runs the test query, and changes nothing', async () => {
    const rotation = await created({ 'keyturn:test-query': 'select 1' })
    const [labels, rows, { password }] = [await store.describe(id), await inDatabase(), await readCurrent()]
    const { seen, watching } = watched()
    const run = vi.fn()
    const { loadEngine: real } = watching
    watching.loadEngine = async name => ({
      async login(...given) {
        const session = await (await real(name)).login(...given)
        const query = session.runTestQuery.bind(session)
        session.runTestQuery = async text => {
          run(text)
          await query(text)
        }
        return session
      },
    })
    await rehearseTest(watching, rotation)
    expect(seen).toEqual(['read', 'read', `login with ${password}`])
    expect(run).toHaveBeenCalledExactlyOnceWith('select 1')
    await rehearseFinish(watching, rotation)
    await rehearseRollback(watching, rotation)
    expect(seen.slice(3)).toEqual(['rehearsePromote', 'describe', 'read', 'read'])
    expect(await store.describe(id)).toEqual(labels)
    expect(await inDatabase()).toEqual(rows)
    expect(admin).not.toHaveBeenCalled()
    expect(rds).not.toHaveBeenCalled()
    // The rotation then goes on as if there had been none.
    await setSecret(pipeline, rotation)
    await try_(pipeline, rotation)
  })

  test('logs in with a password alone by its connection', async () => {
    await setUpSecret(
      { ...singleUserTags, 'keyturn:connection': '/app/connection' },
      Credential.parseOpaque('x'),
    )
    const value = Credential.passwordOnlyParser(connectionJsonOf(app.current))(app.current.password)
    store.create(id, firstToken, value, { ...singleUserTags, 'keyturn:connection': '/app/connection' })
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    const { seen, watching } = watched()
    for (const rehearse of Object.values(rehearsals)) await rehearse(watching, rotation)
    expect(seen).toContain(`login with ${app.current.password}`)
  })

  test('throws TestFailed before any change if the test query fails', async () => {
    const rotation = await created({ 'keyturn:test-query': 'table absent' })
    await expect(rehearseTest(pipeline, rotation)).rejects.toMatchObject({
      name: 'TestFailed',
      message: expect.stringContaining(`${before}the test query failed`),
    })
    await expect(rehearseFinish(pipeline, rotation)).resolves.toBeUndefined()
    await expect(rehearseRollback(pipeline, rotation)).resolves.toBeUndefined()
  })

  test('throws Unreachable before any change if the server cannot be reached', async () => {
    const rotation = await created()
    const failing = { ...pipeline, loadEngine: unreachableEngine }
    await expect(rehearseTest(failing, rotation)).rejects.toMatchObject({
      name: 'Unreachable',
      message: expect.stringContaining(before),
    })
  })

  test('passes after one refused login, which it leaves to setSecret to report', async () => {
    const rotation = await created({ 'keyturn:test-query': 'table absent' })
    await runStatements(server, `alter role ${app.user} password 'by hand'`)
    const { seen, watching } = watched()
    await rehearseTest(watching, rotation)
    expect(seen.filter(call => call.startsWith('login'))).toHaveLength(1)
    await expect(setSecret(pipeline, rotation)).rejects.toMatchObject({ name: 'LoginRefused' })
  })

  test.each([
    ['current was edited', 'Superseded', () => store.move(id, 'current', 'by-hand-'.padEnd(32, '0'))],
    ['another rotation took the label', 'RotationInProgress', () => store.move(id, 'pending', firstToken)],
  ])('passes without a login if %s, and setSecret throws %s', async (_, name, make) => {
    const rotation = await created({ 'keyturn:test-query': 'table absent' })
    await store.propose(id, 'by-hand-'.padEnd(32, '0'), app.current).catch(() => {})
    store.move(id, 'pending', secondToken)
    make()
    const { seen, watching } = watched()
    await rehearseTest(watching, rotation)
    expect(seen).toEqual(['read', 'read'])
    await expect(setSecret(pipeline, rotation)).rejects.toMatchObject({ name })
  })

  test.each(['user', 'host'] as const)(
    'passes without a login if current is for another %s by now, and setSecret throws HostMismatch',
    async field => {
      const rotation = { ...(await created()), [field]: 'another' }
      const { seen, watching } = watched()
      await rehearseTest(watching, rotation)
      expect(seen).toEqual(['read', 'read'])
      await expect(setSecret(pipeline, rotation)).rejects.toMatchObject({ name: 'HostMismatch' })
    },
  )

  test.each(Object.keys(rehearsals) as (keyof typeof rehearsals)[])(
    'that is %s throws each error of the store by its name, and an unknown one as Unexpected',
    async name => {
      const rotation = await created()
      const rehearse = rehearsals[name]
      for (const [error, thrown] of [
        [new NotPermitted('no right to read'), 'NotPermitted'],
        [new Throttled('too often'), 'Throttled'],
        [new CallUnanswered('no way there'), 'Unreachable'],
        [new CallRefused('not so'), 'StoreFailed'],
        [new TypeError('a password, perhaps'), 'Unexpected'],
      ] as const) {
        const refusing = new Proxy(store, {
          get: (target, member) =>
            ['describe', 'read', 'rehearsePromote'].includes(String(member))
              ? () => Promise.reject(error)
              : Reflect.get(target, member, target),
        })
        const found = await rehearse({ ...pipeline, store: refusing }, rotation).catch(
          (error: Error) => error,
        )
        expect(found).toMatchObject({ name: thrown, message: expect.stringContaining(before) })
        expect(`${(found as Error).message}`).not.toContain('a password')
      }
    },
  )

  test('throws Unreachable before any change if a service of AWS does not answer', async () => {
    const rotation = await created()
    const away = {
      region: 'eu-west-1',
      endpoint: 'http://127.0.0.1:1',
      credentials: { accessKeyId: 'none', secretAccessKey: 'none' },
      maxAttempts: 1,
    }
    const unreachable = (service: string) => ({
      name: 'Unreachable',
      message: `${before}${service}: ECONNREFUSED`,
    })
    const elsewhere = { ...pipeline, store: new SecretsManager(new SecretsManagerClient(away)) }
    for (const rehearse of Object.values(rehearsals))
      await expect(rehearse(elsewhere, rotation)).rejects.toMatchObject(unreachable('Secrets Manager'))
    const executions = new Executions('arn:aws:states:eu-west-1:123456789012:execution:rotate', away)
    const untouched = () => executions.hasChangedNothing('8f14e45f-ceea-467f-a0e6-0123456789ab')
    await expect(
      rehearseRollback({ ...pipeline, hasChangedNothing: untouched }, rotation),
    ).rejects.toMatchObject(unreachable('Step Functions'))
  })

  test.each([
    [400, 'ExpiredTokenException', 'StoreFailed', /Step Functions: ExpiredTokenException, request/],
    [403, 'InvalidSignatureException', 'StoreFailed', /Step Functions: InvalidSignatureException, request/],
    [400, 'ThrottlingException', 'Throttled', /Step Functions: ThrottlingException$/],
    [429, 'Odd', 'Throttled', /Step Functions: Odd$/],
    [500, 'Odd', 'Throttled', /Step Functions: Odd$/],
  ])(
    'gets %i %s from Step Functions, and throws %s, where after a change it would be Throttled',
    async (statusCode, name, thrown, says) => {
      const rotation = await created()
      const body = Buffer.from(JSON.stringify({ __type: name, message: 'Quoted-1' }))
      const executions = new Executions('arn:aws:states:eu-west-1:123456789012:execution:rotate', {
        region: 'eu-west-1',
        credentials: { accessKeyId: 'none', secretAccessKey: 'none' },
        maxAttempts: 1,
        requestHandler: { handle: async () => ({ response: { statusCode, headers: {}, body } }) } as never,
      })
      const untouched = () => executions.hasChangedNothing('8f14e45f-ceea-467f-a0e6-0123456789ab')
      await expect(untouched()).rejects.toMatchObject({
        name: 'Throttled',
        message: expect.stringMatching(says),
      })
      const found = await rehearseRollback({ ...pipeline, hasChangedNothing: untouched }, rotation).catch(
        (error: Error) => error,
      )
      expect(found).toMatchObject({ name: thrown, message: expect.stringMatching(says) })
      expect(`${(found as Error).message}`).not.toContain('Quoted')
    },
  )

  test('throws an error if the execution’s history may not be read, or the driver cannot be loaded', async () => {
    const rotation = await created()
    const untouched = () => Promise.reject(new NotPermitted('Step Functions: no'))
    await expect(
      rehearseRollback({ ...pipeline, hasChangedNothing: untouched }, rotation),
    ).rejects.toMatchObject({
      name: 'NotPermitted',
    })
    const noDriver = () => Promise.reject(new Error('no module'))
    await expect(rehearseRollback({ ...pipeline, loadEngine: noDriver }, rotation)).rejects.toMatchObject({
      name: 'Unexpected',
    })
  })

  test('may be repeated at any time, even after SetSecret and after the rotation', async () => {
    const rotation = await created()
    await setSecret(pipeline, rotation)
    for (const rehearse of Object.values(rehearsals)) await rehearse(pipeline, rotation)
    await try_(pipeline, rotation)
    await finishSecret(pipeline, rotation)
    for (const rehearse of Object.values(rehearsals)) await rehearse(pipeline, rotation)
    expect((await store.describe(id)).current).toBe(secondToken)
  })
})

describe('checkSession', () => {
  const session = (more: Partial<Session>) => ({ runTestQuery: vi.fn(), ...more }) as unknown as Session
  const said = () => ({ nextUser: app.user })

  test('refuses a pooler that may have its own list of passwords, if the user gets another password', async () => {
    const pooled = session({ isBehindPooler: true })
    await expect(checkSession(pooled, app.current, said())).rejects.toMatchObject({ name: 'NotPermitted' })
    await checkSession(pooled, app.current, { ...said(), pooler: 'auth-query' })
    await checkSession(pooled, app.current, { nextUser: `${app.user}_clone` })
  })

  test('refuses a pooler that gives a test query no transaction, before the query is run', async () => {
    const refusing = session({
      requireTransactions: () => Promise.reject(new NotPermitted('no transaction')),
    })
    await checkSession(refusing, app.current, said())
    await expect(
      checkSession(refusing, app.current, { ...said(), testQuery: 'select 1' }),
    ).rejects.toMatchObject({
      name: 'NotPermitted',
    })
    expect(refusing.runTestQuery).not.toHaveBeenCalled()
  })
})

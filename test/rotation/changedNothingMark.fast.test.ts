import { expect, test, vi } from 'vitest'
import { hasChangedNothingMark, runWithChangedNothingMark } from '../../rotation/changedNothingMark.ts'
import { Credential } from '../../rotation/credential.ts'
import type { Engine } from '../../rotation/engines/engine.ts'
import { Opaque } from '../../rotation/engines/opaque.ts'
import { LoginRefused } from '../../rotation/errors.ts'
import { parseOptions } from '../../rotation/options.ts'
import type { Pipeline } from '../../rotation/pipeline.ts'
import type { RdsCalls } from '../../rotation/rds.ts'
import { createSecret, setSecret } from '../../rotation/steps.ts'
import { MemoryStore } from '../../rotation/stores/memory.ts'

const token = 'second-'.padEnd(32, '0')

test('the mark is that of the last release, and counts only at the end of a message', () => {
  expect(hasChangedNothingMark('setSecret: db: no route; this try changed nothing')).toBe(true)
  expect(hasChangedNothingMark('setSecret: db; this try changed nothing: no route')).toBe(false)
  expect(hasChangedNothingMark('')).toBe(false)
})

test('errors are marked until something was changed, and an unknown error loses its message', async () => {
  const refused = () => Promise.reject(new LoginRefused('no'))
  await expect(runWithChangedNothingMark(refused)).rejects.toMatchObject({
    message: 'no; this try changed nothing',
  })
  const late = runWithChangedNothingMark(touch => {
    touch()
    return refused()
  })
  await expect(late).rejects.toMatchObject({ name: 'LoginRefused', message: 'no' })
  const other = runWithChangedNothingMark(() => Promise.reject(new TypeError('secret')))
  await expect(other).rejects.toMatchObject({
    name: 'Unexpected',
    message: 'an unexpected TypeError; this try changed nothing',
  })
  expect(await runWithChangedNothingMark(async () => 1)).toBe(1)
})

/** Makes a secret whose admin has another host, so that RDS is asked before the admin is used. */
function pipelineWith(rds: RdsCalls, engine: Engine): Pipeline {
  const value = (fields: object) =>
    Credential.parse(
      JSON.stringify({ engine: 'postgres', port: 5432, username: 'app', password: 'p', ...fields }),
    )
  const store = new MemoryStore()
  const current = value({
    host: 'reader.example.com',
    masterarn: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:admin',
  })
  store.create('app', 'first', current)
  store.create('other', 'first', current)
  return {
    store,
    loadEngine: async () => engine,
    readAdmin: async () => value({ host: 'writer.example.com', username: 'admin' }),
    readConnection: () => Promise.reject(new Error('not asked for')),
    rds: async () => rds,
    isRotating: async () => false,
    isExecutionRunning: async () => false,
    hasChangedNothing: async () => false,
    defaults: parseOptions({}),
  }
}

/** Plays RDS, without setting a master's password. */
const noMaster = {
  isSettingPassword: async () => false,
  setMasterPassword: async () => {},
  wouldSetMasterPassword: async () => {},
}

test('with two rotations in one process and a shared client, each mark is about its own changes', async () => {
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<boolean>()
  const follows = vi
    .fn(async () => true)
    .mockImplementationOnce(() => {
      asked.resolve()
      return answer.promise
    })
  const rds: RdsCalls = { ...noMaster, sharesUsers: follows }
  const pipeline = pipelineWith(rds, new Opaque())
  const first = await createSecret(pipeline, { id: 'app', token })
  const second = await createSecret(pipeline, { id: 'other', token })

  const waiting = setSecret(pipeline, first).catch((error: Error) => error)
  await asked.promise
  expect(await setSecret(pipeline, second)).toEqual({ left: [] })
  answer.resolve(false)
  expect(await waiting).toMatchObject({
    name: 'HostMismatch',
    message: expect.stringMatching(/the admin was not used; this try changed nothing$/),
  })
})

test('with two rotations in one process and shared sessions, each mark is about its own changes', async () => {
  const session = await new Opaque().login()
  const rds: RdsCalls = { ...noMaster, sharesUsers: async () => true }
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<string[]>()
  session.openUser = vi.fn(async () => [])
  const pipeline = pipelineWith(rds, { login: async () => session })
  const readAdmin = vi.spyOn(pipeline, 'readAdmin')
  readAdmin.mockImplementationOnce(async () => {
    asked.resolve()
    await answer.promise
    throw new LoginRefused('no')
  })
  const first = await createSecret(pipeline, { id: 'app', token })
  const second = await createSecret(pipeline, { id: 'other', token })

  const waiting = setSecret(pipeline, first).catch((error: Error) => error)
  await asked.promise
  expect(await setSecret(pipeline, second)).toEqual({ left: [] })
  answer.resolve([])
  expect(await waiting).toMatchObject({ message: 'no; this try changed nothing' })
})

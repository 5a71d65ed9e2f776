import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager'
import {
  AddTagsToResourceCommand,
  GetParameterCommand,
  PutParameterCommand,
  SSMClient,
} from '@aws-sdk/client-ssm'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Embedded, startEmbedded } from '../../local/embedded/embedded.ts'
import { type BusEvent, makeEventBusTasks } from '../../local/embedded/eventBus.ts'
import { runRotation, type Tasks } from '../../local/embedded/stateMachine.ts'
import { pythonBin } from '../../local/stack/python.ts'
import { type Moto, startMoto } from '../support/moto.ts'

const bin = await pythonBin()

describe.skipIf(!bin)('a parameter, rotated by the state machine and its functions in PostgreSQL', () => {
  let embedded: Embedded
  let moto: Moto
  let ssm: SSMClient
  beforeAll(async () => {
    ;[embedded, moto] = await Promise.all([startEmbedded(), startMoto(bin ?? '')])
    process.env.AWS_ENDPOINT_URL_SSM = moto.url
    ssm = new SSMClient()
  })
  afterAll(() => Promise.all([embedded?.stop(), moto?.stop()]))

  async function put(Name: string, Value: string, tags: Record<string, string> = {}): Promise<string> {
    const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
    await ssm.send(new PutParameterCommand({ Name, Value, Type: 'SecureString', Tags }))
    return Name
  }

  /** Makes a user. @returns the value of its secret */
  async function enrolUser(user: string, alternating = false): Promise<string> {
    const admin = alternating ? await embedded.users.makeAdmin(`${user}_admin`) : undefined
    const SecretId = await embedded.users.enrol(user, { ...(admin && { admin }) })
    const { SecretString = '' } = await embedded.secrets.send(new GetSecretValueCommand({ SecretId }))
    return SecretString
  }

  /** Makes a parameter with the value of a user's secret. */
  const enrol = async (user: string, tags: Record<string, string>, alternating: boolean) =>
    put(`/shop/${user}`, await enrolUser(user, alternating), tags)

  /** Makes a parameter with only a user's password, and one with the rest. */
  async function enrolPassword(username: string, tags: Record<string, string> = {}) {
    const { password, ...rest } = JSON.parse(await enrolUser(username))
    const connection = await put(`/shop/${username}/connection`, JSON.stringify(rest))
    const id = await put(`/shop/${username}/password`, password, {
      ...tags,
      'keyturn:connection': connection,
    })
    return { id, connection, before: { username, password } }
  }

  /** Has a parameter's test query fail after its user's password was changed. */
  async function failOnceChanged(ResourceId: string, user: string): Promise<void> {
    const Tags = [{ Key: 'keyturn:test-query', Value: await embedded.users.failOnceChanged(user) }]
    await ssm.send(new AddTagsToResourceCommand({ ResourceType: 'Parameter', ResourceId, Tags }))
  }

  async function text(Name: string): Promise<string> {
    const { Parameter } = await ssm.send(new GetParameterCommand({ Name, WithDecryption: true }))
    return Parameter?.Value ?? ''
  }

  const value = async (name: string): Promise<{ username: string; password: string }> =>
    JSON.parse(await text(name))

  async function logsIn({ username: user, password }: { username: string; password: string }) {
    const { host, port } = embedded.postgres
    const ssl = { ca: readFileSync(embedded.postgres.caFile, 'utf8') }
    const client = new pg.Client({ host, port, user, password, database: 'postgres', ssl })
    const connected = client.connect().then(
      () => true,
      () => false,
    )
    try {
      return await connected
    } finally {
      await client.end().catch(() => undefined)
    }
  }

  const announced: BusEvent[] = []
  const rotate = (id: string, given: Tasks = {}) => {
    const bus = makeEventBusTasks(entry => announced.push(entry))
    const tasks = { ...embedded.tasks, ...bus, ...given }
    return runRotation(tasks, randomUUID(), { store: 'parameter-store', id })
  }

  test('of a single user has the new value log in, and the old one refused', async () => {
    const id = await enrol('single', {}, false)
    const before = await value(id)
    const { failure } = await rotate(id)
    expect(failure).toBeUndefined()
    const after = await value(id)
    expect(after.password).not.toBe(before.password)
    expect([await logsIn(before), await logsIn(after)]).toEqual([false, true])
    // The event has both names of the parameter beside its id.
    const arn = `arn:aws:ssm:eu-west-1:123456789012:parameter${id}`
    expect(announced.at(-1)).toMatchObject({ Detail: { id, rotation: { id, name: id, arn } } })
  })

  test('of alternating users rotates twice', async () => {
    const id = await enrol('turns', { 'keyturn:grace': '1s' }, true)
    for (const username of ['turns_clone', 'turns']) {
      const { failure } = await rotate(id)
      expect(failure).toBeUndefined()
      expect(await value(id)).toMatchObject({ username })
      expect(await logsIn(await value(id))).toBe(true)
    }
  })

  test('of which a test fails is rolled back, and was never written', async () => {
    const id = await enrol('failing', {}, false)
    await failOnceChanged(id, 'failing')
    const before = await value(id)
    const { failure, states } = await rotate(id)
    expect(failure?.error).toBe('TestFailed')
    expect(states).toContain('RollbackSecret')
    expect(await value(id)).toEqual(before)
    expect(await logsIn(before)).toBe(true)
  })

  test('with a password alone has the new one log in, and keeps its connection', async () => {
    const { id, connection, before } = await enrolPassword('alone')
    const rest = await text(connection)
    for (const _ of [1, 2]) {
      const password = await text(id)
      const { failure } = await rotate(id)
      expect(failure).toBeUndefined()
      expect(await text(id)).not.toBe(password)
      expect(await text(`${id}:previous`)).toBe(password)
      expect([
        await logsIn({ ...before, password }),
        await logsIn({ ...before, password: await text(id) }),
      ]).toEqual([false, true])
    }
    expect(await text(connection)).toBe(rest)
  })

  test('with a password alone, of which a test fails, is rolled back', async () => {
    const { id, before } = await enrolPassword('lonely')
    await failOnceChanged(id, 'lonely')
    const { failure } = await rotate(id)
    expect(failure?.error).toBe('TestFailed')
    expect(announced.at(-1)).toMatchObject({ Detail: { rotation: { rollback: { outcome: 'restored' } } } })
    expect(await text(id)).toBe(before.password)
    expect(await logsIn(before)).toBe(true)
    await expect(text(`/keyturn/pending${id}/lock`)).rejects.toMatchObject({ name: 'ParameterNotFound' })
  })

  test('with a test query that never succeeds is not changed, and nothing is left pending', async () => {
    const id = await enrol('doomed', { 'keyturn:test-query': 'TABLE app.absent' }, false)
    const before = await value(id)
    const { failure, tries } = await rotate(id)
    expect([failure?.error, tries.SetSecret]).toEqual(['TestFailed', undefined])
    expect(await value(id)).toEqual(before)
    expect(await logsIn(before)).toBe(true)
    await expect(text(`/keyturn/pending${id}/lock`)).rejects.toMatchObject({ name: 'ParameterNotFound' })
  })

  test('with a password alone and no connection is not written, and the error names the connection', async () => {
    const id = await put('/shop/nowhere', 'Hidden-1', { 'keyturn:connection': '/shop/absent' })
    const { failure } = await rotate(id)
    expect(failure).toMatchObject({
      error: 'InvalidCredential',
      cause: {
        errorMessage:
          'createSecret: keyturn:connection: there is no parameter /shop/absent in this account and Region',
      },
    })
    expect(await text(id)).toBe('Hidden-1')
  })

  test('with an opaque value rotates twice, and the previous value stays readable', async () => {
    const id = await put('/shop/signing-key', '{"kty":"oct","k":"c2VjcmV0"}', { 'keyturn:engine': 'opaque' })
    for (const _ of [1, 2]) {
      const before = await text(id)
      const { failure } = await rotate(id)
      expect(failure).toBeUndefined()
      expect(await text(id)).toMatch(/^[!-~]{32}$/)
      expect(await text(`${id}:previous`)).toBe(before)
      const Detail = { engine: 'opaque', host: '', strategy: 'single-user', user: '', nextUser: '' }
      expect(announced.at(-1)).toMatchObject({ Detail })
    }
  })

  test('has its value in no event', async () => {
    const stored = [await text('/shop/alone/password'), await text('/shop/signing-key')]
    expect(announced.length).toBeGreaterThan(0)
    for (const hidden of [...stored, 'Hidden', 'c2VjcmV0'])
      expect(JSON.stringify(announced)).not.toContain(hidden)
  })
})

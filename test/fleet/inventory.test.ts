import { randomUUID } from 'node:crypto'
import { ResourceGroupsTaggingAPIClient } from '@aws-sdk/client-resource-groups-tagging-api'
import {
  CreateSecretCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
  TagResourceCommand,
} from '@aws-sdk/client-secrets-manager'
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Inventory, type ScheduledCredential } from '../../fleet/inventory.ts'
import { findTargets, matchAdmins } from '../../fleet/targets.ts'
import { type MiniStack, startMiniStack } from '../../local/stack/ministack.ts'
import { pythonBin } from '../../local/stack/python.ts'
import { Throttled } from '../../rotation/errors.ts'

const bin = await pythonBin()
const rotationFunction = 'arn:aws:lambda:us-east-1:000000000000:function:keyturn-test-rotateSecret'
const tagsOf = (tags: Record<string, string>) => Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
const every = { 'keyturn:every': '30d', 'keyturn:managed': 'true' }

describe.skipIf(!bin)('over MiniStack', () => {
  let ministack: MiniStack
  let clients: { ssm: SSMClient; secrets: SecretsManagerClient; tagging: ResourceGroupsTaggingAPIClient }
  let inventory: Inventory
  /** The names of all calls of Secrets Manager so far. */
  const calls: string[] = []
  beforeAll(async () => {
    ministack = await startMiniStack(bin ?? '')
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
    const options = { endpoint: ministack.url, region: 'us-east-1', credentials, maxAttempts: 1 }
    clients = {
      ssm: new SSMClient(options),
      secrets: new SecretsManagerClient(options),
      tagging: new ResourceGroupsTaggingAPIClient(options),
    }
    clients.secrets.middlewareStack.add(
      (next, { commandName }) => {
        calls.push(`${commandName}`)
        return next
      },
      { step: 'initialize' },
    )
    inventory = new Inventory(clients, rotationFunction)
  })
  afterAll(() => ministack?.stop())

  const put = (Name: string, tags: Record<string, string>, Value = 'x') =>
    clients.ssm.send(new PutParameterCommand({ Name, Value, Type: 'SecureString', Tags: tagsOf(tags) }))
  const create = (Name: string, tags: Record<string, string>, SecretString = 'x') =>
    clients.secrets.send(new CreateSecretCommand({ Name, SecretString, Tags: tagsOf(tags) }))
  const find = async (id: string) =>
    (await inventory.listScheduled()).find(credential => credential.id === id)

  test('a parameter with the tag is listed, with its tags and the time of its value', async () => {
    const before = Date.now()
    const tags = { ...every, team: 'shop' }
    await put('/shop/db', tags)
    await put('/shop/other', { 'keyturn:managed': 'true' })
    expect(await find('/shop/db')).toMatchObject({ store: 'parameter-store', tags })
    expect(await find('/shop/other')).toBeUndefined()
    const since = (await find('/shop/db'))?.currentSince.getTime() ?? 0
    expect(since).toBeGreaterThan(before - 2_000)
    await new Promise(resolve => setTimeout(resolve, 1_100))
    await clients.ssm.send(
      new PutParameterCommand({ Name: '/shop/db', Value: 'y', Type: 'SecureString', Overwrite: true }),
    )
    expect((await find('/shop/db'))?.currentSince.getTime()).toBeGreaterThan(since)
  })

  test('a parameter whose name has no slash is listed', async () => {
    await put('plain', every)
    expect(await find('plain')).toMatchObject({ store: 'parameter-store', id: 'plain' })
    expect(await find('/plain')).toBeUndefined()
  })

  test('all parameters are listed, fifty names in a call', async () => {
    const names = Array.from({ length: 120 }, (_, n) => `/many/${n}`)
    await Promise.all(names.map(name => put(name, every)))
    const found = (await inventory.listScheduled()).map(({ id }) => id)
    expect(found).toEqual(expect.arrayContaining(names))
  })

  test('a secret with the tag has the time of its current version, whatever else changed', async () => {
    const { ARN: SecretId = '' } = await create('shop/secret', every)
    const since = (await find('shop/secret'))?.currentSince
    expect(since?.getTime()).toBeGreaterThan(Date.now() - 60_000)
    await new Promise(resolve => setTimeout(resolve, 1_100))
    await clients.secrets.send(new TagResourceCommand({ SecretId, Tags: tagsOf({ team: 'shop' }) }))
    expect(await find('shop/secret')).toEqual({
      store: 'secrets-manager',
      id: 'shop/secret',
      arn: SecretId,
      tags: { ...every, team: 'shop' },
      currentSince: since,
      current: expect.any(String),
    })
    const next = { SecretId, SecretString: 'y', ClientRequestToken: randomUUID() }
    await clients.secrets.send(new PutSecretValueCommand(next))
    expect((await find('shop/secret'))?.currentSince.getTime()).toBeGreaterThan(since?.getTime() ?? 0)
  })

  test('the time of a version is read once', async () => {
    await inventory.listScheduled()
    calls.length = 0
    await inventory.listScheduled()
    expect(calls).toEqual(['ListSecretsCommand'])
  })

  test('a secret without the tag is not listed', async () => {
    await create('shop/untagged', { 'keyturn:managed': 'true' })
    expect(await find('shop/untagged')).toBeUndefined()
  })

  /** A client whose ListSecrets adds members, as MiniStack has no rotation functions. */
  function listing(name: string, more: object): SecretsManagerClient {
    const secrets = new SecretsManagerClient({
      endpoint: ministack.url,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    })
    secrets.middlewareStack.add(
      proceed => async input => {
        const answer = await proceed(input)
        const { SecretList = [] } = answer.output as { SecretList?: { Name?: string }[] }
        Object.assign(SecretList.find(({ Name }) => Name === name) ?? {}, more)
        return answer
      },
      { step: 'initialize' },
    )
    return secrets
  }

  test('a secret with the tag that another function rotates is listed, and never due', async () => {
    await create('shop/theirs', every)
    const RotationLambdaARN = rotationFunction.replace('keyturn', 'other')
    const secrets = listing('shop/theirs', { RotationEnabled: true, RotationLambdaARN })
    const found = await new Inventory({ ...clients, secrets }, rotationFunction).listScheduled()
    expect(found.find(({ id }) => id === 'shop/theirs')).toMatchObject({ nextByService: new Date(8.64e15) })
  })

  test('a managed credential without a schedule is listed as such, also its pending version', async () => {
    await create('shop/by-hand', { 'keyturn:managed': 'true' })
    await put('/shop/by-hand', { 'keyturn:managed': 'true' })
    const versions = { one: ['AWSCURRENT'], two: ['AWSPENDING'] }
    const secrets = listing('shop/by-hand', { SecretVersionsToStages: versions })
    const known = await new Inventory({ ...clients, secrets }, rotationFunction).listRotatable()
    const found = known.filter(({ id }) => id.endsWith('shop/by-hand'))
    expect(found).toEqual([
      expect.objectContaining({ store: 'parameter-store' }),
      expect.objectContaining({ store: 'secrets-manager', pending: 'two' }),
    ])
    const scheduled = (await inventory.listScheduled()).map(({ id }) => id)
    expect(scheduled).not.toContain('shop/by-hand')
    expect(scheduled).not.toContain('/shop/by-hand')
  })

  test('secrets with their home here are those that Keyturn may rotate, with either schedule', async () => {
    const here = { 'keyturn:home': 'us-east-1' }
    await create('home/by-hand', { 'keyturn:managed': 'true', ...here })
    await create('home/elsewhere', { 'keyturn:managed': 'true', 'keyturn:home': 'eu-west-1' })
    await create('home/unmanaged', here)
    await create('home/untold', every)
    await create('home/ours', here)
    const rotated = { RotationEnabled: true, RotationLambdaARN: rotationFunction }
    const secrets = listing('home/ours', rotated)
    const found = await new Inventory({ ...clients, secrets }, rotationFunction).listAtHome()
    expect(found.map(({ id }) => id).sort()).toEqual(['home/by-hand', 'home/ours'])
  })

  test('a secret that Secrets Manager rotates by this stack is listed without the tag, with the service’s date', async () => {
    await create('shop/ours', { 'keyturn:managed': 'true' })
    const [next, last] = [new Date('2026-12-01T00:00:00Z'), new Date('2026-11-01T00:00:00Z')]
    const secrets = listing('shop/ours', {
      RotationEnabled: true,
      RotationLambdaARN: rotationFunction,
      NextRotationDate: next,
      LastRotatedDate: last,
    })
    const found = await new Inventory({ ...clients, secrets }, rotationFunction).listScheduled()
    expect(found.find(({ id }) => id === 'shop/ours')).toMatchObject({
      currentSince: last,
      nextByService: next,
    })
    const elsewhere = await new Inventory({ ...clients, secrets }, 'arn:another').listScheduled()
    expect(elsewhere.find(({ id }) => id === 'shop/ours')).toBeUndefined()
  })

  test('a replica is not a credential of its own: its primary rotates', async () => {
    await create('shop/replicated', every)
    const client = (region: string) => {
      const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
      const secrets = new SecretsManagerClient({ endpoint: ministack.url, region: 'us-east-1', credentials })
      secrets.middlewareStack.add(
        proceed => async input => {
          const answer = await proceed(input)
          const { SecretList = [] } = answer.output as { SecretList?: object[] }
          for (const secret of SecretList) Object.assign(secret, { PrimaryRegion: region })
          return answer
        },
        { step: 'initialize' },
      )
      return { ...clients, secrets }
    }
    const idsOf = async (region: string) =>
      (await new Inventory(client(region), rotationFunction).listScheduled()).map(({ id }) => id)
    expect(await idsOf('us-east-1')).toContain('shop/replicated')
    expect(await idsOf('eu-west-1')).not.toContain('shop/replicated')
  })

  test('a service that does not answer throws Throttled, so that the run is retried', async () => {
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
    const options = { endpoint: 'http://127.0.0.1:1', region: 'us-east-1', credentials, maxAttempts: 1 }
    const nowhere = new SSMClient(options)
    const broken = new Inventory({ ...clients, ssm: nowhere }, rotationFunction)
    await expect(broken.listScheduled()).rejects.toThrow(Throttled)
  })

  test('a secret whose versions cannot be listed counts as old as its last change, and stops no other', async () => {
    await create('shop/closed', every)
    const secrets = new SecretsManagerClient({
      endpoint: ministack.url,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    })
    secrets.middlewareStack.add(
      (proceed, { commandName }) =>
        async input => {
          if (commandName === 'ListSecretVersionIdsCommand')
            throw Object.assign(new Error('no'), { name: 'AccessDeniedException', $fault: 'client' })
          return proceed(input)
        },
      { step: 'initialize' },
    )
    const found = await new Inventory({ ...clients, secrets }, rotationFunction).listScheduled()
    const closed = found.find(({ id }) => id === 'shop/closed')
    expect(closed?.currentSince.getTime()).toBeGreaterThan(Date.now() - 60_000)
  })

  describe('the database server', () => {
    const value = (host: string, more: object = {}) =>
      JSON.stringify({ engine: 'postgres', host, username: 'app', password: 'hidden', ...more })
    const scheduled = (store: ScheduledCredential['store'], id: string): ScheduledCredential => ({
      store,
      id,
      tags: every,
      currentSince: new Date(),
    })

    test('of parameters and secrets is host and port, or undefined if the value does not have them', async () => {
      const hosts: Record<string, string> = {
        '/host/1': value('DB1.example.com'),
        '/host/2': value('db1.example.com', { port: '5432' }),
        '/host/3': value('db1.example.com', { port: 5433 }),
        '/host/4': 'no JSON',
        '/host/5': value('postgres://app:hidden@db1'),
        '/host/6': value('fe80::1', { port: 5433 }),
      }
      for (const [name, text] of Object.entries(hosts)) await put(name, every, text)
      await create('host/5', every, value('db2.example.com', { engine: 'aurora-postgresql' }))
      const parameters = [...Object.keys(hosts), '/host/absent'].map(id => scheduled('parameter-store', id))
      const secrets = ['host/5', 'host/absent'].map(id => scheduled('secrets-manager', id))
      const found = await findTargets([...parameters, ...secrets], clients)
      expect([...parameters, ...secrets].map(credential => found.get(credential)?.address)).toEqual([
        'db1.example.com:5432',
        'db1.example.com:5432',
        'db1.example.com:5433',
        '',
        '',
        'fe80::1:5433',
        '',
        'db2.example.com:5432',
        '',
      ])
    })

    test('of a password alone is that of its connection, and of an opaque value undefined without a read', async () => {
      const connection = JSON.stringify({ engine: 'postgres', host: 'db9', port: 5433, username: 'app' })
      await put('/host/connection', {}, connection)
      const tagged = (id: string, tags: Record<string, string>) => ({
        ...scheduled('parameter-store', id),
        tags: { ...every, ...tags },
      })
      const alone = tagged('/host/alone', { 'keyturn:connection': '/host/connection' })
      const lost = tagged('/host/lost', { 'keyturn:connection': '/host/absent' })
      const secret = {
        ...scheduled('secrets-manager', 'host/alone'),
        tags: { 'keyturn:connection': '/host/connection' },
      }
      const opaque = tagged('/host/1', { 'keyturn:engine': 'opaque' })
      calls.length = 0
      const found = await findTargets([alone, lost, secret, opaque], clients)
      expect([alone, lost, secret, opaque].map(one => found.get(one)?.address)).toEqual([
        'db9:5433',
        '',
        'db9:5433',
        '',
      ])
      expect(calls).toEqual([])
    })

    test('comes with the admin that the value names, by an ARN with or without its end, in any Region', async () => {
      const { ARN: masterarn = '' } = await create('host/admin', every, value('db1'))
      await create('host/user', every, value('db1', { masterarn }))
      await put(
        '/host/short',
        every,
        value('db1', { masterarn: masterarn.slice(0, -7).replace('us-east-1', 'eu-west-1') }),
      )
      await put('/host/other', every, value('db1', { masterarn: masterarn.replace('admin', 'another') }))
      const admin = { ...scheduled('secrets-manager', 'host/admin'), arn: masterarn }
      const user = { ...scheduled('secrets-manager', 'host/user'), arn: `${masterarn}-user` }
      const [short, other] = ['/host/short', '/host/other'].map(id => scheduled('parameter-store', id))
      const found = await findTargets([admin, user, short, other] as ScheduledCredential[], clients)
      expect(matchAdmins(found)).toEqual(
        new Map([
          [user, admin],
          [short, admin],
        ]),
      )
    })

    test('of one that is refused does not affect the others, and Throttled is thrown', async () => {
      await put('/host/open', every, value('db8'))
      await put('/host/closed', every, value('db8'))
      const refusing = (name: string) => {
        const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
        const ssm = new SSMClient({ endpoint: ministack.url, region: 'us-east-1', credentials })
        ssm.middlewareStack.add(
          proceed => async input => {
            const { Names = [] } = input.input as { Names?: string[] }
            if (Names.includes('/host/closed'))
              throw Object.assign(new Error('no'), { name, $fault: 'client' })
            return proceed(input)
          },
          { step: 'initialize' },
        )
        return ssm
      }
      const both = ['/host/open', '/host/closed'].map(id => scheduled('parameter-store', id))
      const found = await findTargets(both, { ...clients, ssm: refusing('AccessDeniedException') })
      expect(both.map(one => found.get(one)?.address)).toEqual(['db8:5432', ''])
      const throttled = findTargets(both, { ...clients, ssm: refusing('ThrottlingException') })
      await expect(throttled).rejects.toThrow(Throttled)
    })

    test('is read for ten credentials in a call', async () => {
      const many = Array.from({ length: 23 }, (_, n) => scheduled('parameter-store', `/hosts/${n}`))
      await Promise.all(many.map(({ id }, n) => put(id, every, value(`db${n}`))))
      const found = await findTargets(many, clients)
      expect(many.map(credential => found.get(credential)?.address)).toEqual(
        many.map((_, n) => `db${n}:5432`),
      )
    })
  })
})

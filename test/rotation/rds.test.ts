import {
  CreateDBClusterCommand,
  CreateDBInstanceCommand,
  CreateDBInstanceReadReplicaCommand,
  DescribeDBInstancesCommand,
} from '@aws-sdk/client-rds'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { pythonBin } from '../../local/stack/python.ts'
import { Credential } from '../../rotation/credential.ts'
import { parseOptions } from '../../rotation/options.ts'
import { Rds } from '../../rotation/rds.ts'
import { checkRotation, createSecret } from '../../rotation/steps.ts'
import { SecretsManager } from '../../rotation/stores/secretsManager.ts'
import { cluster, instance, type RdsServer, rdsClient, startRds } from '../support/rds.ts'

const bin = await pythonBin()

describe.skipIf(!bin)('RDS, as moto plays it', () => {
  let server: RdsServer
  let rds: Rds
  beforeAll(async () => {
    server = await startRds(bin ?? '')
    rds = new Rds(server.client)
  })
  afterAll(() => server.stop())
  afterEach(() => {
    server.edit = answer => answer
    server.refuse = () => undefined
  })

  const arn = (resource: string) => `arn:aws:rds:eu-west-1:123456789012:${resource}`

  const createInstance = (DBInstanceIdentifier: string, more = {}) =>
    server.client.send(new CreateDBInstanceCommand({ ...instance, DBInstanceIdentifier, ...more }))
  const createCluster = (DBClusterIdentifier: string, more = {}) =>
    server.client.send(new CreateDBClusterCommand({ ...cluster, DBClusterIdentifier, ...more }))

  test('findEndpoint returns where the master of an instance or a cluster logs in', async () => {
    const { DBInstance } = await createInstance('lone', { Port: 5433 })
    expect(DBInstance?.DBInstanceArn).toBe(arn('db:lone'))
    expect(await rds.findEndpoint(arn('db:lone'))).toEqual({
      engine: 'postgres',
      host: DBInstance?.Endpoint?.Address,
      port: 5433,
    })
    const { DBCluster } = await createCluster('pair')
    expect(DBCluster?.DBClusterArn).toBe(arn('cluster:pair'))
    expect(await rds.findEndpoint(arn('cluster:pair'))).toEqual({
      engine: 'aurora-postgresql',
      host: DBCluster?.Endpoint,
      port: 5432,
    })
  })

  test.each(['db:absent', 'cluster:absent'])(
    'findEndpoint throws InvalidCredential if there is no %s',
    async resource => {
      await expect(rds.findEndpoint(arn(resource))).rejects.toMatchObject({
        name: 'InvalidCredential',
        field: 'masterarn',
        message: expect.stringContaining(arn(resource)),
      })
    },
  )

  test('findEndpoint throws InvalidCredential for an instance that has no endpoint yet', async () => {
    server.edit = answer => answer.replace(/<Address>.*<\/Address>/, '')
    await createInstance('new')
    await expect(rds.findEndpoint(arn('db:new'))).rejects.toMatchObject({ field: 'masterarn' })
  })

  describe('sharesUsers', () => {
    /** Host names as RDS gives them. */
    const hosts: Record<string, string> = {}
    const at = (name: string, port = 5432) => `${hosts[name]}:${port}`
    beforeAll(async () => {
      const keep = async (name: string, options = {}) => {
        const { DBInstance } = await createInstance(name, { Port: 5432, ...options })
        hosts[name] = `${DBInstance?.Endpoint?.Address}`
      }
      const copy = async (name: string, source: string) => {
        const command = new CreateDBInstanceReadReplicaCommand({
          DBInstanceIdentifier: name,
          SourceDBInstanceIdentifier: source,
        })
        await server.client.send(command)
        const found = await server.client.send(new DescribeDBInstancesCommand({ DBInstanceIdentifier: name }))
        hosts[name] = `${found.DBInstances?.[0]?.Endpoint?.Address}`
      }
      const group = async (name: string, options = {}) => {
        const { DBCluster } = await createCluster(name, options)
        hosts[name] = `${DBCluster?.Endpoint}`
        hosts[`${name} ro`] = `${DBCluster?.ReaderEndpoint}`
      }
      const aurora = { Engine: 'aurora-postgresql' }
      await keep('one')
      await keep('two')
      await copy('copy', 'one')
      await copy('copy-of-copy', 'copy')
      await group('shop')
      await keep('shop-1', { ...aurora, DBClusterIdentifier: 'shop' })
      await keep('shop-2', { ...aurora, DBClusterIdentifier: 'shop' })
      await group('stock')
      await keep('stock-1', { ...aurora, DBClusterIdentifier: 'stock' })
      await group('shop-abroad', { ReplicationSourceIdentifier: arn('cluster:shop') })
      await group('three-zones', {
        ...{ Engine: 'postgres', DBClusterInstanceClass: 'db.m6gd.large' },
        ...{ AllocatedStorage: 100, StorageType: 'io1', Iops: 1000 },
      })
      hosts.custom = hosts.shop?.replace('shop.cluster-', 'reports.cluster-custom-') ?? ''
    })
    beforeEach(() => {
      server.calls = []
      const custom = `<CustomEndpoints><member>${hosts.custom}</member></CustomEndpoints>`
      server.edit = answer => answer.replace(`<Endpoint>${hosts.shop}</Endpoint>`, `$&${custom}`)
    })

    test.each([
      // The user's host, the admin's host, and how many calls that takes.
      ['shop ro', 'shop', 1],
      ['custom', 'shop', 1],
      ['shop-1', 'shop', 3],
      ['shop', 'shop-1', 2],
      ['shop ro', 'shop-1', 2],
      ['custom', 'shop-1', 2],
      ['shop-2', 'shop-1', 4],
      ['three-zones ro', 'three-zones', 1],
      ['copy', 'one', 2],
      ['copy-of-copy', 'one', 3],
      ['shop-abroad', 'shop', 2],
      ['shop-abroad ro', 'shop-1', 3],
    ])('is true for %s, which is the database of %s, or a copy of it', async (user, admin, calls) => {
      expect(await rds.sharesUsers(at(user), at(admin))).toBe(true)
      expect(server.calls).toHaveLength(calls)
    })

    test.each([
      ['two', 'one'],
      // Whoever sets a password on a copy does not set it on the source.
      ['one', 'copy'],
      ['shop', 'shop-abroad'],
      ['copy', 'two'],
      ['stock', 'shop'],
      ['stock-1', 'shop'],
      ['shop-1', 'stock-1'],
      ['one', 'shop'],
    ])('is false for %s, which is no copy of %s', async (user, admin) => {
      expect(await rds.sharesUsers(at(user), at(admin))).toBe(false)
    })

    test('is false if the ports differ', async () => {
      expect(await rds.sharesUsers(at('shop ro', 5433), at('shop'))).toBe(false)
      expect(await rds.sharesUsers(at('shop ro'), at('shop', 5433))).toBe(false)
      expect(await rds.sharesUsers(at('copy', 5433), at('one'))).toBe(false)
    })

    test('is false for a name that is only similar to an endpoint’s', async () => {
      for (const name of ['shop ro', 'shop-1', 'copy'])
        for (const [like, from] of [
          ['.eu-west-1.', '.eu-west-2.'],
          ['.', '.x'],
        ] as const) {
          const fake = at(name).replace(like, from)
          expect(await rds.sharesUsers(fake, at('shop')), fake).toBe(false)
          expect(await rds.sharesUsers(fake, at('one')), fake).toBe(false)
          expect(await rds.sharesUsers(at(name), at('one').replace(like, from))).toBe(false)
        }
    })

    test('is false for a copy of a database in another Region, and if RDS knows no such name', async () => {
      server.edit = answer =>
        answer.replace(
          /(?<=<ReadReplicaSourceDBInstanceIdentifier>)[^<]+/,
          'arn:aws:rds:us-east-1:123456789012:db:far',
        )
      expect(await rds.sharesUsers(at('copy'), at('one'))).toBe(false)
      server.refuse = () => 'InvalidParameterValue'
      expect(await rds.sharesUsers(at('copy'), at('one'))).toBe(false)
    })

    test.each([
      'localhost:5432',
      'db.example.com:5432',
      'shop.cluster-x.eu-west-1.rds.amazonaws.com.evil.com:5432',
    ])('does not ask RDS in vain about %s', async address => {
      expect(await rds.sharesUsers(at('one'), address)).toBe(false)
      expect(server.calls.length).toBeLessThan(2)
    })
  })

  test('isSettingPassword is true while the status says that the master’s password is being set', async () => {
    const { DBInstance } = await createInstance('busy')
    const { DBCluster } = await createCluster('busy-group')
    for (const [host, status, port, username] of [
      [
        DBInstance?.Endpoint?.Address,
        'DBInstanceStatus',
        DBInstance?.Endpoint?.Port,
        DBInstance?.MasterUsername,
      ],
      [DBCluster?.Endpoint, 'Status', DBCluster?.Port, DBCluster?.MasterUsername],
    ]) {
      const value = { engine: 'postgres', host, port, username, password: 'p' }
      const master = Credential.parse(JSON.stringify(value))
      server.edit = answer => answer
      expect(await rds.isSettingPassword(master)).toBe(false)
      server.edit = answer =>
        answer.replace(new RegExp(`(?<=<${status}>)[a-z]+`), 'resetting-master-credentials')
      expect(await rds.isSettingPassword(master)).toBe(true)
    }
  })

  test('wouldSetMasterPassword refuses a database without the tag managed, which IAM would refuse', async () => {
    const tags = [{ Key: 'keyturn:managed', Value: 'true' }]
    for (const make of [
      (name: string, more = {}) =>
        createInstance(name, more).then(({ DBInstance }) => ({
          host: DBInstance?.Endpoint?.Address,
          port: DBInstance?.Endpoint?.Port,
        })),
      (name: string, more = {}) =>
        createCluster(`${name}-group`, more).then(({ DBCluster }) => ({
          host: DBCluster?.Endpoint,
          port: DBCluster?.Port,
        })),
    ]) {
      const masterOf = (at: object) =>
        Credential.parse(JSON.stringify({ engine: 'postgres', ...at, username: 'master', password: 'p' }))
      const bare = masterOf(await make('bare'))
      const tagged = masterOf(await make('tagged', { Tags: tags }))
      server.edit = answer => answer
      const asked = () => rds.wouldSetMasterPassword(bare)
      await expect(asked()).rejects.toMatchObject({
        name: 'NotPermitted',
        message: expect.stringMatching(/:bare(-group)? is not tagged keyturn:managed=true, .*: tag it so$/),
      })
      await rds.wouldSetMasterPassword(tagged)
      server.edit = answer => answer.replace('<Value>true</Value>', '<Value>no</Value>')
      await expect(rds.wouldSetMasterPassword(tagged)).rejects.toMatchObject({ name: 'NotPermitted' })
      server.edit = answer => answer.replace(/<TagList\s*\/>|<TagList>.*?<\/TagList>/s, '')
      await asked()
    }
  })

  test('a secret that RDS manages names its database, and is refused by createSecret and by a check', async () => {
    const { DBInstance } = await createInstance('managed', {
      MasterUserPassword: undefined,
      ManageMasterUserPassword: true,
    })
    const id = DBInstance?.MasterUserSecret?.SecretArn ?? ''
    expect(id).toContain(':secret:rds!')
    const { credentials, region } = server.client.config
    const store = new SecretsManager(new SecretsManagerClient({ endpoint: server.url, region, credentials }))
    expect(await store.describe(id)).toMatchObject({
      owner: 'rds',
      tags: { 'aws:rds:primaryDBInstanceArn': arn('db:managed') },
    })
    const never = () => Promise.reject(new Error('not needed'))
    const pipeline = {
      ...{
        store,
        loadEngine: never,
        readAdmin: never,
        readConnection: never,
        isRotating: never,
        isExecutionRunning: never,
        hasChangedNothing: never,
        rds: never,
      },
      defaults: parseOptions({}),
    }
    const before = await store.listTokens(id)
    for (const step of [createSecret, checkRotation])
      await expect(step(pipeline, { id, token: 'x'.repeat(32) })).rejects.toMatchObject({
        name: 'InvalidCredential',
        field: 'id',
        message: expect.stringContaining('rds manages this secret'),
      })
    expect(await store.listTokens(id)).toEqual(before)
  })

  test.each([
    ['AccessDenied', 'NotPermitted'],
    ['Throttling', 'Throttled'],
    ['InternalFailure', 'Throttled'],
    ['DBUpgradeDependencyFailure', 'StoreFailed'],
  ])('the answer %s of RDS throws %s', async (code, name) => {
    server.refuse = () => code
    await expect(rds.findEndpoint(arn('db:lone'))).rejects.toMatchObject({ name })
  })

  test('an RDS that does not answer throws Unreachable', async () => {
    const nowhere = new Rds(rdsClient('http://127.0.0.1:1'))
    await expect(nowhere.findEndpoint(arn('db:lone'))).rejects.toMatchObject({
      name: 'Unreachable',
      message: 'RDS: ECONNREFUSED',
    })
  })
})

import { CreateDBClusterCommand, CreateDBInstanceCommand } from '@aws-sdk/client-rds'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { pythonBin } from '../../local/python.ts'
import { parseOptions } from '../../rotation/options.ts'
import { Rds } from '../../rotation/rds.ts'
import { check, create } from '../../rotation/steps.ts'
import { SecretsManager } from '../../rotation/stores/secretsManager.ts'
import { cluster, instance, type RdsServer, rdsClient, startRds } from '../rds.ts'

const bin = await pythonBin()

describe.skipIf(!bin)('RDS, as moto plays it', () => {
  let server: RdsServer
  let rds: Rds
  beforeAll(async () => {
    server = await startRds(bin ?? '')
    rds = new Rds(server.client)
  })
  afterAll(() => server.stop())
  beforeEach(() => {
    server.calls = []
    server.edit = answer => answer
    server.refuses = undefined
  })

  const arn = (resource: string) => `arn:aws:rds:eu-west-1:123456789012:${resource}`

  const createInstance = (DBInstanceIdentifier: string, more = {}) =>
    server.client.send(new CreateDBInstanceCommand({ ...instance, DBInstanceIdentifier, ...more }))
  const createCluster = (DBClusterIdentifier: string, more = {}) =>
    server.client.send(new CreateDBClusterCommand({ ...cluster, DBClusterIdentifier, ...more }))

  test('target: where the master of an instance or a cluster logs in', async () => {
    const { DBInstance } = await createInstance('lone', { Port: 5433 })
    expect(DBInstance?.DBInstanceArn).toBe(arn('db:lone'))
    expect(await rds.target(arn('db:lone'))).toEqual({
      engine: 'postgres',
      host: DBInstance?.Endpoint?.Address,
      port: 5433,
    })
    const { DBCluster } = await createCluster('pair')
    expect(DBCluster?.DBClusterArn).toBe(arn('cluster:pair'))
    expect(await rds.target(arn('cluster:pair'))).toEqual({
      engine: 'aurora-postgresql',
      host: DBCluster?.Endpoint,
      port: 5432,
    })
  })

  test.each(['db:absent', 'cluster:absent'])('target: there is no %s', async resource => {
    await expect(rds.target(arn(resource))).rejects.toMatchObject({
      name: 'InvalidCredential',
      field: 'masterarn',
      message: expect.stringContaining(arn(resource)),
    })
  })

  test('target: an instance that is being made has no endpoint', async () => {
    server.edit = answer => answer.replace(/<Address>.*<\/Address>/, '')
    await createInstance('new')
    await expect(rds.target(arn('db:new'))).rejects.toMatchObject({ field: 'masterarn' })
  })

  test('the secret of a master that RDS manages names its database, and is not for Keyturn to rotate', async () => {
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
      ...{ store, engine: never, admin: never, connection: never, running: never },
      defaults: parseOptions({}),
    }
    const before = await store.tokens(id)
    for (const step of [create, check])
      await expect(step(pipeline, { id, token: 'x'.repeat(32) })).rejects.toMatchObject({
        name: 'InvalidCredential',
        field: 'id',
        message: expect.stringContaining('rds manages this secret'),
      })
    expect(await store.tokens(id)).toEqual(before)
  })

  test.each([
    ['AccessDenied', 'NotPermitted'],
    ['Throttling', 'Throttled'],
    ['InternalFailure', 'StoreFailed'],
  ])('RDS answers %s: %s', async (code, name) => {
    server.refuses = code
    await expect(rds.target(arn('db:lone'))).rejects.toMatchObject({ name })
  })

  test('nobody answers: Unreachable', async () => {
    const nowhere = new Rds(rdsClient('http://127.0.0.1:1'))
    await expect(nowhere.target(arn('db:lone'))).rejects.toMatchObject({
      name: 'Unreachable',
      message: 'RDS: ECONNREFUSED',
    })
  })
})

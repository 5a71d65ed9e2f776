import {
  CreateDBClusterCommand,
  CreateDBInstanceCommand,
  CreateDBInstanceReadReplicaCommand,
  CreateGlobalClusterCommand,
  type DBCluster,
  PromoteReadReplicaCommand,
  type RDSClient,
} from '@aws-sdk/client-rds'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { pythonBin } from '../../../local/stack/python.ts'
import { DatabaseCopies } from '../../../rotation/promotion/databaseCopies.ts'
import { cluster, instance, type RdsServer, rdsClient, startRds } from '../../support/rds.ts'

const bin = await pythonBin()

/** The Region that is lost, and the one that goes on. */
const from = 'eu-west-1'
const here = 'eu-central-1'

describe.skipIf(!bin)('copies of databases, as moto plays RDS', () => {
  let server: RdsServer
  let own: RDSClient
  let copies: DatabaseCopies
  beforeAll(async () => {
    server = await startRds(bin ?? '')
    own = rdsClient(server.url, here)
    copies = new DatabaseCopies(own)
  })
  afterAll(() => server?.stop())
  beforeEach(() => {
    server.calls.length = 0
  })
  afterEach(() => {
    server.edit = answer => answer
    server.refuse = () => undefined
  })

  async function createCluster(client: RDSClient, id: string, more: object = {}): Promise<DBCluster> {
    const command = new CreateDBClusterCommand({ ...cluster, DBClusterIdentifier: id, ...more })
    const { DBCluster = {} } = await client.send(command)
    return DBCluster
  }

  /** Clusters of one global cluster: that of the lost Region first, as the writer. */
  async function createGlobal(id: string, ...members: [RDSClient, string][]): Promise<DBCluster[]> {
    const { Engine } = cluster
    await own.send(new CreateGlobalClusterCommand({ GlobalClusterIdentifier: id, Engine }))
    const made: DBCluster[] = []
    for (const [client, name] of members)
      made.push(await createCluster(client, name, { GlobalClusterIdentifier: id }))
    return made
  }

  async function createInstance(id: string): Promise<string> {
    const command = new CreateDBInstanceCommand({ ...instance, DBInstanceIdentifier: id })
    return `${(await server.client.send(command)).DBInstance?.Endpoint?.Address}`
  }

  async function copyInstance(id: string, source: string): Promise<string> {
    const command = new CreateDBInstanceReadReplicaCommand({
      DBInstanceIdentifier: id,
      SourceDBInstanceIdentifier: `arn:aws:rds:${from}:123456789012:db:${source}`,
    })
    return `${(await own.send(command)).DBInstance?.Endpoint?.Address}`
  }

  describe('in one global cluster', () => {
    let there: DBCluster
    let local: DBCluster
    beforeAll(async () => {
      const others: [RDSClient, string][] = [
        [server.client, 'other'],
        [own, 'other-copy'],
      ]
      await createGlobal('others', ...others)
      const further = rdsClient(server.url, 'us-west-2')
      const made = await createGlobal(
        'world',
        [server.client, 'shop'],
        [further, 'shop-far'],
        [own, 'shop-copy'],
      )
      ;[there = {}, , local = {}] = made
      // One of the same name here, that is none of its copies.
      await createCluster(own, 'shop')
    })

    test('the endpoint of a writer becomes that of this Region’s writer', async () => {
      const found = await copies.endpointInGlobalCluster(`${there.Endpoint}`, from)
      expect(found).toBe(local.Endpoint)
      expect(found).toMatch(`.${here}.rds.amazonaws.com`)
      expect(server.calls).toEqual(['DescribeGlobalClusters', 'DescribeDBClusters'])
    })

    test('the endpoint of readers becomes that of this Region’s readers', async () => {
      const found = await copies.endpointInGlobalCluster(`${there.ReaderEndpoint}`, from)
      expect(found).toBe(local.ReaderEndpoint)
      expect(found).not.toBe(local.Endpoint)
    })

    test('capital letters do not matter', async () => {
      const [writer, readers] = [`${there.Endpoint}`.toUpperCase(), `${there.ReaderEndpoint}`.toUpperCase()]
      expect(await copies.endpointInGlobalCluster(writer, from)).toBe(local.Endpoint)
      expect(await copies.endpointInGlobalCluster(readers, from)).toBe(local.ReaderEndpoint)
    })

    test('a cluster without a global cluster has no endpoint here', async () => {
      const { Endpoint } = await createCluster(server.client, 'lone')
      await createCluster(own, 'lone')
      expect(await copies.endpointInGlobalCluster(`${Endpoint}`, from)).toBeUndefined()
    })

    test('a cluster whose global cluster has no member here has no endpoint here', async () => {
      const far = rdsClient(server.url, 'us-west-2')
      const [alone] = await createGlobal('far', [server.client, 'alone'], [far, 'alone-copy'])
      expect(await copies.endpointInGlobalCluster(`${alone?.Endpoint}`, from)).toBeUndefined()
    })

    test('a cluster whose member here is being deleted has no endpoint here', async () => {
      server.refuse = call =>
        call.get('Action') === 'DescribeDBClusters' ? 'DBClusterNotFoundFault' : undefined
      expect(await copies.endpointInGlobalCluster(`${there.Endpoint}`, from)).toBeUndefined()
      expect(server.calls).toContain('DescribeDBClusters')
    })

    test.each([
      ['of an instance', `shop.abcdefghijkl.${from}.rds.amazonaws.com`],
      ['that its owner named', `shop.cluster-custom-abcdefghijkl.${from}.rds.amazonaws.com`],
      ['of a proxy', `shop.proxy-abcdefghijkl.${from}.rds.amazonaws.com`],
      ['of another Region', 'shop.cluster-abcdefghijkl.us-west-2.rds.amazonaws.com'],
      ['that follows the writer', 'world.global-abcdefghijkl.global.rds.amazonaws.com'],
      ['of another service', `shop.cluster-abcdefghijkl.${from}.redshift.amazonaws.com`],
      ['of no service', `shop.cluster-abcdefghijkl.${from}.rds.example.com`],
      ['that is an address', '10.0.0.7'],
    ])('RDS is not asked about a host %s', async (_, host) => {
      expect(await copies.endpointInGlobalCluster(host, from)).toBeUndefined()
      expect(server.calls).toEqual([])
    })
  })

  describe('a read replica', () => {
    test('of an instance is found here until it is promoted', async () => {
      const [host, other] = [await createInstance('till'), await createInstance('till-2')]
      await copyInstance('till-2-copy', 'till-2')
      const copy = await copyInstance('till-copy', 'till')
      expect(await copies.endpointOfReplica(host, from)).toBe(copy)
      expect(await copies.endpointOfReplica(other, from)).not.toBe(copy)
      await own.send(new PromoteReadReplicaCommand({ DBInstanceIdentifier: 'till-copy' }))
      // AWS forgets the source then, and moto does not.
      server.edit = answer => answer.replaceAll(/<ReadReplicaSourceDBInstanceIdentifier>[^<]*<[^>]*>/g, '')
      expect(await copies.endpointOfReplica(host, from)).toBeUndefined()
    })

    test('of a cluster is found here', async () => {
      const { Endpoint, DBClusterArn } = await createCluster(server.client, 'stock')
      await createCluster(own, 'stock')
      expect(await copies.endpointOfReplica(`${Endpoint}`, from)).toBeUndefined()
      const copy = await createCluster(own, 'stock-copy', { ReplicationSourceIdentifier: DBClusterArn })
      expect(await copies.endpointOfReplica(`${Endpoint}`, from)).toBe(copy.Endpoint)
    })

    test('of a database of the same name in another Region is not returned', async () => {
      const far = rdsClient(server.url, 'us-west-2')
      const { DBClusterArn } = await createCluster(far, 'depot')
      const { Endpoint } = await createCluster(server.client, 'depot')
      await createCluster(own, 'depot-copy', { ReplicationSourceIdentifier: DBClusterArn })
      expect(await copies.endpointOfReplica(`${Endpoint}`, from)).toBeUndefined()
    })

    test('of a host that is not RDS’s is not looked for', async () => {
      expect(await copies.endpointOfReplica(`db.${from}.example.com`, from)).toBeUndefined()
      expect(server.calls).toEqual([])
    })
  })

  test.each([
    ['AccessDenied', 'NotPermitted'],
    ['Throttling', 'Throttled'],
  ])('the answer %s of RDS throws %s', async (code, name) => {
    server.refuse = () => code
    const host = `shop.cluster-abcdefghijkl.${from}.rds.amazonaws.com`
    await expect(copies.endpointInGlobalCluster(host, from)).rejects.toMatchObject({ name })
    await expect(copies.endpointOfReplica(host, from)).rejects.toMatchObject({ name })
  })
})

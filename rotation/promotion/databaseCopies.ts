import {
  DescribeDBClustersCommand,
  paginateDescribeDBClusters,
  paginateDescribeDBInstances,
  paginateDescribeGlobalClusters,
  RDSClient,
  type RDSClientConfig,
} from '@aws-sdk/client-rds'
import { regionIn } from '../arn.ts'
import { callAws } from '../callAws.ts'
import { isHostInRegion } from './hostMap.ts'

/**
 * The host of an endpoint of RDS, Aurora or DocumentDB. The first group is the id of the instance or cluster. The second is there
 * only for a cluster's endpoint: `cluster-` for the writer's, `cluster-ro-` for the readers'. A custom endpoint of Aurora has no
 * second group. https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.Overview.Endpoints.html
 */
const RDS_ENDPOINT =
  /^([^.]+)\.(cluster-ro-|cluster-(?!custom-))?[^.]+\.([^.]+\.(rds|docdb)|rds\.[^.]+)\.amazonaws\./

/**
 * The calls of RDS's API in this Region that find copies of databases of another Region. The other Region is not called, as it
 * may be lost.
 */
export class DatabaseCopies {
  readonly #client: RDSClient

  constructor(client: RDSClient) {
    this.#client = client
  }

  /** Makes the instance and its client, so that a caller can load both with this file, when they are first used. */
  static fromConfig(settings: RDSClientConfig): DatabaseCopies {
    return new DatabaseCopies(new RDSClient(settings))
  }

  /**
   * Finds the endpoint in this Region of the cluster that belongs to the same global cluster as the cluster with endpoint `host`
   * in Region `from`. For a writer endpoint it is the writer endpoint, for a reader endpoint the reader endpoint.
   * https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeGlobalClusters.html
   * @returns undefined if there is none, or `host` is another kind of endpoint
   * @throws Unreachable, NotPermitted, Throttled
   */
  async endpointInGlobalCluster(host: string, from: string): Promise<string | undefined> {
    const [, id, kind = ''] = RDS_ENDPOINT.exec(host.toLowerCase()) ?? []
    if (!id || !kind || !isHostInRegion(host, from)) return undefined
    const here = await this.#client.config.region()
    const pages = await callAws('RDS', () =>
      Array.fromAsync(paginateDescribeGlobalClusters({ client: this.#client, pageSize: 100 }, {})),
    )
    for (const { GlobalClusterMembers = [] } of pages.flatMap(({ GlobalClusters = [] }) => GlobalClusters)) {
      const arns = GlobalClusterMembers.flatMap(({ DBClusterArn = '', Readers = [] }) => [
        DBClusterArn,
        ...Readers,
      ])
      const own = arns.find(arn => regionIn(arn) === here)
      if (own && arns.some(arn => isClusterArn(arn, from, id))) return this.#endpointOf(own, kind)
    }
    return undefined
  }

  /**
   * Finds the endpoint in this Region of a read replica of the database with endpoint `host` in Region `from`. Once the replica is
   * promoted, RDS no longer tells what it was a replica of. For a cluster, the answer is always the writer endpoint.
   * @returns undefined if there is none
   * @throws Unreachable, NotPermitted, Throttled
   */
  async endpointOfReplica(host: string, from: string): Promise<string | undefined> {
    const [, id, kind = ''] = RDS_ENDPOINT.exec(host.toLowerCase()) ?? []
    if (!id || !isHostInRegion(host, from)) return undefined
    return kind ? this.#clusterCopying(id, from) : this.#instanceCopying(id, from)
  }

  /** The writer endpoint of a cluster, or its reader endpoint, as `kind`, the second group of RDS_ENDPOINT, says. */
  async #endpointOf(arn: string, kind: string): Promise<string | undefined> {
    const command = new DescribeDBClustersCommand({ DBClusterIdentifier: arn.split(':').at(-1) })
    const { DBClusters: [cluster] = [] } = await callAws('RDS', () => this.#client.send(command), {
      DBClusterNotFoundFault: () => ({ DBClusters: [] }),
    })
    return kind === 'cluster-' ? cluster?.Endpoint : cluster?.ReaderEndpoint
  }

  /** The writer endpoint of the cluster that is a read replica of cluster `id` in Region `from`. */
  async #clusterCopying(id: string, from: string): Promise<string | undefined> {
    const pages = await callAws('RDS', () =>
      Array.fromAsync(paginateDescribeDBClusters({ client: this.#client, pageSize: 100 }, {})),
    )
    return pages
      .flatMap(({ DBClusters = [] }) => DBClusters)
      .find(({ ReplicationSourceIdentifier = '' }) => isClusterArn(ReplicationSourceIdentifier, from, id))
      ?.Endpoint
  }

  /** The endpoint of the instance that is a read replica of instance `id` in Region `from`. */
  async #instanceCopying(id: string, from: string): Promise<string | undefined> {
    const pages = await callAws('RDS', () =>
      Array.fromAsync(paginateDescribeDBInstances({ client: this.#client, pageSize: 100 }, {})),
    )
    const copy = pages
      .flatMap(({ DBInstances = [] }) => DBInstances)
      .find(({ ReadReplicaSourceDBInstanceIdentifier: source = '' }) => isDatabaseArn(source, from, 'db', id))
    return copy?.Endpoint?.Address
  }
}

const isClusterArn = (arn: string, region: string, id: string) => isDatabaseArn(arn, region, 'cluster', id)

/** Whether an ARN is that of database `id` in a Region. RDS's ids are in small letters, and `id` must be too. */
const isDatabaseArn = (arn: string, region: string, kind: string, id: string) =>
  arn.startsWith('arn:') && regionIn(arn) === region && arn.endsWith(`:${kind}:${id}`)

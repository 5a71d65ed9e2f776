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

/** An endpoint of RDS, Aurora or DocumentDB, by its first labels. A custom endpoint is none of its cluster's two. */
const RDS_ENDPOINT =
  /^([^.]+)\.(cluster-ro-|cluster-(?!custom-))?[^.]+\.([^.]+\.(rds|docdb)|rds\.[^.]+)\.amazonaws\./

/** What RDS tells, in this Region, of the databases that are copies of those in another one. */
export class DatabaseCopies {
  readonly #client: RDSClient

  constructor(client: RDSClient) {
    this.#client = client
  }

  /** Over a client of its own, for whoever loads both when they are used. */
  static fromConfig(settings: RDSClientConfig): DatabaseCopies {
    return new DatabaseCopies(new RDSClient(settings))
  }

  /**
   * The endpoint here of the cluster that is in one global cluster with the cluster in Region `from` whose endpoint `host` is:
   * its writer's for a writer's, its readers' for the readers'. Undefined if there is none, or `host` is of another kind. The
   * other Region is not asked, as it may be lost.
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
   * The endpoint here of the read replica of the database in Region `from` whose endpoint `host` is, for as long as it is one:
   * once promoted it no longer says of what. @throws as above
   */
  async endpointOfReplica(host: string, from: string): Promise<string | undefined> {
    const [, id, kind = ''] = RDS_ENDPOINT.exec(host.toLowerCase()) ?? []
    if (!id || !isHostInRegion(host, from)) return undefined
    return kind ? this.#clusterCopying(id, from) : this.#instanceCopying(id, from)
  }

  async #endpointOf(arn: string, kind: string): Promise<string | undefined> {
    const command = new DescribeDBClustersCommand({ DBClusterIdentifier: arn.split(':').at(-1) })
    const { DBClusters: [cluster] = [] } = await callAws('RDS', () => this.#client.send(command), {
      DBClusterNotFoundFault: () => ({ DBClusters: [] }),
    })
    return kind === 'cluster-' ? cluster?.Endpoint : cluster?.ReaderEndpoint
  }

  async #clusterCopying(id: string, from: string): Promise<string | undefined> {
    const pages = await callAws('RDS', () =>
      Array.fromAsync(paginateDescribeDBClusters({ client: this.#client, pageSize: 100 }, {})),
    )
    return pages
      .flatMap(({ DBClusters = [] }) => DBClusters)
      .find(({ ReplicationSourceIdentifier = '' }) => isClusterArn(ReplicationSourceIdentifier, from, id))
      ?.Endpoint
  }

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

/** Whether an ARN is that of a database in a Region. Both it and `id` are in small letters. */
const isDatabaseArn = (arn: string, region: string, kind: string, id: string) =>
  arn.startsWith('arn:') && regionIn(arn) === region && arn.endsWith(`:${kind}:${id}`)

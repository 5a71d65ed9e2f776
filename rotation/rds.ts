import {
  type DBCluster,
  type DBInstance,
  DescribeDBClustersCommand,
  DescribeDBInstancesCommand,
  type RDSClient,
} from '@aws-sdk/client-rds'
import { InvalidCredential, Throttled, Unreachable } from './errors.ts'
import { isNamed, translate } from './stores/awsErrors.ts'

type Database = {
  arn: string
  /** Each `host:port` that leads to it. */
  addresses: (string | undefined)[]
  /** ARN of the database that this one is a copy of. */
  source: string | undefined
}

/** Amazon RDS: what its API tells about the databases of this account and Region. */
export class Rds {
  readonly #client: RDSClient

  constructor(client: RDSClient) {
    this.#client = client
  }

  /**
   * Where the master of a database logs in: an instance, or the writer of a cluster.
   * @throws InvalidCredential if there is no such database; Unreachable, NotPermitted, Throttled
   */
  async target(arn: string): Promise<{ engine: string; host: string; port: number }> {
    const { Engine, Endpoint, Port } = isCluster(arn)
      ? { ...(await this.#cluster(arn)) }
      : flat(await this.#instance(arn))
    if (!Engine || !Endpoint || !Port)
      throw new InvalidCredential('masterarn', `RDS has no endpoint of ${arn}`)
    return { engine: Engine, host: Endpoint, port: Port }
  }

  /**
   * Whether users who log in at `address` are those of `primary`, each a `host:port` in small letters: two endpoints of
   * one database, or `address` leads to a read replica of it, or to a replica of that. What a host's name says only
   * chooses what is asked for; the answer has to hold the address.
   * @throws Unreachable, NotPermitted, Throttled
   */
  async follows(address: string, primary: string): Promise<boolean> {
    const origin = await this.#at(primary)
    if (!origin) return false
    if (origin.addresses.includes(address)) return true
    for (let at = await this.#at(address); at; at = at.source ? await this.#database(at.source) : undefined)
      if (origin.arn === at.arn || origin.arn === at.source) return true
    return false
  }

  async #at(address: string): Promise<Database | undefined> {
    const [, id, inCluster] = /^([^.]+)\.(cluster-)?[^.]+\.[^.]+\.rds\.amazonaws\./.exec(address) ?? []
    if (!id) return undefined
    const found = await (inCluster ? this.#ofCluster(id) : this.#ofInstance(id))
    return found?.addresses.includes(address) ? found : undefined
  }

  #database(arn: string): Promise<Database | undefined> {
    return isCluster(arn) ? this.#ofCluster(arn) : this.#ofInstance(arn)
  }

  async #ofCluster(id: string): Promise<Database | undefined> {
    const cluster = await this.#cluster(id)
    if (!cluster?.DBClusterArn) return undefined
    const { DBClusterArn, Endpoint, ReaderEndpoint, CustomEndpoints = [], Port } = cluster
    return {
      arn: DBClusterArn,
      addresses: [Endpoint, ReaderEndpoint, ...CustomEndpoints].map(host => addressOf(host, Port)),
      source: cluster.ReplicationSourceIdentifier,
    }
  }

  /** An instance of a cluster is one more way to the cluster. */
  async #ofInstance(id: string): Promise<Database | undefined> {
    const { DBInstanceArn, Endpoint, Port, ...instance } = flat(await this.#instance(id))
    if (!DBInstanceArn) return undefined
    const address = addressOf(Endpoint, Port)
    if (instance.DBClusterIdentifier) {
      const cluster = await this.#ofCluster(instance.DBClusterIdentifier)
      return cluster && { ...cluster, addresses: [...cluster.addresses, address] }
    }
    const { ReadReplicaSourceDBInstanceIdentifier: copied, ReadReplicaSourceDBClusterIdentifier: from } =
      instance
    // A name, or an ARN where the source is in another Region.
    const named = (kind: string, name: string) =>
      name.startsWith('arn:') ? name : DBInstanceArn.replace(/db:[^:]+$/, `${kind}:${name}`)
    return {
      arn: DBInstanceArn,
      addresses: [address],
      source: copied ? named('db', copied) : from && named('cluster', from),
    }
  }

  async #cluster(id: string): Promise<DBCluster | undefined> {
    const command = new DescribeDBClustersCommand({ DBClusterIdentifier: id })
    return (await unlessAbsent(this.#client.send(command)))?.DBClusters?.[0]
  }

  async #instance(id: string): Promise<DBInstance | undefined> {
    const command = new DescribeDBInstancesCommand({ DBInstanceIdentifier: id })
    return (await unlessAbsent(this.#client.send(command)))?.DBInstances?.[0]
  }
}

const isCluster = (arn: string) => arn.split(':')[5] === 'cluster'

const addressOf = (host?: string, port?: number) => host && `${host.toLowerCase()}:${port}`

/** An instance, its endpoint written as a cluster's. */
const flat = ({ Endpoint, ...instance }: DBInstance = {}) => ({
  ...instance,
  Endpoint: Endpoint?.Address,
  Port: Endpoint?.Port,
})

async function unlessAbsent<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    // What has the name of no database, or is in another Region, is no valid parameter.
    if (isNamed(error, 'DBInstanceNotFoundFault', 'DBClusterNotFoundFault', 'InvalidParameterValue'))
      return undefined
    const known = translate('RDS', error)
    // It lacks the SDK's mark of an error that the service answered: from a VPC there may be no way to RDS.
    if (known instanceof Throttled && !('$fault' in (error as Error))) throw new Unreachable(known.message)
    throw known
  }
}

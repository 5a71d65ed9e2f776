import {
  type DBCluster,
  type DBInstance,
  DescribeDBClustersCommand,
  DescribeDBInstancesCommand,
  type RDSClient,
} from '@aws-sdk/client-rds'
import { InvalidCredential, Throttled, Unreachable } from './errors.ts'
import { isNamed, translate } from './stores/awsErrors.ts'

/** Amazon RDS: what its API tells about databases, by name or ARN. */
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
    const { Engine, Endpoint, Port } = arn.includes(':cluster:')
      ? { ...(await this.#cluster(arn)) }
      : flat(await this.#instance(arn))
    if (!Engine || !Endpoint || !Port)
      throw new InvalidCredential('masterarn', `RDS has no endpoint of ${arn}`)
    return { engine: Engine, host: Endpoint, port: Port }
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
    if (isNamed(error, 'DBInstanceNotFoundFault', 'DBClusterNotFoundFault')) return undefined
    const known = translate('RDS', error)
    // It lacks the SDK's mark of an error that the service answered: from a VPC there may be no way to RDS.
    if (known instanceof Throttled && !('$fault' in (error as Error))) throw new Unreachable(known.message)
    throw known
  }
}

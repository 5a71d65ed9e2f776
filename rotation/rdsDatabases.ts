import {
  type DBCluster,
  type DBInstance,
  DescribeDBClustersCommand,
  DescribeDBInstancesCommand,
  type RDSClient,
} from '@aws-sdk/client-rds'
import { callAws } from './callAws.ts'
import { InvalidCredential } from './errors.ts'
import { isManaged, tagsIn } from './tags.ts'

/** An RDS instance or an Aurora cluster. */
export type RdsDatabase = {
  arn: string
  /** Every `host:port` that leads to it. */
  addresses: (string | undefined)[]
  /** ARN of the database that this one is a read replica of. */
  source: string | undefined
  /** The name of the master user. */
  master: string | undefined
  /** Whether RDS keeps the master's password in a secret of its own and rotates it. */
  isMasterManaged: boolean
  /** Whether RDS is still setting the master's password. */
  isSettingPassword: boolean
  /** Whether it has the tag keyturn:managed=true; undefined if RDS does not tell its tags. */
  isTagged: boolean | undefined
}

/** Where the master of a database logs in. `engine` is named as RDS names it. */
export type RdsEndpoint = { engine: string; host: string; port: number }

/**
 * Finds the endpoint of an instance, or the writer endpoint of a cluster.
 * @throws InvalidCredential if there is no such database; Unreachable, NotPermitted, Throttled
 */
export async function findEndpoint(client: RDSClient, arn: string): Promise<RdsEndpoint> {
  const { Engine, Endpoint, Port } = isCluster(arn)
    ? { ...(await describeCluster(client, arn)) }
    : flattenEndpoint(await describeInstance(client, arn))
  if (!Engine || !Endpoint || !Port) throw new InvalidCredential('masterarn', `RDS has no endpoint of ${arn}`)
  return { engine: Engine, host: Endpoint, port: Port }
}

/** The database that has the endpoint `address`, a `host:port`; undefined if RDS knows none here. */
export async function findDatabaseAt(client: RDSClient, address: string): Promise<RdsDatabase | undefined> {
  const [, id, inCluster] =
    /^([^.]+)\.(cluster-)?[^.]+\.([^.]+\.rds|rds\.[^.]+)\.amazonaws\./.exec(address) ?? []
  if (!id) return undefined
  const found = await (inCluster ? readCluster(client, id) : readInstance(client, id))
  return found?.addresses.includes(address) ? found : undefined
}

/** The database with this ARN; undefined if RDS knows none here. */
export function findDatabase(client: RDSClient, arn: string): Promise<RdsDatabase | undefined> {
  return isCluster(arn) ? readCluster(client, arn) : readInstance(client, arn)
}

/** Reads the database that is the cluster `id`; `id` is its name or ARN. */
async function readCluster(client: RDSClient, id: string): Promise<RdsDatabase | undefined> {
  const cluster = await describeCluster(client, id)
  if (!cluster?.DBClusterArn) return undefined
  const { DBClusterArn, Endpoint, ReaderEndpoint, CustomEndpoints = [], Port } = cluster
  return {
    arn: DBClusterArn,
    addresses: [Endpoint, ReaderEndpoint, ...CustomEndpoints].map(host => addressOf(host, Port)),
    source: cluster.ReplicationSourceIdentifier,
    ...masterOf(cluster, cluster.Status),
  }
}

/**
 * Reads the database of the instance `id`, its name or ARN. If the instance belongs to a cluster, the database is that cluster,
 * with the address of the instance added.
 */
async function readInstance(client: RDSClient, id: string): Promise<RdsDatabase | undefined> {
  const { DBInstanceArn, Endpoint, Port, ...instance } = flattenEndpoint(await describeInstance(client, id))
  if (!DBInstanceArn) return undefined
  const address = addressOf(Endpoint, Port)
  if (instance.DBClusterIdentifier) {
    const cluster = await readCluster(client, instance.DBClusterIdentifier)
    return cluster && { ...cluster, addresses: [...cluster.addresses, address] }
  }
  const {
    ReadReplicaSourceDBInstanceIdentifier: sourceInstance,
    ReadReplicaSourceDBClusterIdentifier: sourceCluster,
  } = instance
  // The source is given by its name, or by its ARN if it is in another Region.
  const arnOf = (kind: string, name: string) =>
    name.startsWith('arn:') ? name : DBInstanceArn.replace(/db:[^:]+$/, `${kind}:${name}`)
  return {
    arn: DBInstanceArn,
    addresses: [address],
    source: sourceInstance ? arnOf('db', sourceInstance) : sourceCluster && arnOf('cluster', sourceCluster),
    ...masterOf(instance, instance.DBInstanceStatus),
  }
}

async function describeCluster(client: RDSClient, id: string): Promise<DBCluster | undefined> {
  const command = new DescribeDBClustersCommand({ DBClusterIdentifier: id })
  return (await callAws('RDS', () => client.send(command), undefinedIfAbsent))?.DBClusters?.[0]
}

async function describeInstance(client: RDSClient, id: string): Promise<DBInstance | undefined> {
  const command = new DescribeDBInstancesCommand({ DBInstanceIdentifier: id })
  return (await callAws('RDS', () => client.send(command), undefinedIfAbsent))?.DBInstances?.[0]
}

/** Whether this is the ARN of a cluster, and not that of an instance. */
export const isCluster = (arn: string) => arn.split(':')[5] === 'cluster'

/** What RDS tells about the master user, and about the tags. */
function masterOf(
  {
    MasterUsername,
    MasterUserSecret,
    PendingModifiedValues,
    TagList,
  }: DBCluster | Omit<DBInstance, 'Endpoint'>,
  status: string | undefined,
) {
  return {
    master: MasterUsername,
    isMasterManaged: MasterUserSecret !== undefined,
    isTagged: TagList && isManaged(tagsIn(TagList)),
    // The status: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html
    // The pending value: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html
    isSettingPassword:
      Boolean(PendingModifiedValues?.MasterUserPassword) || status === 'resetting-master-credentials',
  }
}

const addressOf = (host?: string, port?: number) => host && `${host.toLowerCase()}:${port}`

/** An instance with its endpoint's host and port in `Endpoint` and `Port`, as a cluster has them. */
const flattenEndpoint = ({ Endpoint, ...instance }: DBInstance = {}) => ({
  ...instance,
  Endpoint: Endpoint?.Address,
  Port: Endpoint?.Port,
})

const undefinedIfAbsent = {
  DBInstanceNotFoundFault: () => undefined,
  DBClusterNotFoundFault: () => undefined,
  // RDS answers so for an ARN of another Region, and for a text that cannot be the name of a database.
  InvalidParameterValue: () => undefined,
}

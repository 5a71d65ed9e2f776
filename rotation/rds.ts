import {
  type DBCluster,
  type DBInstance,
  DescribeDBClustersCommand,
  DescribeDBInstancesCommand,
  ModifyDBClusterCommand,
  ModifyDBInstanceCommand,
  RDSClient,
  type RDSClientConfig,
} from '@aws-sdk/client-rds'
import { callAws } from './callAws.ts'
import type { Credential } from './credential.ts'
import { InvalidCredential, NotPermitted, RdsBusy } from './errors.ts'
import { isManaged, tagsIn } from './tags.ts'

/** An RDS instance or an Aurora cluster. */
type Database = {
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

/** The calls of Amazon RDS's API, for the databases of this account and Region. */
export class Rds {
  readonly #client: RDSClient

  constructor(client: RDSClient) {
    this.#client = client
  }

  /** Makes the instance and its client, so that a caller can load both with this file, when they are first used. */
  static fromConfig(settings: RDSClientConfig): Rds {
    return new Rds(new RDSClient(settings))
  }

  /**
   * Finds where the master of a database logs in: the endpoint of an instance, or the writer endpoint of a cluster.
   * @throws InvalidCredential if there is no such database; Unreachable, NotPermitted, Throttled
   */
  async findEndpoint(arn: string): Promise<{ engine: string; host: string; port: number }> {
    const { Engine, Endpoint, Port } = isCluster(arn)
      ? { ...(await this.#cluster(arn)) }
      : flattenEndpoint(await this.#instance(arn))
    if (!Engine || !Endpoint || !Port)
      throw new InvalidCredential('masterarn', `RDS has no endpoint of ${arn}`)
    return { engine: Engine, host: Endpoint, port: Port }
  }

  /**
   * Whether two addresses, each a `host:port` in small letters, have the same users: they are endpoints of one database, or
   * `address` leads to a read replica of the database at `primary`, or to a replica of such a replica. A database is looked up by
   * the id in the host's name, and then has to list the whole address itself.
   * @throws Unreachable, NotPermitted, Throttled
   */
  async sharesUsers(address: string, primary: string): Promise<boolean> {
    const primaryDatabase = await this.#databaseAt(primary)
    if (!primaryDatabase) return false
    if (primaryDatabase.addresses.includes(address)) return true
    for (
      let database = await this.#databaseAt(address);
      database;
      database = database.source ? await this.#database(database.source) : undefined
    )
      if (primaryDatabase.arn === database.arn || primaryDatabase.arn === database.source) return true
    return false
  }

  /** Whether RDS is still setting the password of the database's master. @throws as `setMasterPassword` does */
  async isSettingPassword(master: Credential): Promise<boolean> {
    return (await this.#databaseOf(master)).isSettingPassword
  }

  /**
   * Has RDS set the password of a database's master to the credential's. RDS does so some time after this call.
   * https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html
   * @throws InvalidCredential if there is no such database, this is not its master, or RDS manages that one's password
   * @throws RdsBusy if RDS is at work on the database; Unreachable, NotPermitted, Throttled
   */
  async setMasterPassword(master: Credential): Promise<void> {
    const { arn } = await this.#requireSettable(master)
    const id = arn.split(':').at(-1)
    const change = { MasterUserPassword: master.password }
    // An instance applies a password at once in any case. With ApplyImmediately it would also apply every other change that waits
    // for its maintenance window.
    const modify = (): Promise<unknown> =>
      isCluster(arn)
        ? this.#client.send(
            new ModifyDBClusterCommand({ DBClusterIdentifier: id, ApplyImmediately: true, ...change }),
          )
        : this.#client.send(new ModifyDBInstanceCommand({ DBInstanceIdentifier: id, ...change }))
    await callAws('RDS', modify, {
      InvalidParameterValue() {
        throw new InvalidCredential(
          'password',
          'RDS refuses it: it takes 8 to 41 printable characters, without / @ " and spaces; let the options make such',
        )
      },
    })
  }

  /** Checks what setMasterPassword would refuse, or IAM for it. @throws what setMasterPassword would throw */
  async wouldSetMasterPassword(master: Credential): Promise<void> {
    const { arn, isTagged } = await this.#requireSettable(master)
    if (isTagged === false)
      throw new NotPermitted(
        `${arn} is not tagged keyturn:managed=true, and this stack sets the password of no other: tag it so`,
      )
  }

  /** The database of a master whose password can be set now. @throws RdsBusy if RDS is setting it */
  async #requireSettable(master: Credential): Promise<Database> {
    const found = await this.#databaseOf(master)
    if (found.isSettingPassword) throw new RdsBusy(`${master}: RDS is setting its password`)
    return found
  }

  /** The database that a master's value is for. @throws InvalidCredential if it is not for the master of a primary database */
  async #databaseOf(master: Credential): Promise<Database> {
    const found = await this.#databaseAt(master.address)
    if (!found || found.source)
      throw new InvalidCredential(
        'host',
        'should be an endpoint of RDS in this account and Region, no replica',
      )
    if (found.master !== master.username)
      throw new InvalidCredential('username', `should be the master user, which is ${found.master}`)
    if (found.isMasterManaged)
      throw new InvalidCredential('username', 'is a master whose password RDS manages and rotates by itself')
    return found
  }

  /** The database that has the endpoint `address`, a `host:port`; undefined if RDS knows none here. */
  async #databaseAt(address: string): Promise<Database | undefined> {
    const [, id, inCluster] =
      /^([^.]+)\.(cluster-)?[^.]+\.([^.]+\.rds|rds\.[^.]+)\.amazonaws\./.exec(address) ?? []
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
      ...masterOf(cluster, cluster.Status),
    }
  }

  /** The database of an instance. If the instance belongs to a cluster, that is the cluster, with one address more. */
  async #ofInstance(id: string): Promise<Database | undefined> {
    const { DBInstanceArn, Endpoint, Port, ...instance } = flattenEndpoint(await this.#instance(id))
    if (!DBInstanceArn) return undefined
    const address = addressOf(Endpoint, Port)
    if (instance.DBClusterIdentifier) {
      const cluster = await this.#ofCluster(instance.DBClusterIdentifier)
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

  async #cluster(id: string): Promise<DBCluster | undefined> {
    const command = new DescribeDBClustersCommand({ DBClusterIdentifier: id })
    return (await callAws('RDS', () => this.#client.send(command), undefinedIfAbsent))?.DBClusters?.[0]
  }

  async #instance(id: string): Promise<DBInstance | undefined> {
    const command = new DescribeDBInstancesCommand({ DBInstanceIdentifier: id })
    return (await callAws('RDS', () => this.#client.send(command), undefinedIfAbsent))?.DBInstances?.[0]
  }
}

/** The calls of RDS that a rotation makes. */
export type RdsCalls = Pick<
  Rds,
  'sharesUsers' | 'isSettingPassword' | 'setMasterPassword' | 'wouldSetMasterPassword'
>

const isCluster = (arn: string) => arn.split(':')[5] === 'cluster'

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

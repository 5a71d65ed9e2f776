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

type Database = {
  arn: string
  /** Each `host:port` that leads to it. */
  addresses: (string | undefined)[]
  /** ARN of the database that this one is a copy of. */
  source: string | undefined
  master: string | undefined
  /** Whether RDS keeps the master's password in a secret of its own. */
  managed: boolean
  /** Whether RDS has still to set a master's password. */
  setting: boolean
  /** Whether it is tagged keyturn:managed=true; unset if RDS does not tell its tags. */
  tagged: boolean | undefined
}

/** Amazon RDS: what its API tells about the databases of this account and Region. */
export class Rds {
  readonly #client: RDSClient

  constructor(client: RDSClient) {
    this.#client = client
  }

  /** Over a client of its own, for whoever loads both when they are used. */
  static fromConfig(settings: RDSClientConfig): Rds {
    return new Rds(new RDSClient(settings))
  }

  /**
   * Where the master of a database logs in: an instance, or the writer of a cluster.
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
   * Whether users who log in at `address` are those of `primary`, each a `host:port` in small letters: two endpoints of
   * one database, or `address` leads to a read replica of it, or to a replica of that. What a host's name says only
   * chooses what is asked for; the answer has to hold the address.
   * @throws Unreachable, NotPermitted, Throttled
   */
  async sharesUsers(address: string, primary: string): Promise<boolean> {
    const origin = await this.#databaseAt(primary)
    if (!origin) return false
    if (origin.addresses.includes(address)) return true
    for (
      let at = await this.#databaseAt(address);
      at;
      at = at.source ? await this.#database(at.source) : undefined
    )
      if (origin.arn === at.arn || origin.arn === at.source) return true
    return false
  }

  /** Whether RDS has still to set the password of the database's master. @throws as `setMasterPassword` does */
  async isSettingPassword(master: Credential): Promise<boolean> {
    return (await this.#databaseOf(master)).setting
  }

  /**
   * Tells RDS to set the password of a database's master to the credential's. It comes into force some time after.
   * @throws InvalidCredential if there is no such database, this is not its master, or RDS manages that one's password
   * @throws RdsBusy if RDS is at work on the database; Unreachable, NotPermitted, Throttled
   */
  async setMasterPassword(master: Credential): Promise<void> {
    const { arn } = await this.#requireSettable(master)
    const id = arn.split(':').at(-1)
    const change = { MasterUserPassword: master.password }
    // An instance takes a password at once anyhow, and by ApplyImmediately all else that waits for its window too.
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

  /** What setMasterPassword would refuse, or IAM at its call. @throws what that throws */
  async wouldSetMasterPassword(master: Credential): Promise<void> {
    const { arn, tagged } = await this.#requireSettable(master)
    if (tagged === false)
      throw new NotPermitted(
        `${arn} is not tagged keyturn:managed=true, and this stack sets the password of no other: tag it so`,
      )
  }

  async #requireSettable(master: Credential): Promise<Database> {
    const found = await this.#databaseOf(master)
    if (found.setting) throw new RdsBusy(`${master}: RDS is setting its password`)
    return found
  }

  async #databaseOf(master: Credential): Promise<Database> {
    const found = await this.#databaseAt(master.address)
    if (!found || found.source)
      throw new InvalidCredential(
        'host',
        'should be an endpoint of RDS in this account and Region, no replica',
      )
    if (found.master !== master.username)
      throw new InvalidCredential('username', `should be the master user, which is ${found.master}`)
    if (found.managed)
      throw new InvalidCredential('username', 'is a master whose password RDS manages and rotates by itself')
    return found
  }

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

  /** An instance of a cluster is one more way to the cluster. */
  async #ofInstance(id: string): Promise<Database | undefined> {
    const { DBInstanceArn, Endpoint, Port, ...instance } = flattenEndpoint(await this.#instance(id))
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

/** What a rotation asks of it. */
export type RdsCalls = Pick<
  Rds,
  'sharesUsers' | 'isSettingPassword' | 'setMasterPassword' | 'wouldSetMasterPassword'
>

const isCluster = (arn: string) => arn.split(':')[5] === 'cluster'

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
    managed: MasterUserSecret !== undefined,
    tagged: TagList && isManaged(tagsIn(TagList)),
    setting: Boolean(PendingModifiedValues?.MasterUserPassword) || status === 'resetting-master-credentials',
  }
}

const addressOf = (host?: string, port?: number) => host && `${host.toLowerCase()}:${port}`

/** An instance, its endpoint written as a cluster's. */
const flattenEndpoint = ({ Endpoint, ...instance }: DBInstance = {}) => ({
  ...instance,
  Endpoint: Endpoint?.Address,
  Port: Endpoint?.Port,
})

const undefinedIfAbsent = {
  DBInstanceNotFoundFault: () => undefined,
  DBClusterNotFoundFault: () => undefined,
  // What has the name of no database, or is in another Region, is no valid parameter.
  InvalidParameterValue: () => undefined,
}

import {
  ModifyDBClusterCommand,
  ModifyDBInstanceCommand,
  RDSClient,
  type RDSClientConfig,
} from '@aws-sdk/client-rds'
import { callAws } from './callAws.ts'
import type { Credential } from './credential.ts'
import { InvalidCredential, NotPermitted, RdsBusy } from './errors.ts'
import {
  findDatabase,
  findDatabaseAt,
  findEndpoint,
  isCluster,
  type RdsDatabase,
  type RdsEndpoint,
} from './rdsDatabases.ts'

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
   * Finds where the master of a database logs in, by the database's ARN.
   * @throws InvalidCredential if there is no such database; Unreachable, NotPermitted, Throttled
   */
  findEndpoint(arn: string): Promise<RdsEndpoint> {
    return findEndpoint(this.#client, arn)
  }

  /**
   * Whether two addresses, each a `host:port` in small letters, have the same users: they are endpoints of one database, or
   * `address` leads to a read replica of the database at `primary`, or to a replica of such a replica. A database is looked up by
   * the id in the host's name, and then has to list the whole address itself.
   * @throws Unreachable, NotPermitted, Throttled
   */
  async sharesUsers(address: string, primary: string): Promise<boolean> {
    const primaryDatabase = await findDatabaseAt(this.#client, primary)
    if (!primaryDatabase) return false
    if (primaryDatabase.addresses.includes(address)) return true
    for (
      let database = await findDatabaseAt(this.#client, address);
      database;
      database = database.source ? await findDatabase(this.#client, database.source) : undefined
    )
      if (primaryDatabase.arn === database.arn || primaryDatabase.arn === database.source) return true
    return false
  }

  /** Whether RDS is still setting the password of the database's master. @throws as `setMasterPassword`, but for RdsBusy */
  async isSettingPassword(master: Credential): Promise<boolean> {
    return (await this.#requireMaster(master)).isSettingPassword
  }

  /**
   * Has RDS set the password of a database's master to the one in its value, `master`. RDS does so some time after this call.
   * https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html
   * @throws InvalidCredential if there is no such database or it is a read replica, the user is not its master, RDS manages the
   *   master's password itself, or RDS does not take this password
   * @throws RdsBusy if RDS is at work on the database; Unreachable, NotPermitted, Throttled
   */
  async setMasterPassword(master: Credential): Promise<void> {
    const { arn } = await this.#requireSettable(master)
    const id = arn.split(':').at(-1)
    const change = { MasterUserPassword: master.password }
    // RDS changes the password of an instance at once in any case. With ApplyImmediately it would also make every other change of
    // the instance that waits for the maintenance window.
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

  /**
   * Checks what setMasterPassword would refuse, and whether IAM would deny its call. Whether RDS takes the password does not show
   * beforehand.
   * @throws what setMasterPassword would throw
   */
  async wouldSetMasterPassword(master: Credential): Promise<void> {
    const { arn, isTagged } = await this.#requireSettable(master)
    if (isTagged === false)
      throw new NotPermitted(
        `${arn} is not tagged keyturn:managed=true, and this stack sets the password of no other: tag it so`,
      )
  }

  /** The database of a master whose password can be set now. @throws RdsBusy if RDS is setting it */
  async #requireSettable(master: Credential): Promise<RdsDatabase> {
    const found = await this.#requireMaster(master)
    if (found.isSettingPassword) throw new RdsBusy(`${master}: RDS is setting its password`)
    return found
  }

  /** The database that a master's value is for. @throws InvalidCredential if the value is for a read replica or another user */
  async #requireMaster(master: Credential): Promise<RdsDatabase> {
    const found = await findDatabaseAt(this.#client, master.address)
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
}

/** The calls of RDS that a rotation makes. */
export type RdsCalls = Pick<
  Rds,
  'sharesUsers' | 'isSettingPassword' | 'setMasterPassword' | 'wouldSetMasterPassword'
>

import {
  DescribeDBInstancesCommand,
  type DescribeDBInstancesCommandOutput,
  ModifyDBInstanceCommand,
  type RDSClient,
} from '@aws-sdk/client-rds'
import type { Users } from '../../local/client/users.ts'
import type { Credential } from '../../rotation/credential.ts'
import { Rds, type RdsCalls } from '../../rotation/rds.ts'

/** The endpoint of the instance in RDS. The PostgreSQL itself runs elsewhere. */
const ENDPOINT = { Address: 'bench.abcdefghijkl.eu-west-1.rds.amazonaws.com', Port: 5432 }

/**
 * The functions' code for RDS with a client that answers in this process, as if RDS had one instance. The master of the instance is
 * the user of the last call, and a new password is set at once.
 */
export class StandInRds implements RdsCalls {
  /** Every call so far, by the name of its action. */
  readonly calls: string[] = []
  readonly #users: Users
  readonly #rds: Rds
  #master = ''

  constructor(users: Users) {
    this.#users = users
    const send = (command: object) => this.#answer(command)
    this.#rds = new Rds({ send } as unknown as RDSClient)
  }

  isSettingPassword(master: Credential): Promise<boolean> {
    return this.#rds.isSettingPassword(this.#withInstanceHost(master))
  }

  setMasterPassword(master: Credential): Promise<void> {
    return this.#rds.setMasterPassword(this.#withInstanceHost(master))
  }

  wouldSetMasterPassword(master: Credential): Promise<void> {
    return this.#rds.wouldSetMasterPassword(this.#withInstanceHost(master))
  }

  sharesUsers(): Promise<never> {
    return Promise.reject(new Error('everything here is one server'))
  }

  /** The credential with the host of the instance. */
  #withInstanceHost(master: Credential): Credential {
    this.#master = master.username
    return master.with({ host: ENDPOINT.Address, port: ENDPOINT.Port })
  }

  async #answer(command: object): Promise<object> {
    this.calls.push(command.constructor.name.replace(/Command$/, ''))
    if (command instanceof DescribeDBInstancesCommand) return this.#describeInstances()
    if (!(command instanceof ModifyDBInstanceCommand)) throw new Error('RDS is asked for something else')
    await this.#users.setPassword(this.#master, command.input.MasterUserPassword ?? '')
    return {}
  }

  /** The instance as DescribeDBInstances answers it. */
  #describeInstances(): Pick<DescribeDBInstancesCommandOutput, 'DBInstances'> {
    return {
      DBInstances: [
        {
          DBInstanceArn: 'arn:aws:rds:eu-west-1:123456789012:db:bench',
          DBInstanceStatus: 'available',
          MasterUsername: this.#master,
          Endpoint: ENDPOINT,
        },
      ],
    }
  }
}

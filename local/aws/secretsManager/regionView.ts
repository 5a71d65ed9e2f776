import type { Account } from './account.ts'
import { invalidParameterError } from './errors.ts'
import type { Replication } from './replication.ts'
import type { Request, Secret } from './secret.ts'

/** What an action works with: the Region of the call, and the account. */
export class RegionView {
  readonly region: string
  readonly account: Account
  readonly replication: Replication

  constructor(region: string, account: Account, replication: Replication) {
    this.region = region
    this.account = account
    this.replication = replication
  }

  /** Starts the replicas of a secret that a request asks for. @throws AwsError if one is in the secret's own Region */
  replicate(secret: Secret, { AddReplicaRegions = [], ForceOverwriteReplicaSecret = false }: Request): void {
    if (AddReplicaRegions.some(({ Region }) => Region === this.region))
      throw invalidParameterError("The replica region can't be the same as the primary secret region.")
    for (const wanted of AddReplicaRegions)
      this.replication.startReplica(secret, wanted, ForceOverwriteReplicaSecret)
  }
}

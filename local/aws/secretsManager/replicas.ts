import { AwsError } from '../awsError.ts'
import { invalidParameterError } from './errors.ts'
import type { RegionView } from './regionView.ts'
import type { Request } from './secret.ts'

/** The actions on a secret's replicas. */
export const replicaActions = {
  ReplicateSecretToRegions: (request: Request, here: RegionView) => {
    const secret = here.account.findPrimary(here.region, request.SecretId)
    here.replicate(secret, request)
    return { ARN: secret.arn, ReplicationStatus: here.replication.statusOf(secret) }
  },

  RemoveRegionsFromReplication: (request: Request, { account, region, replication }: RegionView) => {
    const { SecretId, RemoveReplicaRegions = [] } = request
    const secret = account.findPrimary(region, SecretId)
    const unknown = RemoveReplicaRegions.find(other => !secret.replicas.has(other))
    // A guess: AWS does not document its answer to this.
    if (unknown) throw invalidParameterError(`The secret has no replica in ${unknown}.`)
    for (const other of RemoveReplicaRegions) replication.removeReplica(secret, other)
    return { ARN: secret.arn, ReplicationStatus: replication.statusOf(secret) }
  },

  StopReplicationToReplica: ({ SecretId }: Request, { account, region, replication }: RegionView) => {
    const secret = account.findLive(region, SecretId)
    // A guess: AWS does not document the name of this error.
    if (!secret.primaryRegion) throw new AwsError('InvalidRequestException', 'The secret is not a replica.')
    replication.promote(secret)
    return { ARN: secret.arn }
  },
}

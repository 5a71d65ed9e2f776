import { Refused } from '../refused.ts'
import type { Here } from './here.ts'
import { invalid } from './refused.ts'
import type { Request } from './secret.ts'

/** The calls about a secret's replicas. */
export const replicas = {
  ReplicateSecretToRegions: (request: Request, here: Here) => {
    const secret = here.account.findPrimary(here.region, request.SecretId)
    here.replicate(secret, request)
    return { ARN: secret.arn, ReplicationStatus: here.replication.statusOf(secret) }
  },

  RemoveRegionsFromReplication: (request: Request, { account, region, replication }: Here) => {
    const { SecretId, RemoveReplicaRegions = [] } = request
    const secret = account.findPrimary(region, SecretId)
    const unknown = RemoveReplicaRegions.find(other => !secret.replicas.has(other))
    // AWS does not document what it answers then (?).
    if (unknown) throw invalid(`The secret has no replica in ${unknown}.`)
    for (const other of RemoveReplicaRegions) replication.remove(secret, other)
    return { ARN: secret.arn, ReplicationStatus: replication.statusOf(secret) }
  },

  StopReplicationToReplica: ({ SecretId }: Request, { account, region, replication }: Here) => {
    const secret = account.findLive(region, SecretId)
    // The name of the error is our guess (?).
    if (!secret.primaryRegion) throw new Refused('InvalidRequestException', 'The secret is not a replica.')
    replication.promote(secret)
    return { ARN: secret.arn }
  },
}

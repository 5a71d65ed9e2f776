/**
 * The StatusMessage of a replica whose status is Failed, by a short name for the reason. AWS documents the first message:
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ReplicationStatusType.html
 * The other messages are the headings of AWS's page about these reasons. That a StatusMessage has the same words is a guess:
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/replicate-secrets_troubleshoot.html
 */
export const REPLICA_FAILURE_MESSAGES = {
  'name exists': 'Secret with this name already exists in this region',
  'key denied': 'No permissions available on the KMS key to complete the replication',
  'key disabled': 'The KMS key is disabled or not found',
  'not enabled': 'You have not enabled the Region where the replication occurs',
} as const

/** How a Region behaves. It applies at once, also to changes that are on their way to the Region. */
export type RegionBehaviour = {
  /** For how many milliseconds a change is InProgress. 0 by default; with Infinity until another behaviour is set. */
  inProgressMs?: number
  /** After how many milliseconds a change can be read there, whatever the status is. By default `inProgressMs`. */
  arrivalMs?: number
  /** False hides the label AWSPENDING there, and a version that has no other label. */
  showsPending?: boolean
  /**
   * A replica that is InProgress becomes Failed for this reason, until it is replicated anew. It keeps the versions that it has; a
   * new replica does not come into being. `name exists` does not stop a call with ForceOverwriteReplicaSecret.
   */
  failsBecause?: keyof typeof REPLICA_FAILURE_MESSAGES
  /**
   * When labels move twice within so many milliseconds, the replica is stuck: it stays InProgress and gets no change, until it is
   * removed and added again, or a behaviour without `wedgesWithinMs` is set.
   */
  wedgesWithinMs?: number
  /**
   * What the Region's endpoint does with a call. `closed`: it closes the connection without an answer. `held`: it does not answer
   * until another behaviour is set. `denied`: it answers with AccessDeniedException.
   */
  endpoint?: 'closed' | 'held' | 'denied'
  /**
   * A replica that was promoted there stays in the primary's ReplicationStatus, as Failed. By default it does not. AWS does not
   * document which of these is so.
   */
  promotedStaysListed?: boolean
}

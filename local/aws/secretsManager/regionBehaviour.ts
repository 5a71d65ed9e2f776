/** Why a replica Failed, by a short name: the message that ReplicationStatus gives. */
export const REPLICA_FAILURE_MESSAGES = {
  'name exists': 'Secret with this name already exists in this region',
  // AWS documents these reasons, and not how it words them (?).
  'key denied': 'No permissions available on the KMS key to complete the replication',
  'key disabled': 'The KMS key is disabled or not found',
  'not enabled': 'You have not enabled the Region where the replication occurs',
} as const

/** How a Region behaves. All of it is read when somebody looks: so it also decides about what is under way. */
export type RegionBehaviour = {
  /** For how many milliseconds a change is InProgress. 0 without it; Infinity until another conduct is set. */
  inProgressMs?: number
  /** After how many milliseconds a change can be read there, whatever the status says. As `delay` without it. */
  arrivalMs?: number
  /** False: AWSPENDING does not show there, nor a version that has no other label. */
  showsPending?: boolean
  /**
   * What is InProgress ends as Failed, for this reason, and stays so until it is replicated anew. Earlier versions stay
   * there; where there is none, there is no secret either. `name exists` does not stop who overwrites.
   */
  failsBecause?: keyof typeof REPLICA_FAILURE_MESSAGES
  /**
   * Two moves of labels within so many milliseconds leave the replica InProgress, as it is, until it is removed and added
   * again, or a conduct without `wedges` is set.
   */
  wedgesWithinMs?: number
  /**
   * What the Region's own endpoint does with a call: it closes the connection, it does not answer until another conduct
   * is set, or it answers as IAM does to somebody who has no right.
   */
  endpoint?: 'closed' | 'held' | 'denied'
  /**
   * What is promoted there stays in the primary's ReplicationStatus, as Failed: AWS does not document whether it does (?).
   * Without this the primary forgets it.
   */
  promotedStaysListed?: boolean
}

import { givenUpIn, type Tags } from './tags.ts'

/**
 * A replica of a secret, as its primary lists it. `status` is InSync, InProgress or Failed; InSync does not say which version the
 * replica has, only that no replication is under way. `message` is the service's explanation. `givenUp` is the day on which the
 * Region was given up, and the reason: no rotation waits for such a replica.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ReplicationStatusType.html
 */
export type Replica = { region: string; status: string; message?: string; givenUp?: string }

/** The replicas of a primary, from the list and the tags in the answer of DescribeSecret. */
export function replicasIn(
  list: {
    Region?: string | undefined
    Status?: string | undefined
    StatusMessage?: string | undefined
  }[] = [],
  tags: Tags = {},
): Replica[] {
  const givenUp = givenUpIn(tags)
  return list.map(({ Region: region = '', Status: status = 'unknown', StatusMessage: message }) => ({
    region,
    status,
    ...(message && { message }),
    ...(givenUp[region] && { givenUp: givenUp[region] }),
  }))
}

type WithReplicas = { replicas?: Replica[] | undefined }

/** The replicas that a rotation waits for: all but those in Regions that were given up. */
export const awaitedReplicas = ({ replicas = [] }: WithReplicas): Replica[] =>
  replicas.filter(({ givenUp }) => !givenUp)

/**
 * The replicas that are not in sync by the status that the primary lists. Those whose replication is still under way come last.
 * Replicas in the `empty` Regions are left out: those Regions have no copy of the secret, so no application there is refused.
 */
export const laggingReplicas = (found: WithReplicas, empty: string[] = []): Replica[] =>
  awaitedReplicas(found)
    .filter(({ region, status }) => status !== 'InSync' && !empty.includes(region))
    .toSorted((a, b) => Number(a.status === 'InProgress') - Number(b.status === 'InProgress'))

/** The status of a replica, in one line. */
export const describeReplica = ({ region, status, message }: Replica): string =>
  `the replica in ${region} is ${status}${message ? `: ${message.replaceAll(/\s+/g, ' ').trim().slice(0, 200)}` : ''}`

/** What the peer Regions said before a rotation. */
export type PeerAnswer = {
  /** A sentence, if a peer Region has promoted its replica to a secret of its own. */
  promoted?: string | undefined
  /** A sentence, if a replica does not have the current version, or a copy follows a primary in another Region. */
  behind?: string | undefined
  /** Why the Regions could not be asked: the error of awaitReplicas. Unset if it had none. */
  unasked?: string | undefined
  /** The Regions that have no copy of the secret, although the primary lists one. */
  empty: string[]
}

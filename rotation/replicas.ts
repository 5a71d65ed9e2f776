import { givenUpIn, type Tags } from './tags.ts'

/**
 * `InSync` says of no version that it is there, only that nothing is under way. `message` is the service's own. `givenUp` is
 * the day, and why: nothing waits for such a replica.
 */
export type Replica = { region: string; status: string; message?: string; givenUp?: string }

/** Replicas as DescribeSecret of the primary lists them, beside its tags. */
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

/** The replicas that are to have each new version: all but those that were given up. */
export const awaitedReplicas = ({ replicas = [] }: WithReplicas): Replica[] =>
  replicas.filter(({ givenUp }) => !givenUp)

/**
 * The replicas that do not follow their primary, by what the service says of them; those that failed come first. Not those in
 * Regions that are known to be `empty`: where there is no such secret, nobody is refused.
 */
export const laggingReplicas = (found: WithReplicas, empty: string[] = []): Replica[] =>
  awaitedReplicas(found)
    .filter(({ region, status }) => status !== 'InSync' && !empty.includes(region))
    .toSorted((a, b) => Number(a.status === 'InProgress') - Number(b.status === 'InProgress'))

/** What is wrong with a replica, in a line. */
export const describeReplica = ({ region, status, message }: Replica): string =>
  `the replica in ${region} is ${status}${message ? `: ${message.replaceAll(/\s+/g, ' ').trim().slice(0, 200)}` : ''}`

/**
 * What other Regions told before a rotation, in a sentence each: that the secret stands alone in one; that one does not follow;
 * or why they could not be asked. `empty` are those that have no such secret.
 */
export type PeerAnswer = {
  promoted?: string | undefined
  behind?: string | undefined
  unasked?: string | undefined
  empty: string[]
}

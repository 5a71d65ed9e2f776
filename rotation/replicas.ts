/** `InSync` says of no version that it is there, only that nothing is under way. `message` is the service's own. */
export type Replica = { region: string; status: string; message?: string | undefined }

/** Replicas as DescribeSecret of the primary lists them. */
export const replicasIn = (
  list: {
    Region?: string | undefined
    Status?: string | undefined
    StatusMessage?: string | undefined
  }[] = [],
): Replica[] =>
  list.map(({ Region: region = '', Status: status = 'unknown', StatusMessage: message }) => ({
    region,
    status,
    ...(message && { message }),
  }))

/** The replicas that do not follow their primary, by what the service says of them; those that failed come first. */
export const notFollowing = ({ replicas = [] }: { replicas?: Replica[] | undefined }): Replica[] =>
  replicas
    .filter(({ status }) => status !== 'InSync')
    .toSorted((a, b) => Number(a.status === 'InProgress') - Number(b.status === 'InProgress'))

/** What is wrong with a replica, in a line. */
export const saysOf = ({ region, status, message }: Replica): string =>
  `the replica in ${region} is ${status}${message ? `: ${message.replaceAll(/\s+/g, ' ').trim().slice(0, 200)}` : ''}`

/** `InSync` says of no version that it is there, only that nothing is under way. `message` is the service's own. */
export type Replica = { region: string; status: string; message?: string | undefined }

/** The replicas that do not follow their primary, by what the service says of them; those that failed come first. */
export const notFollowing = ({ replicas = [] }: { replicas?: Replica[] | undefined }): Replica[] =>
  replicas
    .filter(({ status }) => status !== 'InSync')
    .toSorted((a, b) => Number(a.status === 'InProgress') - Number(b.status === 'InProgress'))

/** What is wrong with a replica, in a line. */
export const saysOf = ({ region, status, message }: Replica): string =>
  `the replica in ${region} is ${status}${message ? `: ${message.replaceAll(/\s+/g, ' ').trim().slice(0, 200)}` : ''}`

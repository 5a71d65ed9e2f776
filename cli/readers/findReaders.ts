import type { Fact, Reader } from '../../fleet/audit/facts.ts'
import { countReadingRotations, doubtAboutNoReads } from '../../fleet/readers/noReads.ts'
import type { ReadEventName } from '../../fleet/readers/readEvent.ts'
import type { LookupEvents } from '../../fleet/readers/sweep.ts'
import { arnInRegion, regionIn } from '../../rotation/arn.ts'
import { whyFailed } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import type { FoundCredential } from '../credential.ts'
import { findPeerStack, peerRegionsOf, placeOf, type Stack } from '../stack.ts'

/** Who read a credential in one Region, by CloudTrail; or why that is not known (`unread`). */
export type RegionReaders = { region: string; arn: string } & (
  | {
      /** The time from which on all reads are known. ISO 8601, UTC. */
      completeSince: string
      /** Read events that CloudTrail returned, of any credential. */
      events: number
      /** How many of these could not be parsed. */
      unreadable: number
      /** Why the search does not go back as far as was wanted. */
      stopped?: string
      readers: Reader[]
    }
  | { unread: string }
)

/** What a search in one Region needs. `countRotations` is only called if CloudTrail has no read event at all: see noReads.ts. */
export type ReaderSearch = {
  window: SearchWindow
  ownRoles: ReadonlySet<string>
  countRotations: (region: string, since: string) => Promise<Fact<number>>
}

/**
 * The time to search: from `since` to `moment` (ISO 8601, UTC). `deadline` is when to stop, in milliseconds of
 * performance.now().
 */
export type SearchWindow = { moment: string; since: string; deadline: number }

/**
 * The calls that read a credential of each store. A secret can also be read by Parameter Store's name for it
 * (`/aws/reference/secretsmanager/…`), but not by a path.
 * @see https://docs.aws.amazon.com/systems-manager/latest/userguide/integration-ps-secretsmanager.html
 */
const READ_EVENT_NAMES: Record<FoundCredential['store'], readonly ReadEventName[]> = {
  'secrets-manager': ['GetSecretValue', 'GetParameter', 'GetParameters'],
  'parameter-store': ['GetParameter', 'GetParameters', 'GetParametersByPath', 'GetParameterHistory'],
}

/** The Regions of a credential: its own, then those of its replicas. */
export const regionsOf = (found: FoundCredential): string[] => [
  regionIn(found.arn) ?? '',
  ...(found.store === 'secrets-manager'
    ? (found.secret.ReplicationStatus ?? []).flatMap(({ Region }) => Region ?? [])
    : []),
]

/**
 * Searches CloudTrail of one Region for those who read a credential there.
 * @param onPageRead called after each page with the time down to which all events are read
 * @throws what AWS throws
 */
export async function findReaders(
  { clients }: Context,
  found: FoundCredential,
  region: string,
  { window, ownRoles, countRotations }: ReaderSearch,
  onPageRead: (until: string) => void,
): Promise<RegionReaders> {
  const { store, name } = found
  const arn = arnInRegion(found.arn, region)
  const { LookupEventsCommand } = await import('@aws-sdk/client-cloudtrail')
  const { RateLimiter } = await import('../../fleet/audit/rateLimiter.ts')
  const { readersOf } = await import('../../fleet/readers/readersOf.ts')
  const { sweepCloudTrail } = await import('../../fleet/readers/sweep.ts')
  const client = new RateLimiter().limit(await clients.forRegion(region).cloudTrail(), 'cloudtrail', region)
  const lookup: LookupEvents = query => client.send(new LookupEventsCommand(query))
  const onPage = ({ until }: { until: string }) => onPageRead(until)
  const sweep = await sweepCloudTrail(lookup, { ...window, names: READ_EVENT_NAMES[store], onPage })
  const { facts, tally, unreadable, stopped } = sweep
  const { completeSince, events } = facts
  // The search was stopped before it had gone back at all.
  if (stopped && completeSince >= window.moment) return { region, arn, unread: stopped }
  const doubt = events ? undefined : doubtAboutNoReads(await countRotations(region, completeSince))
  if (doubt !== undefined) return { region, arn, unread: doubt }
  const readers = readersOf(tally, [{ store, name, arn }], ownRoles).get(arn) ?? []
  return { region, arn, completeSince, events, unreadable, ...(stopped && { stopped }), readers }
}

/**
 * The names of the roles of this stack, and of the stacks of its stage in the peer Regions.
 * @param onUnasked called for each peer Region that could not be asked, with the reason
 */
export async function findOwnRoles(
  context: Context,
  stack: Stack,
  onUnasked: (region: string, why: string) => void,
): Promise<ReadonlySet<string>> {
  const ownStackRoles = await findStackRoles(context, stack)
  const peerRoles = (peerRegionsOf(stack) ?? []).map(async region => {
    try {
      const peer = await findPeerStack(context, stack, region)
      return peer
        ? await findStackRoles({ ...context, clients: context.clients.forRegion(region) }, peer)
        : []
    } catch (error) {
      onUnasked(region, whyFailed(error))
      return []
    }
  })
  return new Set([ownStackRoles, ...(await Promise.all(peerRoles))].flat())
}

async function findStackRoles({ clients }: Context, { name }: Stack): Promise<string[]> {
  const { listStackResources, roleNamesIn } = await import('../../fleet/stackResources.ts')
  return roleNamesIn(await listStackResources(await clients.cloudFormation(), name))
}

/**
 * How many rotations have read credentials of a store in a Region in this time, by the table of that Region's stack; 0 if the
 * Region has no such table.
 */
export async function countRotationsIn(
  context: Context,
  stack: Stack,
  region: string,
  { store, since, moment }: { store: FoundCredential['store']; since: string; moment: string },
): Promise<Fact<number>> {
  try {
    const found = region === placeOf(stack).region ? stack : await findPeerStack(context, stack, region)
    const table = found?.outputs.RotationTableName
    if (!table) return { is: 0 }
    const { RecordTable } = await import('../../fleet/records/recordTable.ts')
    const client = await context.clients.forRegion(region).dynamo()
    const pages = new RecordTable(client, table).scanPages(['store', 'began', 'ended', 'outcome', 'step'])
    let count = 0
    for (;;) {
      const page = await pages.next()
      if (page.done) return { is: count }
      const recordsOfStore = page.value.map(({ record }) => record).filter(record => record.store === store)
      count += countReadingRotations(recordsOfStore, since, moment)
    }
  } catch (error) {
    return { unread: whyFailed(error) }
  }
}

import type { Fact, Reader } from '../../fleet/audit/facts.ts'
import { countReadingRotations, doubtAboutNoReads } from '../../fleet/readers/noReads.ts'
import type { ReadEventName } from '../../fleet/readers/readEvent.ts'
import type { LookupEvents } from '../../fleet/readers/sweep.ts'
import { arnInRegion, regionIn } from '../../rotation/arn.ts'
import { whyFailed } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import type { FoundCredential } from '../credential.ts'
import { findPeerStack, peerRegionsOf, placeOf, type Stack } from '../stack.ts'

/** What CloudTrail told in one Region of who read a credential there, or why it could not be asked. */
export type RegionReaders = { region: string; arn: string } & (
  | {
      /** Every read from then on was seen. ISO 8601, UTC. */
      completeSince: string
      /** Reads that were looked at, of whichever credential; and those of them that could not be made out. */
      events: number
      unreadable: number
      /** Why it does not go back as far as was wanted. */
      stopped?: string
      readers: Reader[]
    }
  | { unread: string }
)

/** What a look goes by. */
export type ReaderSearch = {
  window: SearchWindow
  ownRoles: ReadonlySet<string>
  countRotations: (region: string, since: string) => Promise<Fact<number>>
}

export type SearchWindow = { moment: string; since: string; deadline: number }

/** Of a secret also the calls that read it by Parameter Store's own name for it; what is read by a path is no secret. */
const READ_EVENT_NAMES: Record<FoundCredential['store'], readonly ReadEventName[]> = {
  'secrets-manager': ['GetSecretValue', 'GetParameter', 'GetParameters'],
  'parameter-store': ['GetParameter', 'GetParameters', 'GetParametersByPath', 'GetParameterHistory'],
}

/** Where a credential is: in its own Region, and then in those of its replicas. */
export const regionsOf = (found: FoundCredential): string[] => [
  regionIn(found.arn) ?? '',
  ...(found.store === 'secrets-manager'
    ? (found.secret.ReplicationStatus ?? []).flatMap(({ Region }) => Region ?? [])
    : []),
]

/**
 * Sweeps CloudTrail of one Region for who read the credential there.
 * @param ownRoles names of the roles that Keyturn's stacks made
 * @param rotated is asked, where no read at all was seen, how many rotations have read there since then
 * @param passed is told of each page how far back it has come
 * @throws what AWS throws
 */
export async function findReaders(
  { clients }: Context,
  found: FoundCredential,
  region: string,
  { window, ownRoles, countRotations }: ReaderSearch,
  passed: (until: string) => void,
): Promise<RegionReaders> {
  const { store, name } = found
  const arn = arnInRegion(found.arn, region)
  const { LookupEventsCommand } = await import('@aws-sdk/client-cloudtrail')
  const { RateLimiter } = await import('../../fleet/audit/rateLimiter.ts')
  const { readersOf } = await import('../../fleet/readers/readersOf.ts')
  const { sweepCloudTrail } = await import('../../fleet/readers/sweep.ts')
  const client = new RateLimiter().limit(await clients.forRegion(region).cloudTrail(), 'cloudtrail', region)
  const lookup: LookupEvents = query => client.send(new LookupEventsCommand(query))
  const onPage = ({ until }: { until: string }) => passed(until)
  const swept = await sweepCloudTrail(lookup, { ...window, names: READ_EVENT_NAMES[store], onPage })
  const { facts, tally, unreadable, stopped } = swept
  const { completeSince, events } = facts
  if (stopped && completeSince >= window.moment) return { region, arn, unread: stopped }
  const doubt = events ? undefined : doubtAboutNoReads(await countRotations(region, completeSince))
  if (doubt !== undefined) return { region, arn, unread: doubt }
  const readers = readersOf(tally, [{ store, name, arn }], ownRoles).get(arn) ?? []
  return { region, arn, completeSince, events, unreadable, ...(stopped && { stopped }), readers }
}

/**
 * The names of the roles of this stack, and of the stacks of its stage in the Regions of its peers. `unasked` is told which of
 * these could not be asked, and why.
 */
export async function findOwnRoles(
  context: Context,
  stack: Stack,
  unasked: (region: string, why: string) => void,
): Promise<ReadonlySet<string>> {
  const own = await findStackRoles(context, stack)
  const others = (peerRegionsOf(stack) ?? []).map(async region => {
    try {
      const peer = await findPeerStack(context, stack, region)
      return peer
        ? await findStackRoles({ ...context, clients: context.clients.forRegion(region) }, peer)
        : []
    } catch (error) {
      unasked(region, whyFailed(error))
      return []
    }
  })
  return new Set([own, ...(await Promise.all(others))].flat())
}

async function findStackRoles({ clients }: Context, { name }: Stack): Promise<string[]> {
  const { listStackResources, roleNamesIn } = await import('../../fleet/stackResources.ts')
  return roleNamesIn(await listStackResources(await clients.cloudFormation(), name))
}

/** How many rotations of a store have read in a Region since then, by the table of its stack; none where it has no such table. */
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
      const its = page.value.map(({ record }) => record).filter(record => record.store === store)
      count += countReadingRotations(its, since, moment)
    }
  } catch (error) {
    return { unread: whyFailed(error) }
  }
}

import type { Fact, Reader } from '../../fleet/audit/facts.ts'
import type { ReadName } from '../../fleet/readers/event.ts'
import { doubtOf, readingRotations } from '../../fleet/readers/silence.ts'
import type { Lookup } from '../../fleet/readers/sweep.ts'
import { inRegion, regionIn } from '../../rotation/arn.ts'
import { whyFailed } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import type { Found } from '../credentialId.ts'
import { counterpartIn, peersOf, placeOf, type Stack } from '../stack.ts'

/** What CloudTrail told in one Region of who read a credential there, or why it could not be asked. */
export type Look = { region: string; arn: string } & (
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
export type Known = {
  window: Window
  ownRoles: ReadonlySet<string>
  rotated: (region: string, since: string) => Promise<Fact<number>>
}

export type Window = { moment: string; since: string; deadline: number }

/** Of a secret also the calls that read it by Parameter Store's own name for it; what is read by a path is no secret. */
const namesFor: Record<Found['store'], readonly ReadName[]> = {
  'secrets-manager': ['GetSecretValue', 'GetParameter', 'GetParameters'],
  'parameter-store': ['GetParameter', 'GetParameters', 'GetParametersByPath', 'GetParameterHistory'],
}

/** Where a credential is: in its own Region, and then in those of its replicas. */
export const regionsOf = (found: Found): string[] => [
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
export async function lookIn(
  { clients }: Context,
  found: Found,
  region: string,
  { window, ownRoles, rotated }: Known,
  passed: (until: string) => void,
): Promise<Look> {
  const { store, name } = found
  const arn = inRegion(found.arn, region)
  const { LookupEventsCommand } = await import('@aws-sdk/client-cloudtrail')
  const { Pace } = await import('../../fleet/audit/pace.ts')
  const { readersOf } = await import('../../fleet/readers/readersOf.ts')
  const { sweep } = await import('../../fleet/readers/sweep.ts')
  const client = new Pace().over(await clients.in(region).cloudTrail(), 'cloudtrail', region)
  const lookup: Lookup = query => client.send(new LookupEventsCommand(query))
  const onPage = ({ until }: { until: string }) => passed(until)
  const swept = await sweep(lookup, { ...window, names: namesFor[store], onPage })
  const { facts, tally, unreadable, stopped } = swept
  const { completeSince, events } = facts
  if (stopped && completeSince >= window.moment) return { region, arn, unread: stopped }
  const doubt = events ? undefined : doubtOf(await rotated(region, completeSince))
  if (doubt !== undefined) return { region, arn, unread: doubt }
  const readers = readersOf(tally, [{ store, name, arn }], ownRoles).get(arn) ?? []
  return { region, arn, completeSince, events, unreadable, ...(stopped && { stopped }), readers }
}

/**
 * The names of the roles of this stack, and of the stacks of its stage in the Regions of its peers. `unasked` is told which of
 * these could not be asked, and why.
 */
export async function ownRolesOf(
  context: Context,
  stack: Stack,
  unasked: (region: string, why: string) => void,
): Promise<ReadonlySet<string>> {
  const own = await rolesOf(context, stack)
  const others = (peersOf(stack) ?? []).map(async region => {
    try {
      const peer = await counterpartIn(context, stack, region)
      return peer ? await rolesOf({ ...context, clients: context.clients.in(region) }, peer) : []
    } catch (error) {
      unasked(region, whyFailed(error))
      return []
    }
  })
  return new Set([own, ...(await Promise.all(others))].flat())
}

async function rolesOf({ clients }: Context, { name }: Stack): Promise<string[]> {
  const { resourcesOf, rolesIn } = await import('../../fleet/stackResources.ts')
  return rolesIn(await resourcesOf(await clients.cloudFormation(), name))
}

/** How many rotations of a store have read in a Region since then, by the table of its stack; none where it has no such table. */
export async function rotatedIn(
  context: Context,
  stack: Stack,
  region: string,
  { store, since, moment }: { store: Found['store']; since: string; moment: string },
): Promise<Fact<number>> {
  try {
    const found = region === placeOf(stack).region ? stack : await counterpartIn(context, stack, region)
    const table = found?.outputs.RotationTableName
    if (!table) return { is: 0 }
    const { RecordTable } = await import('../../fleet/records/recordTable.ts')
    const client = await context.clients.in(region).dynamo()
    const pages = new RecordTable(client, table).pages(['store', 'began', 'ended', 'outcome', 'step'])
    let count = 0
    for (;;) {
      const page = await pages.next()
      if (page.done) return { is: count }
      const its = page.value.map(({ record }) => record).filter(record => record.store === store)
      count += readingRotations(its, since, moment)
    }
  } catch (error) {
    return { unread: whyFailed(error) }
  }
}

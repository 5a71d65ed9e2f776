import { LookupEventsCommand } from '@aws-sdk/client-cloudtrail'
import { readersOf } from '../../readers/readersOf.ts'
import { type Lookup, type SweepPage, sweep } from '../../readers/sweep.ts'
import type { CredentialFacts, Fact, Reader, SweepFacts } from '../facts.ts'
import { Unread } from './asking.ts'
import { pacedIn } from './clients.ts'
import type { Collector } from './collector.ts'

/** How far back CloudTrail is asked for reads, and for how long in each Region; both in milliseconds. */
export type ReadsWanted = { window: number; budget: number }

export type Swept = {
  facts: SweepFacts
  /** Who read each credential of this Region, by ARN; `roles` are the names of those that Keyturn's stacks made. */
  readers(credentials: CredentialFacts[], roles: ReadonlySet<string>): Map<string, Reader[]>
}

/** What stands for the reads of a Region until CloudTrail was asked for them. */
export const unswept = { unread: 'CloudTrail was not asked' }

/** The sweep of one Region up to the moment, or why there is none. Pages that were kept are not asked for again. */
export async function sweepIn(
  collector: Collector,
  region: string,
  moment: string,
  wanted: ReadsWanted | undefined,
): Promise<Fact<Swept>> {
  if (!wanted) return unswept
  const pages = keptPages(collector, region)
  let number = pages.length
  const onPage = (page: SweepPage) => {
    collector.units.keep(unitOf(region, number), page)
    number += 1
  }
  const asked = { last: undefined as Unread | undefined }
  try {
    const lookup = await lookupIn(collector, region, asked)
    const { facts, tally } = await sweep(lookup, {
      ...{ moment, since: new Date(Date.parse(moment) - wanted.window).toISOString() },
      ...{ deadline: performance.now() + wanted.budget, pages, onPage },
    })
    return { is: { facts, readers: (credentials, roles) => readersOf(tally, credentials, roles) } }
  } catch (error) {
    if (asked.last?.cause === error) return { unread: asked.last?.message ?? '' }
    throw error
  }
}

const unitOf = (region: string, number: number) => `LookupEvents ${region} ${number}`

function keptPages({ units }: Collector, region: string): SweepPage[] {
  const pages: SweepPage[] = []
  for (;;) {
    const page = units.take(unitOf(region, pages.length))
    if (page === undefined) return pages
    pages.push(page as SweepPage)
  }
}

/** Throws the service's own errors, by which a sweep knows whether it may keep what it has; `asked` has what they mean here. */
async function lookupIn(
  collector: Collector,
  region: string,
  asked: { last: Unread | undefined },
): Promise<Lookup> {
  const client = await pacedIn(collector, region).cloudTrail()
  const kind = { service: 'cloudtrail', operation: 'LookupEvents', region } as const
  return query =>
    collector.asking
      .ask(kind, () => client.send(new LookupEventsCommand(query)))
      .catch(error => {
        if (!(error instanceof Unread)) throw error
        asked.last = error
        throw error.cause
      })
}

import { LookupEventsCommand } from '@aws-sdk/client-cloudtrail'
import { readersOf } from '../../readers/readersOf.ts'
import { type LookupEvents, type SweepPage, sweepCloudTrail } from '../../readers/sweep.ts'
import type { CredentialFacts, Fact, Reader, SweepFacts } from '../facts.ts'
import { ReadFailed } from './awsReader.ts'
import { rateLimitedClients } from './clients.ts'
import type { Collector } from './collector.ts'

/** How far back CloudTrail is asked for reads, and for how long in each Region; both in milliseconds. */
export type SweepLimits = { windowMs: number; budgetMs: number }

export type RegionSweep = {
  facts: SweepFacts
  /** Who read each credential of this Region, by ARN; `roles` are the names of those that Keyturn's stacks made. */
  readersByArn(credentials: CredentialFacts[], roles: ReadonlySet<string>): Map<string, Reader[]>
}

/** What stands for the reads of a Region until CloudTrail was asked for them. */
export const NOT_SWEPT = { unread: 'CloudTrail was not asked' }

/** The sweep of one Region up to the moment, or why there is none. Pages that were kept are not asked for again. */
export async function sweepRegion(
  collector: Collector,
  region: string,
  moment: string,
  wanted: SweepLimits | undefined,
): Promise<Fact<RegionSweep>> {
  if (!wanted) return NOT_SWEPT
  const pages = keptPages(collector, region)
  let number = pages.length
  const onPage = (page: SweepPage) => {
    collector.keptAnswers.keep(unitOf(region, number), page)
    number += 1
  }
  const asked = { last: undefined as ReadFailed | undefined }
  try {
    const lookup = await createLookup(collector, region, asked)
    const { facts, tally } = await sweepCloudTrail(lookup, {
      ...{ moment, since: new Date(Date.parse(moment) - wanted.windowMs).toISOString() },
      ...{ deadline: performance.now() + wanted.budgetMs, pages, onPage },
    })
    return { is: { facts, readersByArn: (credentials, roles) => readersOf(tally, credentials, roles) } }
  } catch (error) {
    if (asked.last?.cause === error) return { unread: asked.last?.message ?? '' }
    throw error
  }
}

const unitOf = (region: string, number: number) => `LookupEvents ${region} ${number}`

function keptPages({ keptAnswers }: Collector, region: string): SweepPage[] {
  const pages: SweepPage[] = []
  for (;;) {
    const page = keptAnswers.take(unitOf(region, pages.length))
    if (page === undefined) return pages
    pages.push(page as SweepPage)
  }
}

/** Throws the service's own errors, by which a sweep knows whether it may keep what it has; `asked` has what they mean here. */
async function createLookup(
  collector: Collector,
  region: string,
  asked: { last: ReadFailed | undefined },
): Promise<LookupEvents> {
  const client = await rateLimitedClients(collector, region).cloudTrail()
  const kind = { service: 'cloudtrail', operation: 'LookupEvents', region } as const
  return query =>
    collector.reader
      .read(kind, () => client.send(new LookupEventsCommand(query)))
      .catch(error => {
        if (!(error instanceof ReadFailed)) throw error
        asked.last = error
        throw error.cause
      })
}

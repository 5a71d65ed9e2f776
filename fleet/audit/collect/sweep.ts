import { LookupEventsCommand } from '@aws-sdk/client-cloudtrail'
import { readersOf } from '../../readers/readersOf.ts'
import { type LookupEvents, type SweepPage, sweepCloudTrail } from '../../readers/sweep.ts'
import type { CredentialFacts, Fact, Reader, SweepFacts } from '../facts.ts'
import { ReadFailed } from './awsReader.ts'
import { rateLimitedClients } from './clients.ts'
import type { Collector } from './collector.ts'

/** How far back CloudTrail is asked for reads, and how long a sweep may take in each Region. */
export type SweepLimits = { windowMs: number; budgetMs: number }

/** The result of a sweep of CloudTrail in one Region. */
export type RegionSweep = {
  facts: SweepFacts
  /** Who read each of these credentials of the Region, by ARN. `roles` are the names of the roles that Keyturn's stacks made. */
  readersByArn(credentials: CredentialFacts[], roles: ReadonlySet<string>): Map<string, Reader[]>
}

/** Stands for the reads of a Region for which CloudTrail was not asked. */
export const NOT_SWEPT = { unread: 'CloudTrail was not asked' }

/**
 * Sweeps CloudTrail in one Region for reads up to `moment`, in ISO 8601. Pages that an earlier try has kept are not asked for
 * again.
 * @param limits without it, CloudTrail is not asked
 */
export async function sweepRegion(
  collector: Collector,
  region: string,
  moment: string,
  limits: SweepLimits | undefined,
): Promise<Fact<RegionSweep>> {
  if (!limits) return NOT_SWEPT
  const pages = keptPages(collector, region)
  let number = pages.length
  const onPage = (page: SweepPage) => {
    collector.keptAnswers.keep(unitOf(region, number), page)
    number += 1
  }
  const failure = { last: undefined as ReadFailed | undefined }
  try {
    const lookup = await createLookup(collector, region, failure)
    const { facts, tally } = await sweepCloudTrail(lookup, {
      moment,
      since: new Date(Date.parse(moment) - limits.windowMs).toISOString(),
      deadline: performance.now() + limits.budgetMs,
      pages,
      onPage,
    })
    return { is: { facts, readersByArn: (credentials, roles) => readersOf(tally, credentials, roles) } }
  } catch (error) {
    if (failure.last?.cause === error) return { unread: failure.last?.message ?? '' }
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

/**
 * Makes the call by which a sweep asks CloudTrail. The call throws the service's own errors, as the sweep tells temporary ones from
 * others; `failure` gets the ReadFailed that belongs to the last one.
 */
async function createLookup(
  collector: Collector,
  region: string,
  failure: { last: ReadFailed | undefined },
): Promise<LookupEvents> {
  const client = await rateLimitedClients(collector, region).cloudTrail()
  const kind = { service: 'cloudtrail', operation: 'LookupEvents', region } as const
  return query =>
    collector.reader
      .read(kind, () => client.send(new LookupEventsCommand(query)))
      .catch(error => {
        if (!(error instanceof ReadFailed)) throw error
        failure.last = error
        throw error.cause
      })
}

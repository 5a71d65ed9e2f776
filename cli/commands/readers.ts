import type { Reader } from '../../fleet/audit/facts.ts'
import { watchClock } from '../../fleet/awsClock.ts'
import { settleConcurrently } from '../../fleet/concurrency.ts'
import { CLOUDTRAIL_RETENTION_MS, TIME_WAS_OVER } from '../../fleet/readers/sweep.ts'
import { arnInRegion } from '../../rotation/arn.ts'
import { whyFailed } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import { describeCredential, type FoundCredential } from '../credential.ts'
import { EXIT, type ExitCode, usageError } from '../exit.ts'
import { formatTime, sanitize } from '../output.ts'
import {
  countRotationsIn,
  findOwnRoles,
  findReaders,
  type RegionReaders,
  regionsOf,
  type SearchWindow,
} from '../readers/findReaders.ts'
import { idOf } from '../recordTexts.ts'
import { chooseStack } from '../stack.ts'

/** The options of `readers`: how far back CloudTrail is asked, and how long; both in seconds. */
export type ReadersOptions = { since: number; budget: number }

/**
 * Runs `readers`: who read a credential, and who was refused, as CloudTrail tells in each Region that has a copy. Keyturn's own
 * roles are listed separately.
 */
export async function runReadersCommand(
  context: Context,
  id: string,
  options: ReadersOptions,
): Promise<ExitCode> {
  const { output, json } = context
  if (options.since * 1000 > CLOUDTRAIL_RETENTION_MS)
    throw usageError(
      'CloudTrail can be asked about the last 90 days only',
      'For a longer time, docs/readers.md has queries of a trail.',
    )
  const clock = watchClock(await context.clients.cloudFormation())
  const stack = await chooseStack(context)
  const found = await describeCredential(context, stack, id)
  const ownRoles = await findOwnRoles(context, stack, (region, why) =>
    output.note(`Keyturn's own roles in ${region} cannot be told apart from other readers: ${why}`),
  )
  const window = windowOf(clock(), options)
  const showProgress = (until: string) => {
    if (output.isInteractive && !json) output.progress(`CloudTrail, back to ${formatTime(new Date(until))}`)
  }
  const { store, name, arn } = found
  const countRotations = (region: string, since: string) =>
    countRotationsIn(context, stack, region, { store, since, moment: window.moment })
  const readersByRegion = await findReadersInRegions(found, regionsOf(found), region =>
    findReaders(context, found, region, { window, ownRoles, countRotations }, showProgress),
  )
  if (json) output.json({ store, name, arn, since: window.since, regions: readersByRegion })
  else for (const regionReaders of readersByRegion) printRegionReaders(context, found, regionReaders, window)
  return readersByRegion.every(regionReaders => 'unread' in regionReaders) ? EXIT.failed : EXIT.done
}

/**
 * Asks each Region. A Region that cannot be asked becomes an entry with the reason, `unread`.
 * @throws what AWS throws, if no Region can be asked
 */
async function findReadersInRegions(
  { arn }: FoundCredential,
  regions: string[],
  ask: (region: string) => Promise<RegionReaders>,
): Promise<RegionReaders[]> {
  const outcomes = await settleConcurrently(regions, regions.length, ask)
  if (outcomes[0]?.status === 'rejected' && outcomes.every(({ status }) => status === 'rejected'))
    throw outcomes[0].reason
  return outcomes.map((outcome, n) => {
    if (outcome.status === 'fulfilled') return outcome.value
    const region = regions[n] ?? ''
    return { region, arn: arnInRegion(arn, region), unread: whyFailed(outcome.reason) }
  })
}

function windowOf(moment: string, { since, budget }: ReadersOptions): SearchWindow {
  return {
    moment,
    since: new Date(Date.parse(moment) - since * 1000).toISOString(),
    deadline: performance.now() + budget * 1000,
  }
}

/** Prints who read the credential in one Region. */
function printRegionReaders(
  { output }: Context,
  found: FoundCredential,
  regionReaders: RegionReaders,
  { since }: SearchWindow,
): void {
  const { store, name } = found
  const what = `${idOf({ store, name, id: name })} in ${sanitize(regionReaders.region)}`
  if ('unread' in regionReaders) {
    output.line(`${what}: not known: ${sanitize(regionReaders.unread)}`)
    return
  }
  const { readers, completeSince, stopped, unreadable } = regionReaders
  const isComplete = completeSince <= since
  output.line(`${what}, since ${formatTime(new Date(completeSince))}:`)
  const others = readers.filter(({ own }) => !own)
  const read = others.filter(({ reads }) => reads > 0)
  for (const reader of read) printReader(output, reader)
  if (!read.length)
    output.line(`  no one${readers.length > others.length ? ' except Keyturn' : ''} read the value`)
  const refused = others.filter(({ reads }) => reads === 0)
  if (refused.length) output.line('  refused:')
  for (const reader of refused) printReader(output, reader)
  if (readers.length > others.length) output.line('  Keyturn itself:')
  for (const reader of readers.filter(({ own }) => own)) printReader(output, reader)
  if (!isComplete)
    output.note(
      `The list does not go back to ${formatTime(new Date(since))}, as ${stopped ?? 'CloudTrail knows no more'}.${stopped === TIME_WAS_OVER ? ' A longer --budget goes further back.' : ''}`,
    )
  if (unreadable) output.note(`${countText(unreadable, 'event')} could not be parsed.`)
}

function printReader(
  output: Context['output'],
  { principal, reads, denied, first, last, sessions }: Reader,
): void {
  output.line(`  ${sanitize(principal)}`, 4)
  const counts = [reads && countText(reads, 'read'), denied && countText(denied, 'refused attempt')]
  const at = (time: string) => formatTime(new Date(time))
  const when = first === last ? at(last) : `${at(first)} to ${at(last)}`
  output.line(`    ${counts.filter(Boolean).join(', ')}, ${when}`, 4)
  if (sessions.length) output.line(`    as ${sessions.map(sanitize).join(', ')}`, 7)
}

const countText = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`

import type { Reader } from '../../fleet/audit/facts.ts'
import { watchClock } from '../../fleet/awsClock.ts'
import { settleConcurrently } from '../../fleet/concurrency.ts'
import { CLOUDTRAIL_RETENTION_MS } from '../../fleet/readers/sweep.ts'
import { arnInRegion } from '../../rotation/arn.ts'
import { whyFailed } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import { describeCredential, type FoundCredential } from '../credential.ts'
import { CommandError, EXIT, type ExitCode } from '../exit.ts'
import { formatTime, sanitize } from '../output.ts'
import {
  countRotationsIn,
  findOwnRoles,
  findReaders,
  type RegionReaders,
  regionsOf,
  type SearchWindow,
} from '../readers/findReaders.ts'
import { idOf } from '../records.ts'
import { chooseStack } from '../stack.ts'

/** Both in seconds. */
export type ReadersOptions = { since: number; budget: number }

/** Who read a credential, and who was refused; Keyturn's own roles apart. Each Region that has a copy is asked. */
export async function runReadersCommand(
  context: Context,
  id: string,
  options: ReadersOptions,
): Promise<ExitCode> {
  const { output, json } = context
  if (options.since * 1000 > CLOUDTRAIL_RETENTION_MS)
    throw new CommandError(
      EXIT.usage,
      'CloudTrail can be asked about the last 90 days only',
      'For longer there are queries of a trail: docs/readers.md.',
    )
  const clock = watchClock(await context.clients.cloudFormation())
  const stack = await chooseStack(context)
  const found = await describeCredential(context, stack, id)
  const ownRoles = await findOwnRoles(context, stack, (region, why) =>
    output.note(`Roles of Keyturn in ${region} are not known as its own: ${why}`),
  )
  const window = windowOf(clock(), options)
  const passed = (until: string) => {
    if (output.isInteractive && !json) output.progress(`CloudTrail, back to ${formatTime(new Date(until))}`)
  }
  const { store, name, arn } = found
  const rotated = (region: string, since: string) =>
    countRotationsIn(context, stack, region, { store, since, moment: window.moment })
  const looks = await findReadersInRegions(found, regionsOf(found), region =>
    findReaders(context, found, region, { window, ownRoles, countRotations: rotated }, passed),
  )
  if (json) output.json({ store, name, arn, since: window.since, regions: looks })
  else for (const look of looks) printLook(context, found, look, window)
  return looks.every(look => 'unread' in look) ? EXIT.failed : EXIT.done
}

/** One Region that cannot be asked is said, and the others are told of. @throws what AWS throws, if none can be asked */
async function findReadersInRegions(
  { arn }: FoundCredential,
  regions: string[],
  look: (region: string) => Promise<RegionReaders>,
): Promise<RegionReaders[]> {
  const outcomes = await settleConcurrently(regions, regions.length, look)
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

function printLook(
  { output }: Context,
  found: FoundCredential,
  look: RegionReaders,
  { since }: SearchWindow,
): void {
  const { store, name } = found
  const what = `${idOf({ store, name, id: name })} in ${sanitize(look.region)}`
  if ('unread' in look) {
    output.line(`${what}: not known: ${sanitize(look.unread)}`)
    return
  }
  const { readers, completeSince, stopped, unreadable } = look
  const whole = completeSince <= since
  output.line(`${what}, since ${formatTime(new Date(completeSince))}:`)
  const others = readers.filter(({ own }) => !own)
  const read = others.filter(({ reads }) => reads > 0)
  for (const reader of read) printReader(output, reader)
  if (!read.length) output.line(`  nobody${readers.length > others.length ? ' but Keyturn' : ''} read it`)
  const refused = others.filter(({ reads }) => reads === 0)
  if (refused.length) output.line('  refused:')
  for (const reader of refused) printReader(output, reader)
  if (readers.length > others.length) output.line('  Keyturn itself:')
  for (const reader of readers.filter(({ own }) => own)) printReader(output, reader)
  if (!whole)
    output.note(
      `It does not go back to ${formatTime(new Date(since))}, as ${stopped ?? 'CloudTrail knows no more'}. A longer --budget goes further back.`,
    )
  if (unreadable) output.note(`${timesOf(unreadable, 'event')} could not be made out.`)
}

function printReader(
  output: Context['output'],
  { principal, reads, denied, first, last, sessions }: Reader,
): void {
  output.line(`  ${sanitize(principal)}`, 4)
  const counts = [reads && timesOf(reads, 'read'), denied && timesOf(denied, 'refused try', 'refused tries')]
  const at = (time: string) => formatTime(new Date(time))
  const when = first === last ? at(last) : `${at(first)} to ${at(last)}`
  output.line(`    ${counts.filter(Boolean).join(', ')}, ${when}`, 4)
  if (sessions.length) output.line(`    as ${sessions.map(sanitize).join(', ')}`, 7)
}

const timesOf = (count: number, one: string, many = `${one}s`) => `${count} ${count === 1 ? one : many}`

import type { Reader } from '../../fleet/audit/facts.ts'
import { watchClock } from '../../fleet/awsClock.ts'
import { settled } from '../../fleet/pool.ts'
import { REMEMBERED } from '../../fleet/readers/sweep.ts'
import { inRegion } from '../../rotation/arn.ts'
import { whyFailed } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import { credentialOf, type Found } from '../credentialId.ts'
import { CommandError, type ExitCode, exit } from '../exit.ts'
import { moment, plain } from '../output.ts'
import { type Look, lookIn, ownRolesOf, regionsOf, rotatedIn, type Window } from '../readers/look.ts'
import { idOf } from '../records.ts'
import { stackOf } from '../stack.ts'

/** Both in seconds. */
export type ReadersOptions = { since: number; budget: number }

/** Who read a credential, and who was refused; Keyturn's own roles apart. Each Region that has a copy is asked. */
export async function readers(context: Context, id: string, options: ReadersOptions): Promise<ExitCode> {
  const { output, json } = context
  if (options.since * 1000 > REMEMBERED)
    throw new CommandError(
      exit.usage,
      'CloudTrail can be asked about the last 90 days only',
      'For longer there are queries of a trail: docs/readers.md.',
    )
  const clock = watchClock(await context.clients.cloudFormation())
  const stack = await stackOf(context)
  const found = await credentialOf(context, stack, id)
  const ownRoles = await ownRolesOf(context, stack, (region, why) =>
    output.note(`Roles of Keyturn in ${region} are not known as its own: ${why}`),
  )
  const window = windowOf(clock(), options)
  const passed = (until: string) => {
    if (output.live && !json) output.passing(`CloudTrail, back to ${moment(new Date(until))}`)
  }
  const { store, name, arn } = found
  const rotated = (region: string, since: string) =>
    rotatedIn(context, stack, region, { store, since, moment: window.moment })
  const looks = await looksIn(found, regionsOf(found), region =>
    lookIn(context, found, region, { window, ownRoles, rotated }, passed),
  )
  if (json) output.json({ store, name, arn, since: window.since, regions: looks })
  else for (const look of looks) show(context, found, look, window)
  return looks.every(look => 'unread' in look) ? exit.failed : exit.done
}

/** One Region that cannot be asked is said, and the others are told of. @throws what AWS throws, if none can be asked */
async function looksIn(
  { arn }: Found,
  regions: string[],
  look: (region: string) => Promise<Look>,
): Promise<Look[]> {
  const outcomes = await settled(regions, regions.length, look)
  if (outcomes[0]?.status === 'rejected' && outcomes.every(({ status }) => status === 'rejected'))
    throw outcomes[0].reason
  return outcomes.map((outcome, n) => {
    if (outcome.status === 'fulfilled') return outcome.value
    const region = regions[n] ?? ''
    return { region, arn: inRegion(arn, region), unread: whyFailed(outcome.reason) }
  })
}

function windowOf(moment: string, { since, budget }: ReadersOptions): Window {
  return {
    moment,
    since: new Date(Date.parse(moment) - since * 1000).toISOString(),
    deadline: performance.now() + budget * 1000,
  }
}

function show({ output }: Context, found: Found, look: Look, { since }: Window): void {
  const { store, name } = found
  const what = `${idOf({ store, name, id: name })} in ${plain(look.region)}`
  if ('unread' in look) {
    output.line(`${what}: not known: ${plain(look.unread)}`)
    return
  }
  const { readers, completeSince, stopped, unreadable } = look
  const whole = completeSince <= since
  output.line(`${what}, since ${moment(new Date(completeSince))}:`)
  const others = readers.filter(({ own }) => !own)
  const read = others.filter(({ reads }) => reads > 0)
  for (const reader of read) showReader(output, reader)
  if (!read.length) output.line(`  nobody${readers.length > others.length ? ' but Keyturn' : ''} read it`)
  const refused = others.filter(({ reads }) => reads === 0)
  if (refused.length) output.line('  refused:')
  for (const reader of refused) showReader(output, reader)
  if (readers.length > others.length) output.line('  Keyturn itself:')
  for (const reader of readers.filter(({ own }) => own)) showReader(output, reader)
  if (!whole)
    output.note(
      `It does not go back to ${moment(new Date(since))}, as ${stopped ?? 'CloudTrail knows no more'}. A longer --budget goes further back.`,
    )
  if (unreadable) output.note(`${timesOf(unreadable, 'event')} could not be made out.`)
}

function showReader(
  output: Context['output'],
  { principal, reads, denied, first, last, sessions }: Reader,
): void {
  output.line(`  ${plain(principal)}`, 4)
  const counts = [reads && timesOf(reads, 'read'), denied && timesOf(denied, 'refused try', 'refused tries')]
  const at = (time: string) => moment(new Date(time))
  const when = first === last ? at(last) : `${at(first)} to ${at(last)}`
  output.line(`    ${counts.filter(Boolean).join(', ')}, ${when}`, 4)
  if (sessions.length) output.line(`    as ${sessions.map(plain).join(', ')}`, 7)
}

const timesOf = (count: number, one: string, many = `${one}s`) => `${count} ${count === 1 ? one : many}`

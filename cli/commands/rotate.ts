import { failedBy } from '../awsErrors.ts'
import { type Begun, begin, beginRun } from '../begin.ts'
import type { Context } from '../context.ts'
import { credentialOf, type Found } from '../credentialId.ts'
import { CommandError, type ExitCode, exit, worst } from '../exit.ts'
import { interruption } from '../interrupt.ts'
import { moment, plain } from '../output.ts'
import { type Stack, stackOf } from '../stack.ts'
import { follow } from '../watch/follow.ts'
import type { Ended, Entered } from '../watch/history.ts'
import { doing, harmOf, remedyFor } from '../watch/texts.ts'
import { type Say, show } from '../watch/view.ts'

type Options = { allDue?: true; wait: boolean }

/** How one rotation went, as far as it was looked at. `says` is a sentence, `remedy` what to do. */
type Outcome = {
  code: ExitCode
  store: Found['store']
  id: string
  result: 'started' | 'rotated' | 'failed' | 'not-started' | 'not-watched'
  says: string
  execution?: string
  error?: string
  message?: string
  remedy?: string
  /** Until when what was replaced can still log in. */
  openUntil?: Date
}

/** Rotates these credentials, or all that is due. No rotation begins unless every id names a credential. */
export async function rotate(context: Context, ids: string[], { allDue, wait }: Options): Promise<ExitCode> {
  if (allDue ? ids.length > 0 : ids.length === 0)
    throw new CommandError(
      exit.usage,
      allDue ? '--all-due takes no ids: it rotates whatever is due' : 'no credential was named',
      'Give either ids or --all-due; see keyturn rotate --help.',
    )
  const stack = await stackOf(context)
  if (allDue) return startRun(context, stack)
  const found = await Promise.all([...new Set(ids)].map(id => credentialOf(context, stack, id)))
  const signal = interruption()
  const each = [...new Map(found.map(one => [one.arn, one])).values()]
  const starts = each.map(found => ({ found, begin: () => begin(context, stack, found) }))
  return showRotations(context, starts, wait ? signal : undefined)
}

/** A credential, and what begins its rotation. */
type Start = { found: Found; begin(): Promise<Begun> }

/** Begins rotations side by side, looks on unless there is no signal that could end that, and tells how each went. */
export async function showRotations(
  context: Context,
  starts: Start[],
  signal: AbortSignal | undefined,
): Promise<ExitCode> {
  const jobs = starts.map(start => ({
    name: plain(start.found.name),
    run: (say: Say) => rotateOne(context, start, signal, say),
  }))
  const outcomes = await show(context, jobs)
  report(context, outcomes)
  return worst(outcomes.map(({ code }) => code))
}

async function startRun(context: Context, stack: Stack): Promise<ExitCode> {
  const run = await beginRun(context, stack)
  if (context.json) context.output.json({ run })
  else context.output.line(`A run of all that is due was started: ${plain(run)}`)
  return exit.done
}

/** Begins one rotation, and looks on unless there is no signal that could end that. Never throws. */
async function rotateOne(
  context: Context,
  { found, begin }: Start,
  signal: AbortSignal | undefined,
  say: Say,
): Promise<Outcome> {
  const about = { store: found.store, id: found.name }
  let begun: Begun
  try {
    begun = await begin()
  } catch (error) {
    const failed = failedBy(error)
    return { ...about, ...failed, result: 'not-started', says: `not begun: ${failed.says}` }
  }
  const known = { ...about, execution: begun.executionArn }
  if (begun.note) say(plain(begun.note))
  if (!signal) return { ...known, code: exit.done, result: 'started', says: `started: ${begun.executionArn}` }
  try {
    const seen = await watch(context, begun.executionArn, signal, say)
    const again = begun.byService && seen.remedy
    return { ...known, ...seen, ...(again && { remedy: `${again} Secrets Manager tries again by itself.` }) }
  } catch (error) {
    const goesOn = `The rotation goes on: ${begun.executionArn}`
    if (signal.aborted)
      return {
        ...known,
        code: exit.stopped,
        result: 'not-watched',
        says: 'not looked at any more',
        remedy: goesOn,
      }
    const { code, says } = failedBy(error)
    return { ...known, code, result: 'not-watched', says: `cannot be looked at: ${says}`, remedy: goesOn }
  }
}

type Seen = Omit<Outcome, 'store' | 'id' | 'execution'>

/** Looks on until the execution ends, or does nothing but wait. */
async function watch(context: Context, executionArn: string, signal: AbortSignal, say: Say): Promise<Seen> {
  for await (const step of follow(await context.clients.stepFunctions(), executionArn, signal)) {
    if (step.kind === 'ended') return endOf(step)
    if (step.kind === 'failed') {
      say(`${step.state}: try ${step.attempt} failed: ${plain(`${step.error}: ${step.message}`)}`)
      continue
    }
    const text = doing[step.state]
    if (!text) continue
    say(`${step.state.padEnd(17)} ${text}`, step.state)
    const open = openAfter(step)
    if (open) return open
  }
  throw new Error('the execution has no end')
}

function openAfter({ state, until }: Entered): Seen | undefined {
  if (state === 'AwaitReplicasLonger')
    return {
      code: exit.findings,
      result: 'rotated',
      says: 'rotated; another Region does not follow, or has taken over, so the old one stays open',
      remedy: 'keyturn replicas tells which, and why.',
    }
  const when = until ? ` until ${moment(until)}` : ''
  const open = `rotated; the old one stays open${when}`
  const says = {
    Grace: open,
    GraceBeforeLook: open,
    StayOnClone: `rotated onto a temporary clone, from which the application moves back by itself after ${until ? moment(until) : 'the grace time'}; the old one stays open until then`,
  }[state]
  return says ? { code: exit.done, result: 'rotated', says, ...(until && { openUntil: until }) } : undefined
}

function endOf(ended: Ended): Seen {
  if (ended.status === 'SUCCEEDED') return { code: exit.done, result: 'rotated', says: 'rotated' }
  const { error = ended.status, message = '' } = ended
  const remedy = remedyFor(ended)
  return { code: exit.failed, result: 'failed', says: harmOf(ended), error, message, remedy }
}

function report({ output, json }: Context, outcomes: Outcome[]): void {
  if (json)
    output.json({ rotations: outcomes.map(({ code, ...outcome }) => ({ ...outcome, exitCode: code })) })
  for (const { code, id, says, error, message, remedy } of outcomes) {
    if (code === exit.done) continue
    const why = error ? ` ${error}: ${message}` : ''
    output.error({ message: `${id}: ${says}${why}`, remedy })
  }
}

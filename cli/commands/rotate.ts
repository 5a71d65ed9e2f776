import { explainFailure } from '../awsErrors.ts'
import { type BegunRotation, beginRotation, startDueRun } from '../beginRotation.ts'
import type { Context } from '../context.ts'
import { describeCredential, type FoundCredential } from '../credential.ts'
import { EXIT, type ExitCode, usageError, worstExitCode } from '../exit.ts'
import { listenForInterrupt } from '../interrupt.ts'
import { formatTime, sanitize } from '../output.ts'
import { chooseStack, type Stack } from '../stack.ts'
import { followExecution } from '../watch/followExecution.ts'
import type { ExecutionEnded, StateEntered } from '../watch/historyReader.ts'
import { runJobs, type Say } from '../watch/runJobs.ts'
import { harmText, remedyText, STATE_TEXTS } from '../watch/stateTexts.ts'

/** The options of `rotate`, as the command line gave them. --no-wait sets `wait` to false. */
type RotateOptions = { allDue?: true; wait: boolean }

/** How one rotation went, as far as it was watched. `says` is a sentence, `remedy` says what to do. */
type RotationOutcome = {
  code: ExitCode
  store: FoundCredential['store']
  id: string
  result: 'started' | 'rotated' | 'failed' | 'not-started' | 'not-watched'
  says: string
  execution?: string
  error?: string
  message?: string
  remedy?: string
  /** Until when the replaced user or password can still log in. */
  openUntil?: Date
}

/** Runs `rotate` for these credentials, or for all that are due. No rotation begins unless every id names a credential. */
export async function runRotateCommand(
  context: Context,
  ids: string[],
  { allDue, wait }: RotateOptions,
): Promise<ExitCode> {
  if (allDue ? ids.length > 0 : ids.length === 0)
    throw usageError(
      allDue ? '--all-due takes no ids: it rotates every credential that is due' : 'no credential was named',
      'Give either ids or --all-due; see keyturn rotate --help.',
    )
  const stack = await chooseStack(context)
  if (allDue) return startAllDue(context, stack)
  const found = await Promise.all([...new Set(ids)].map(id => describeCredential(context, stack, id)))
  const signal = listenForInterrupt()
  // Two ids may name the same credential.
  const distinct = [...new Map(found.map(credential => [credential.arn, credential])).values()]
  const starts = distinct.map(found => ({ found, beginRotation: () => beginRotation(context, stack, found) }))
  return beginAndWatchRotations(context, starts, wait ? signal : undefined)
}

/** A credential, and a function that begins its rotation. */
type RotationStart = { found: FoundCredential; beginRotation(): Promise<BegunRotation> }

/**
 * Begins rotations at the same time, and prints how each went.
 * @param signal ends the watching; undefined: the rotations are begun only, and not watched
 * @returns the worst exit code of all rotations
 */
export async function beginAndWatchRotations(
  context: Context,
  starts: RotationStart[],
  signal: AbortSignal | undefined,
): Promise<ExitCode> {
  const jobs = starts.map(start => ({
    name: sanitize(start.found.name),
    run: (say: Say) => rotateOne(context, start, signal, say),
  }))
  const outcomes = await runJobs(context, jobs)
  report(context, outcomes)
  return worstExitCode(outcomes.map(({ code }) => code))
}

async function startAllDue(context: Context, stack: Stack): Promise<ExitCode> {
  const run = await startDueRun(context, stack)
  if (context.json) context.output.json({ run })
  else context.output.line(`A run of all credentials that are due was started: ${sanitize(run)}`)
  return EXIT.done
}

/** Begins one rotation, and watches it if there is a signal. Never throws. */
async function rotateOne(
  context: Context,
  { found, beginRotation }: RotationStart,
  signal: AbortSignal | undefined,
  say: Say,
): Promise<RotationOutcome> {
  const about = { store: found.store, id: found.name }
  let begunRotation: BegunRotation
  try {
    begunRotation = await beginRotation()
  } catch (error) {
    const failed = explainFailure(error)
    return { ...about, ...failed, result: 'not-started', says: `not begun: ${failed.says}` }
  }
  const known = { ...about, execution: begunRotation.executionArn }
  if (begunRotation.note) say(sanitize(begunRotation.note))
  if (!signal)
    return { ...known, code: EXIT.done, result: 'started', says: `started: ${begunRotation.executionArn}` }
  try {
    const watched = await watchExecution(context, begunRotation.executionArn, signal, say)
    if (!begunRotation.bySecretsManager || !watched.remedy) return { ...known, ...watched }
    return { ...known, ...watched, remedy: `${watched.remedy} Secrets Manager tries again by itself.` }
  } catch (error) {
    const goesOn = `The rotation goes on: ${begunRotation.executionArn}`
    if (signal.aborted)
      return {
        ...known,
        code: EXIT.stopped,
        result: 'not-watched',
        says: 'stopped waiting',
        remedy: goesOn,
      }
    const { code, says } = explainFailure(error)
    return { ...known, code, result: 'not-watched', says: `cannot be watched: ${says}`, remedy: goesOn }
  }
}

type WatchedOutcome = Omit<RotationOutcome, 'store' | 'id' | 'execution'>

/** Watches an execution until it ends, or until the new value is in use and the execution only waits. */
async function watchExecution(
  context: Context,
  executionArn: string,
  signal: AbortSignal,
  say: Say,
): Promise<WatchedOutcome> {
  for await (const step of followExecution(await context.clients.stepFunctions(), executionArn, signal)) {
    if (step.kind === 'ended') return outcomeAtEnd(step)
    if (step.kind === 'failed') {
      say(`${step.state}: attempt ${step.attempt} failed: ${sanitize(`${step.error}: ${step.message}`)}`)
      continue
    }
    const text = STATE_TEXTS[step.state]
    if (!text) continue
    say(`${step.state.padEnd(17)} ${text}`, step.state)
    const openOutcome = outcomeAfterState(step)
    if (openOutcome) return openOutcome
  }
  // Not reached: the last step of an execution is of the kind `ended`.
  throw new Error('the execution has no end')
}

/** The outcome if a state means that the new value is in use and the execution only waits; undefined for other states. */
function outcomeAfterState({ state, until }: StateEntered): WatchedOutcome | undefined {
  if (state === 'AwaitReplicasLonger')
    return {
      code: EXIT.findings,
      result: 'rotated',
      says: 'rotated; another Region does not have the new value, or has taken over, so the old one stays open',
      remedy: 'keyturn replicas shows which, and why.',
    }
  const when = until ? ` until ${formatTime(until)}` : ''
  const openText = `rotated; the old one stays open${when}`
  const says = {
    Grace: openText,
    GraceBeforeLook: openText,
    StayOnClone: `rotated onto a temporary clone, from which the application moves back by itself after ${until ? formatTime(until) : 'the grace time'}; the old one stays open until then`,
  }[state]
  return says ? { code: EXIT.done, result: 'rotated', says, ...(until && { openUntil: until }) } : undefined
}

function outcomeAtEnd(ended: ExecutionEnded): WatchedOutcome {
  if (ended.status === 'SUCCEEDED') return { code: EXIT.done, result: 'rotated', says: 'rotated' }
  const { error = ended.status, message = '' } = ended
  const remedy = remedyText(ended)
  return { code: EXIT.failed, result: 'failed', says: harmText(ended), error, message, remedy }
}

function report({ output, json }: Context, outcomes: RotationOutcome[]): void {
  if (json)
    output.json({ rotations: outcomes.map(({ code, ...outcome }) => ({ ...outcome, exitCode: code })) })
  for (const { code, id, says, error, message, remedy } of outcomes) {
    if (code === EXIT.done) continue
    const why = error ? ` ${error}: ${message}` : ''
    output.error({ message: `${id}: ${says}${why}`, remedy })
  }
}

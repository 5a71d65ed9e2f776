import { isAccessDenied } from '../../rotation/callAws.ts'
import type { CheckLine, CheckLineName, CheckResult } from '../../rotation/check/line.ts'
import { type ExplainedFailure, explainFailure } from '../awsErrors.ts'
import { remedyIn } from '../check/print.ts'
import type { FoundCredential } from '../credential.ts'
import { EXIT, type ExitCode } from '../exit.ts'
import { sanitize } from '../output.ts'
import type { Say } from '../watch/runJobs.ts'
import { Unsure } from './calls.ts'
import type { EnrolPlan } from './plan.ts'
import { type EnrolStep, shownCallText } from './step.ts'

/** What `enrolOne` needs from its caller. */
export type EnrolWork = {
  /** Aborted by Ctrl-C. */
  signal: AbortSignal
  /** Checks a credential that was just tagged. */
  check(found: FoundCredential, say: Say): Promise<CheckResult>
  /** Shows a check, and if `asks`, has the user confirm its warnings. @throws CommandError if they are not confirmed */
  confirmWarnings(found: FoundCredential, checked: CheckResult, asks: boolean): Promise<void>
}

/** The outcome of enrolling one credential. --json prints it, with `code` as `exitCode`. */
export type EnrolOutcome = {
  store?: FoundCredential['store']
  /** The credential's name, or the id that the user gave if it was not found. */
  id: string
  arn?: string
  code: ExitCode
  result: 'enrolled' | 'unchanged' | 'failed' | 'refused' | 'stopped' | 'not-begun' | 'planned'
  says: string
  remedy?: string
  checked?: CheckResult
  /** The changes that were undone after a failure. */
  undone?: string[]
  /** The changes that are still there: they could not be undone, or nothing was undone, as after Unsure. */
  left?: string[]
  /** Why a tag stays although the rest was undone. */
  stays?: string
  /** The ARN of the execution of the rotation that was begun. */
  execution?: string
}

/**
 * Lines of a check that no setting step can mend, whatever admin and tags it sets. If one of these fails, enrolling ends at once,
 * so that a login that fails is not repeated.
 */
const BASIC_LINES: readonly CheckLineName[] = ['value', 'key', 'store', 'name', 'port', 'tls', 'login']

/** A check found that a rotation would fail. */
class CheckFailed extends Error {
  override readonly name = 'CheckFailed'
  readonly checked: CheckResult
  constructor(checked: CheckResult) {
    super('the check has failed')
    this.checked = checked
  }
}

/**
 * Enrols one credential. If that fails, the changes are undone; not so if it is unknown whether a call was done (Unsure). Never
 * throws.
 */
export async function enrolOne(work: EnrolWork, plan: EnrolPlan, say: Say): Promise<EnrolOutcome> {
  const { found } = plan
  const about = { store: found.store, id: found.name, arn: found.arn }
  const done: EnrolStep[] = []
  try {
    const checked = await runPlan(work, plan, say, done)
    return { ...about, code: EXIT.done, result: 'enrolled', says: `enrolled: ${plan.says}`, checked }
  } catch (error) {
    const failure = failureOf(error, work.signal)
    const checked = error instanceof CheckFailed ? { checked: error.checked } : {}
    if (error instanceof Unsure) return { ...about, result: 'failed', ...failure, left: done.map(callText) }
    const undoing = await undoSteps(done, plan.keptTags)
    return {
      ...about,
      result: work.signal.aborted ? 'stopped' : 'failed',
      ...failure,
      ...checked,
      ...undoing,
      ...(plan.keptTags.length && STRATEGY_STAYS),
    }
  }
}

const STRATEGY_STAYS = {
  stays:
    'keyturn:strategy stays: the value names an admin now, which without that tag means alternating users',
}

/**
 * Runs the parts of a plan in their order, and checks the credential after each part that changes what a check depends on.
 * `done` collects the steps that were run. @throws CheckFailed
 */
async function runPlan(work: EnrolWork, plan: EnrolPlan, say: Say, done: EnrolStep[]): Promise<CheckResult> {
  const { found, accessSteps, settingSteps, rotationSteps } = plan
  const runAll = (steps: EnrolStep[]) => runSteps(work.signal, steps, say, done)
  await runAll(accessSteps)
  // Without access steps, no check comes before the setting steps: they may set what a check would miss.
  let checked = accessSteps.length || !settingSteps.length ? await work.check(found, say) : undefined
  if (checked && settingSteps.length && failsAt(checked, BASIC_LINES))
    await refuseFailedCheck(work, found, checked)
  if (!checked || settingSteps.length) {
    await runAll(settingSteps)
    checked = await work.check(found, say)
  }
  if (checked.result === 'failed') await refuseFailedCheck(work, found, checked)
  await work.confirmWarnings(found, withTakeover(plan, checked), hasOtherWarning(plan, checked))
  await runAll(rotationSteps)
  return checked
}

/** Shows a failed check and ends the enrolment. @throws CheckFailed */
async function refuseFailedCheck(
  { confirmWarnings }: EnrolWork,
  found: FoundCredential,
  checked: CheckResult,
): Promise<never> {
  const checkedWithRemedies = withOptions(checked)
  await confirmWarnings(found, checkedWithRemedies, false)
  throw new CheckFailed(checkedWithRemedies)
}

/** Where an option of `enrol` helps against a failed line, names this option as the line's remedy. */
const withOptions = (checked: CheckResult): CheckResult => ({
  ...checked,
  lines: checked.lines.map(line => {
    const remedy = line.state === 'failed' && optionFor(line)
    return remedy ? { ...line, remedy } : line
  }),
})

function optionFor({ error, says }: CheckLine): string | undefined {
  if (error === 'InvalidCredential' && /^masterarn\b/.test(says))
    return "Name the admin's secret by --admin NAME, or choose another --strategy."
  return error === 'InvalidOption' && /^keyturn:strategy\b/.test(says)
    ? 'Choose another --strategy.'
    : undefined
}

/** Whether a check has a warning that the user has to confirm. The takeover needs no answer: the user has confirmed it before. */
const hasOtherWarning = (plan: EnrolPlan, { lines }: CheckResult): boolean =>
  lines.some(line => line.state === 'warning' && !isTakeoverWarning(plan, line))

/** Whether a line warns that another function rotates the secret, which this enrolment ends. */
const isTakeoverWarning = ({ takesOver }: EnrolPlan, { line, state }: CheckLine): boolean =>
  takesOver && state === 'warning' && line === 'tags'

/** Replaces the remedy of the warning about a takeover: the check advises to enrol the secret, which the command is doing. */
const withTakeover = (plan: EnrolPlan, checked: CheckResult): CheckResult => ({
  ...checked,
  lines: checked.lines.map(line =>
    isTakeoverWarning(plan, line)
      ? { ...line, remedy: 'Enrolling ends that now: Keyturn takes over.' }
      : line,
  ),
})

/** Whether one of these lines failed. An option that is not valid does not count: the setting steps may correct it. */
const failsAt = ({ lines }: CheckResult, names: readonly CheckLineName[]): boolean =>
  lines.some(
    ({ line, state, error }) => state === 'failed' && error !== 'InvalidOption' && names.includes(line),
  )

/** Runs the steps in their order. `done` gets each step whose call may have been done. */
async function runSteps(signal: AbortSignal, steps: EnrolStep[], say: Say, done: EnrolStep[]): Promise<void> {
  for (const step of steps) {
    signal.throwIfAborted()
    done.push(step)
    try {
      await step.run(say)
    } catch (error) {
      // A refused call changed nothing. After any other error the call may have been done, so its step stays in `done`.
      if (error instanceof Error && isAccessDenied(error)) done.pop()
      throw error
    }
  }
}

function failureOf(error: unknown, signal: AbortSignal): ExplainedFailure {
  if (signal.aborted)
    return { code: EXIT.stopped, says: 'stopped', remedy: 'Run the same command again to start over.' }
  if (error instanceof CheckFailed)
    return { code: EXIT.failed, ...withEnrolRemedy(checkFailedText(error.checked)) }
  if (!(error instanceof Unsure)) return withEnrolRemedy(explainFailure(error))
  const { code, says } = explainFailure(error.cause)
  return {
    code,
    says: `${says}; whether the call was done is not known, so nothing was undone`,
    remedy: 'Run the same command again to go on, or keyturn unenrol to undo everything.',
  }
}

/** Makes a remedy that was written for a failed rotation one for a failed enrolment. */
const withEnrolRemedy = <Told extends Omit<ExplainedFailure, 'code'>>(failure: Told): Told => ({
  ...failure,
  ...(failure.remedy && { remedy: failure.remedy.replace('then rotate again', 'then enrol again') }),
})

function checkFailedText({ lines }: CheckResult): Omit<ExplainedFailure, 'code'> {
  const first = lines.find(({ state }) => state === 'failed') as CheckLine
  const remedy = remedyIn(first)
  return { says: `its check has failed at ${first.line}: ${sanitize(first.says)}`, ...(remedy && { remedy }) }
}

/** Undoes the steps, the last first. If one cannot be undone, the others are undone all the same. */
async function undoSteps(
  done: EnrolStep[],
  keptTags: string[],
): Promise<Pick<EnrolOutcome, 'undone' | 'left'>> {
  const undone: string[] = []
  const left: string[] = []
  for (const { undo, ...step } of done.toReversed())
    try {
      undone.push(...((await undo?.(keptTags)) ?? []))
    } catch (error) {
      left.push(`${callText(step)} (${explainFailure(error).says})`)
    }
  return { ...(undone.length && { undone }), ...(left.length && { left }) }
}

const callText = ({ shownCall }: Pick<EnrolStep, 'shownCall'>): string => shownCallText(shownCall)

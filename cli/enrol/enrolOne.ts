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

/** What enrolling works with. */
export type EnrolWork = {
  signal: AbortSignal
  /** Checks a credential that was tagged just now. */
  check(found: FoundCredential, say: Say): Promise<CheckResult>
  /** Shows the last check, and has its warnings confirmed if `asks`. @throws if they are not */
  confirmWarnings(found: FoundCredential, checked: CheckResult, asks: boolean): Promise<void>
}

/** How it went with one credential. */
export type EnrolOutcome = {
  store?: FoundCredential['store']
  /** Its name, or what it was asked for by if it was not found. */
  id: string
  arn?: string
  code: ExitCode
  result: 'enrolled' | 'unchanged' | 'failed' | 'refused' | 'stopped' | 'not-begun' | 'planned'
  says: string
  remedy?: string
  checked?: CheckResult
  /** What was taken back, and what could not be. */
  undone?: string[]
  left?: string[]
  /** Why a tag stays though the rest was taken back. */
  stays?: string
  /** ARN of the rotation that was begun. */
  execution?: string
}

/** What no admin can mend, and no tag unless it is an option that is wrong: after one of these nothing more is tried, so that no login is repeated. */
const BASIC_LINES: readonly CheckLineName[] = ['value', 'key', 'store', 'name', 'port', 'tls', 'login']

/** A check found that a rotation would fail. */
class NotWell extends Error {
  override readonly name = 'NotWell'
  readonly checked: CheckResult
  constructor(checked: CheckResult) {
    super('the check has failed')
    this.checked = checked
  }
}

/** Enrols one credential. If it does not come to its end, what was changed is taken back. Never throws. */
export async function enrolOne(work: EnrolWork, plan: EnrolPlan, say: Say): Promise<EnrolOutcome> {
  const { found } = plan
  const about = { store: found.store, id: found.name, arn: found.arn }
  const done: EnrolStep[] = []
  try {
    const checked = await runPlan(work, plan, say, done)
    return { ...about, code: EXIT.done, result: 'enrolled', says: `enrolled: ${plan.says}`, checked }
  } catch (error) {
    const failed = failureOf(error, work.signal)
    const checked = error instanceof NotWell ? { checked: error.checked } : {}
    if (error instanceof Unsure) return { ...about, result: 'failed', ...failed, left: done.map(callText) }
    const back = await undoSteps(done, plan.keptTags)
    return {
      ...about,
      result: work.signal.aborted ? 'stopped' : 'failed',
      ...failed,
      ...checked,
      ...back,
      ...(plan.keptTags.length && STRATEGY_STAYS),
    }
  }
}

const STRATEGY_STAYS = {
  stays:
    'keyturn:strategy stays: the value names an admin now, which without that tag means alternating users',
}

/** Each part, and a check where one has changed something that it looks at. @throws NotWell */
async function runPlan(work: EnrolWork, plan: EnrolPlan, say: Say, done: EnrolStep[]): Promise<CheckResult> {
  const { found, accessSteps, settingSteps, rotationSteps } = plan
  const take = (steps: EnrolStep[]) => runSteps(work.signal, steps, say, done)
  await take(accessSteps)
  let checked = accessSteps.length || !settingSteps.length ? await work.check(found, say) : undefined
  if (checked && settingSteps.length && failsAt(checked, BASIC_LINES))
    await refuseFailedCheck(work, found, checked)
  if (!checked || settingSteps.length) {
    await take(settingSteps)
    checked = await work.check(found, say)
  }
  if (checked.result === 'failed') await refuseFailedCheck(work, found, checked)
  await work.confirmWarnings(found, withTakeover(plan, checked), hasOtherWarning(plan, checked))
  await take(rotationSteps)
  return checked
}

async function refuseFailedCheck(
  { confirmWarnings }: EnrolWork,
  found: FoundCredential,
  checked: CheckResult,
): Promise<never> {
  const told = withOptions(checked)
  await confirmWarnings(found, told, false)
  throw new NotWell(told)
}

/** What an option of this command mends is said so. */
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

/** Whether a check warns of more than that another function rotates it, which this ends. */
const hasOtherWarning = (plan: EnrolPlan, { lines }: CheckResult): boolean =>
  lines.some(line => line.state === 'warning' && !isTakeoverWarning(plan, line))

const isTakeoverWarning = ({ takesOver }: EnrolPlan, { line, state }: CheckLine): boolean =>
  takesOver && state === 'warning' && line === 'tags'

/** A check advises to enrol what another function rotates, which is what is done here. */
const withTakeover = (plan: EnrolPlan, checked: CheckResult): CheckResult => ({
  ...checked,
  lines: checked.lines.map(line =>
    isTakeoverWarning(plan, line) ? { ...line, remedy: 'That is ended now, as this takes it over.' } : line,
  ),
})

const failsAt = ({ lines }: CheckResult, names: readonly CheckLineName[]): boolean =>
  lines.some(
    ({ line, state, error }) => state === 'failed' && error !== 'InvalidOption' && names.includes(line),
  )

async function runSteps(signal: AbortSignal, steps: EnrolStep[], say: Say, done: EnrolStep[]): Promise<void> {
  for (const step of steps) {
    signal.throwIfAborted()
    done.push(step)
    try {
      await step.run(say)
    } catch (error) {
      // AWS refused it for certain; else the answer may be lost, and it is taken back too.
      if (error instanceof Error && isAccessDenied(error)) done.pop()
      throw error
    }
  }
}

function failureOf(error: unknown, signal: AbortSignal): ExplainedFailure {
  if (signal.aborted)
    return { code: EXIT.stopped, says: 'stopped', remedy: 'The same command again begins anew.' }
  if (error instanceof NotWell) return { code: EXIT.failed, ...withEnrolRemedy(notWellSays(error.checked)) }
  if (!(error instanceof Unsure)) return withEnrolRemedy(explainFailure(error))
  const { code, says } = explainFailure(error.cause)
  return {
    ...{ code, says: `${says}; whether that was done is not known, so nothing was taken back` },
    remedy: 'The same command again goes on; keyturn unenrol takes everything back.',
  }
}

/** Remedies are written for a rotation that failed. */
const withEnrolRemedy = <Told extends Omit<ExplainedFailure, 'code'>>(failed: Told): Told => ({
  ...failed,
  ...(failed.remedy && { remedy: failed.remedy.replace('then rotate again', 'then enrol again') }),
})

function notWellSays({ lines }: CheckResult): Omit<ExplainedFailure, 'code'> {
  const first = lines.find(({ state }) => state === 'failed') as CheckLine
  const remedy = remedyIn(first)
  return { says: `its check has failed at ${first.line}: ${sanitize(first.says)}`, ...(remedy && { remedy }) }
}

/** Takes back what was done, the last first. One that cannot be taken back stops no other. */
async function undoSteps(done: EnrolStep[], stays: string[]): Promise<Pick<EnrolOutcome, 'undone' | 'left'>> {
  const [undone, failed]: string[][] = [[], []]
  for (const { undo, ...step } of done.toReversed())
    try {
      undone?.push(...((await undo?.(stays)) ?? []))
    } catch (error) {
      failed?.push(`${callText(step)} (${explainFailure(error).says})`)
    }
  return { ...(undone?.length && { undone }), ...(failed?.length && { left: failed }) }
}

const callText = ({ shownCall }: Pick<EnrolStep, 'shownCall'>): string => shownCallText(shownCall)

import { isDenied } from '../../rotation/ask.ts'
import type { Checked, Line, LineName } from '../../rotation/check/line.ts'
import { type Failed, failedBy } from '../awsErrors.ts'
import { remedyIn } from '../check/print.ts'
import type { Found } from '../credentialId.ts'
import { type ExitCode, exit } from '../exit.ts'
import { plain } from '../output.ts'
import type { Say } from '../watch/view.ts'
import { Unsure } from './calls.ts'
import type { Plan } from './plan.ts'
import { lineOf, type Step } from './step.ts'

/** What enrolling works with. */
export type Work = {
  signal: AbortSignal
  /** Checks a credential that was tagged just now. */
  check(found: Found, say: Say): Promise<Checked>
  /** Shows the last check, and has its warnings confirmed if `asks`. @throws if they are not */
  accept(found: Found, checked: Checked, asks: boolean): Promise<void>
}

/** How it went with one credential. */
export type Outcome = {
  store?: Found['store']
  /** Its name, or what it was asked for by if it was not found. */
  id: string
  arn?: string
  code: ExitCode
  result: 'enrolled' | 'unchanged' | 'failed' | 'refused' | 'stopped' | 'not-begun' | 'planned'
  says: string
  remedy?: string
  checked?: Checked
  /** What was taken back, and what could not be. */
  undone?: string[]
  left?: string[]
  /** Why a tag stays though the rest was taken back. */
  stays?: string
  /** ARN of the rotation that was begun. */
  execution?: string
}

/** What no admin can mend, and no tag unless it is an option that is wrong: after one of these nothing more is tried, so that no login is repeated. */
const basics: readonly LineName[] = ['value', 'key', 'store', 'name', 'port', 'tls', 'login']

/** A check found that a rotation would fail. */
class NotWell extends Error {
  override readonly name = 'NotWell'
  readonly checked: Checked
  constructor(checked: Checked) {
    super('the check has failed')
    this.checked = checked
  }
}

/** Enrols one credential. If it does not come to its end, what was changed is taken back. Never throws. */
export async function enrolOne(work: Work, plan: Plan, say: Say): Promise<Outcome> {
  const { found } = plan
  const about = { store: found.store, id: found.name, arn: found.arn }
  const done: Step[] = []
  try {
    const checked = await go(work, plan, say, done)
    return { ...about, code: exit.done, result: 'enrolled', says: `enrolled: ${plan.says}`, checked }
  } catch (error) {
    const failed = failureOf(error, work.signal)
    const checked = error instanceof NotWell ? { checked: error.checked } : {}
    if (error instanceof Unsure) return { ...about, result: 'failed', ...failed, left: done.map(left) }
    const back = await takeBack(done, plan.stays)
    return {
      ...about,
      result: work.signal.aborted ? 'stopped' : 'failed',
      ...failed,
      ...checked,
      ...back,
      ...(plan.stays.length && staying),
    }
  }
}

const staying = {
  stays:
    'keyturn:strategy stays: the value names an admin now, which without that tag means alternating users',
}

/** Each part, and a check where one has changed something that it looks at. @throws NotWell */
async function go(work: Work, plan: Plan, say: Say, done: Step[]): Promise<Checked> {
  const { found, admit, prepare, turn } = plan
  const take = (steps: Step[]) => takeAll(work.signal, steps, say, done)
  await take(admit)
  let checked = admit.length || !prepare.length ? await work.check(found, say) : undefined
  if (checked && prepare.length && fails(checked, basics)) await refuse(work, found, checked)
  if (!checked || prepare.length) {
    await take(prepare)
    checked = await work.check(found, say)
  }
  if (checked.result === 'failed') await refuse(work, found, checked)
  await work.accept(found, withTakeover(plan, checked), warnsOf(plan, checked))
  await take(turn)
  return checked
}

async function refuse({ accept }: Work, found: Found, checked: Checked): Promise<never> {
  const told = withOptions(checked)
  await accept(found, told, false)
  throw new NotWell(told)
}

/** What an option of this command mends is said so. */
const withOptions = (checked: Checked): Checked => ({
  ...checked,
  lines: checked.lines.map(line => {
    const remedy = line.state === 'failed' && optionFor(line)
    return remedy ? { ...line, remedy } : line
  }),
})

function optionFor({ error, says }: Line): string | undefined {
  if (error === 'InvalidCredential' && /^masterarn\b/.test(says))
    return "Name the admin's secret by --admin NAME, or choose another --strategy."
  return error === 'InvalidOption' && /^keyturn:strategy\b/.test(says)
    ? 'Choose another --strategy.'
    : undefined
}

/** Whether a check warns of more than that another function rotates it, which this ends. */
const warnsOf = (plan: Plan, { lines }: Checked): boolean =>
  lines.some(line => line.state === 'warning' && !isEnded(plan, line))

const isEnded = ({ takesOver }: Plan, { line, state }: Line): boolean =>
  takesOver && state === 'warning' && line === 'tags'

/** A check advises to enrol what another function rotates, which is what is done here. */
const withTakeover = (plan: Plan, checked: Checked): Checked => ({
  ...checked,
  lines: checked.lines.map(line =>
    isEnded(plan, line) ? { ...line, remedy: 'That is ended now, as this takes it over.' } : line,
  ),
})

const fails = ({ lines }: Checked, names: readonly LineName[]): boolean =>
  lines.some(
    ({ line, state, error }) => state === 'failed' && error !== 'InvalidOption' && names.includes(line),
  )

async function takeAll(signal: AbortSignal, steps: Step[], say: Say, done: Step[]): Promise<void> {
  for (const step of steps) {
    signal.throwIfAborted()
    done.push(step)
    try {
      await step.run(say)
    } catch (error) {
      // AWS refused it for certain; else the answer may be lost, and it is taken back too.
      if (error instanceof Error && isDenied(error)) done.pop()
      throw error
    }
  }
}

function failureOf(error: unknown, signal: AbortSignal): Failed {
  if (signal.aborted)
    return { code: exit.stopped, says: 'stopped', remedy: 'The same command again begins anew.' }
  if (error instanceof NotWell) return { code: exit.failed, ...enrolling(notWellSays(error.checked)) }
  if (!(error instanceof Unsure)) return enrolling(failedBy(error))
  const { code, says } = failedBy(error.cause)
  return {
    ...{ code, says: `${says}; whether that was done is not known, so nothing was taken back` },
    remedy: 'The same command again goes on; keyturn unenrol takes everything back.',
  }
}

/** Remedies are written for a rotation that failed. */
const enrolling = <Told extends Omit<Failed, 'code'>>(failed: Told): Told => ({
  ...failed,
  ...(failed.remedy && { remedy: failed.remedy.replace('then rotate again', 'then enrol again') }),
})

function notWellSays({ lines }: Checked): Omit<Failed, 'code'> {
  const first = lines.find(({ state }) => state === 'failed') as Line
  const remedy = remedyIn(first)
  return { says: `its check has failed at ${first.line}: ${plain(first.says)}`, ...(remedy && { remedy }) }
}

/** Takes back what was done, the last first. One that cannot be taken back stops no other. */
async function takeBack(done: Step[], stays: string[]): Promise<Pick<Outcome, 'undone' | 'left'>> {
  const [undone, failed]: string[][] = [[], []]
  for (const { undo, ...step } of done.toReversed())
    try {
      undone?.push(...((await undo?.(stays)) ?? []))
    } catch (error) {
      failed?.push(`${left(step)} (${failedBy(error).says})`)
    }
  return { ...(undone?.length && { undone }), ...(failed?.length && { left: failed }) }
}

const left = ({ shown }: Pick<Step, 'shown'>): string => lineOf(shown)

import { failedBy } from '../awsErrors.ts'
import { type Begun, begin } from '../begin.ts'
import { checkMachineOf } from '../check/run.ts'
import { confirm } from '../confirm.ts'
import type { Context } from '../context.ts'
import { credentialOf, fullId } from '../credentialId.ts'
import { CredentialCalls } from '../enrol/calls.ts'
import { type Asked, askedIn } from '../enrol/file.ts'
import { isEmpty, type Plan, planOf } from '../enrol/plan.ts'
import { callsOf, previewOf } from '../enrol/preview.ts'
import { report } from '../enrol/report.ts'
import { enrolOne, type Outcome, type Work } from '../enrol/run.ts'
import { type Target, targetOf } from '../enrol/target.ts'
import { requireSense, type Wish } from '../enrol/wish.ts'
import { settingAdmin, workOf } from '../enrol/work.ts'
import { CommandError, type ExitCode, exit, worst } from '../exit.ts'
import { interruption } from '../interrupt.ts'
import { inLots } from '../lots.ts'
import { plain } from '../output.ts'
import { executionsOf, outputOf, type Stack, stackOf } from '../stack.ts'
import type { Say } from '../watch/view.ts'
import { showRotations } from './rotate.ts'

export type EnrolOptions = Wish & { from?: string; yes?: true; dryRun?: true }

/** One run of the command. `single`: one credential was named, and what happens is shown as it does. */
type Run = { context: Context; stack: Stack; signal: AbortSignal; single: boolean }

/**
 * Has a credential rotate by Keyturn, or many: shows the calls, asks, makes them one by one, and checks before it rotates by
 * itself. What does not come to its end is taken back.
 */
export async function enrol(
  context: Context,
  id: string | undefined,
  options: EnrolOptions,
): Promise<ExitCode> {
  const { from, yes = false, dryRun = false, ...wish } = options
  const asked = await askedBy(id, from, wish)
  const stack = await stackOf(context)
  requireFunctions(stack, asked)
  const run = { context, stack, signal: interruption(), single: from === undefined }
  const { targets, refused } = await targetsOf(run, asked)
  const plans = await plansOf(run, targets)
  const calls = new Map(plans.map(plan => [plan.found.arn, callsOf(stack, plan)]))
  const about = [
    ...plans.flatMap(plan => previewOf(stack, plan)),
    ...refused.map(({ id, says }) => `not ${plain(id)}: ${says}`),
  ]
  if (dryRun) {
    if (!context.json) for (const line of about) context.output.line(plain(line), 4)
    return report(context, [...plans.map(planned), ...refused], { calls, seen: false })
  }
  if (plans.some(plan => !isEmpty(plan) || plan.now))
    await confirm(context, { about, flag: '--yes', given: yes })
  const outcomes = await carryOut(run, plans, yes)
  const code = report(context, [...outcomes, ...refused], { calls, seen: run.single })
  return plans[0] ? lookOn(run, plans[0], code) : code
}

/** @throws CommandError if neither an id nor a file was given, or both, or if a line is wrong */
async function askedBy(id: string | undefined, from: string | undefined, wish: Wish): Promise<Asked[]> {
  const help = 'Give one ID, or a file with --from; see keyturn enrol --help.'
  if (id !== undefined && from !== undefined)
    throw new CommandError(exit.usage, 'an ID was given, and --from too', help)
  requireSense(wish)
  if (from !== undefined) return askedIn(from, wish)
  if (id === undefined) throw new CommandError(exit.usage, 'no credential was named', help)
  return [{ id, wish, place: '' }]
}

/** @throws CommandError if the stack is older than what enrolling needs of it */
function requireFunctions(stack: Stack, asked: Asked[]): void {
  checkMachineOf(stack)
  outputOf(stack, 'RotateSecretFunctionArn')
  if (asked.some(({ wish }) => wish.admin !== undefined)) outputOf(stack, 'SetAdminStateMachineArn')
}

/** What can be enrolled; of many, also what cannot. @throws CommandError if the only one cannot */
async function targetsOf(
  { context, stack, single }: Run,
  asked: Asked[],
): Promise<{ targets: Target[]; refused: Outcome[] }> {
  const found = await inLots(asked, ({ id, wish }) =>
    targetOf(context, stack, id, { wish, mayAsk: single }).catch((error): Outcome => {
      if (single) throw error
      return { id, result: 'refused', ...failedBy(error) }
    }),
  )
  const isRefused = (each: Target | Outcome): each is Outcome => 'code' in each
  const targets = found.filter(each => !isRefused(each)) as Target[]
  const twice = targets.filter(({ found }, n) => targets.findIndex(one => one.found.arn === found.arn) < n)
  return {
    targets: targets.filter(target => !twice.includes(target)),
    refused: [
      ...found.filter(isRefused),
      ...twice.map(({ found: { name } }): Outcome => {
        const says = 'another line names the same credential, by another id'
        return { id: name, result: 'refused', code: exit.usage, says }
      }),
    ],
  }
}

async function plansOf({ context, stack, signal }: Run, targets: Target[]): Promise<Plan[]> {
  const calls = await CredentialCalls.of(context)
  const setAdmin = settingAdmin(context, stack, signal)
  const isShared = ({ arn }: { arn: string }) => targets.filter(({ admin }) => admin?.arn === arn).length > 1
  const planning = { stack, calls, setAdmin, isShared }
  return targets.map(({ found, admin, wish }) => planOf(planning, found, admin, wish))
}

const aboutOf = ({ found: { store, name, arn } }: Plan) => ({ store, id: name, arn })

const planned = (plan: Plan): Outcome => ({
  ...aboutOf(plan),
  ...(isEmpty(plan) ? unchanged : { result: 'planned' as const, code: exit.done }),
  says: isEmpty(plan) ? 'nothing would change' : `nothing was changed yet; it would be ${plan.says}`,
})
const unchanged = { result: 'unchanged', code: exit.done } as const

/** Some at a time; what goes wrong with one does not stop the others. Ctrl-C has none begin that has not begun. */
function carryOut(run: Run, plans: Plan[], yes: boolean): Promise<Outcome[]> {
  const { context, stack, signal, single } = run
  const { output, json } = context
  const work = workOf(context, stack, { signal, yes, shows: single })
  const progress = (count: number, all: number) => {
    if (output.live && !json && count < all) output.passing(`${count} of ${all}`)
  }
  return inLots(plans, plan => carryOutOne(run, work, plan), progress)
}

async function carryOutOne(run: Run, work: Work, plan: Plan): Promise<Outcome> {
  const { context, signal, single } = run
  const about = aboutOf(plan)
  if (signal.aborted)
    return { ...about, result: 'not-begun', code: exit.stopped, says: 'not begun: nothing was changed' }
  const say: Say = text => {
    if (single && !context.json)
      context.output.line(`${new Date().toISOString().slice(11, 19)} ${plain(about.id)}: ${plain(text)}`, 2)
  }
  const outcome = isEmpty(plan)
    ? {
        ...about,
        ...unchanged,
        says: `is enrolled so already: ${plan.says}${plan.now ? '; it rotates now' : ''}`,
      }
    : await enrolOne(work, plan, say)
  if (!plan.now || outcome.code !== exit.done || isLookedAt(run)) return outcome
  try {
    return { ...outcome, execution: (await beginNow(run, plan)).executionArn }
  } catch (error) {
    const failed = failedBy(error)
    return { ...outcome, ...failed, says: `enrolled, but its rotation was not begun: ${failed.says}` }
  }
}

/** Whether a rotation at once is begun and looked at by itself, after the report. */
const isLookedAt = ({ context, single }: Run) => single && !context.json

async function lookOn(run: Run, plan: Plan, code: ExitCode): Promise<ExitCode> {
  if (!plan.now || code !== exit.done || !isLookedAt(run)) return code
  const start = { found: plan.found, begin: () => beginNow(run, plan) }
  return worst([code, await showRotations(run.context, [start], run.signal)])
}

/** The rotation of a credential that was enrolled just now: Secrets Manager has begun it, if there is a token. */
async function beginNow({ context, stack }: Run, { found, token }: Plan): Promise<Begun> {
  if (token) return { executionArn: `${executionsOf(stack)}:${token}`, byService: true }
  return begin(context, stack, await credentialOf(context, stack, fullId(found.store, found.name)))
}

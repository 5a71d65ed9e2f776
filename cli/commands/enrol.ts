import { explainFailure } from '../awsErrors.ts'
import { type BegunRotation, beginRotation } from '../beginRotation.ts'
import { checkStateMachineArn } from '../check/run.ts'
import { confirm } from '../confirm.ts'
import type { Context } from '../context.ts'
import { describeCredential, fullId } from '../credential.ts'
import { CredentialCalls } from '../enrol/calls.ts'
import { type EnrolOutcome, type EnrolWork, enrolOne } from '../enrol/enrolOne.ts'
import { type EnrolRequest, readEnrolFile } from '../enrol/file.ts'
import { type EnrolPlan, isEmptyPlan, planEnrolment } from '../enrol/plan.ts'
import { callsOf, previewOf } from '../enrol/preview.ts'
import { reportEnrolments } from '../enrol/report.ts'
import { type EnrolTarget, findTarget } from '../enrol/target.ts'
import { type RotationWish, requireConsistentWish } from '../enrol/wish.ts'
import { makeAdminSetter, makeEnrolWork } from '../enrol/work.ts'
import { EXIT, type ExitCode, usageError, worstExitCode } from '../exit.ts'
import { listenForInterrupt } from '../interrupt.ts'
import { mapInBatches } from '../mapInBatches.ts'
import { sanitize } from '../output.ts'
import { chooseStack, outputOf, rotationArnPrefix, type Stack } from '../stack.ts'
import type { Say } from '../watch/runJobs.ts'
import { beginAndWatchRotations } from './rotate.ts'

/** The options of `enrol`, as the command line gave them. `from` is a file that names many credentials. */
export type EnrolOptions = RotationWish & { from?: string; yes?: true; dryRun?: true }

/** One run of the command. `isSingle`: it is about one credential, without a file, and prints each step as it happens. */
type EnrolRun = { context: Context; stack: Stack; signal: AbortSignal; isSingle: boolean }

/**
 * Runs `enrol`: has one or many credentials rotate by this stack. It prints the AWS calls to be made, asks for confirmation,
 * makes the calls one by one, and checks each credential before its schedule is set. If the enrolment of a credential fails, its
 * calls are undone.
 */
export async function runEnrolCommand(
  context: Context,
  id: string | undefined,
  options: EnrolOptions,
): Promise<ExitCode> {
  const { from, yes = false, dryRun = false, ...wish } = options
  const requests = await readRequests(id, from, wish)
  const stack = await chooseStack(context)
  requireOutputs(stack, requests)
  const run = { context, stack, signal: listenForInterrupt(), isSingle: from === undefined }
  const { targets, refused } = await findTargets(run, requests)
  const plans = await planAll(run, targets)
  const calls = new Map(plans.map(plan => [plan.found.arn, callsOf(stack, plan)]))
  const previewLines = [
    ...plans.flatMap(plan => previewOf(stack, plan)),
    ...refused.map(({ id, says }) => `left out: ${sanitize(id)}: ${says}`),
  ]
  if (dryRun) {
    if (!context.json) for (const line of previewLines) context.output.line(sanitize(line), 4)
    return reportEnrolments(context, [...plans.map(plannedOutcome), ...refused], {
      calls,
      isCheckShown: false,
    })
  }
  if (plans.some(plan => !isEmptyPlan(plan) || plan.now))
    await confirm(context, { details: previewLines, flag: '--yes', isConfirmed: yes })
  const outcomes = await enrolAll(run, plans, yes)
  const code = reportEnrolments(context, [...outcomes, ...refused], { calls, isCheckShown: run.isSingle })
  // Only a single credential is watched, and its plan is the only one.
  return plans[0] ? watchRotation(run, plans[0], code) : code
}

/** The credentials to enrol. @throws CommandError if there is no id and no file, or both, or if a line of the file is wrong */
async function readRequests(
  id: string | undefined,
  from: string | undefined,
  wish: RotationWish,
): Promise<EnrolRequest[]> {
  const help = 'Give one ID, or a file with --from; see keyturn enrol --help.'
  if (id !== undefined && from !== undefined) throw usageError('an ID was given, and --from too', help)
  requireConsistentWish(wish)
  if (from !== undefined) return readEnrolFile(from, wish)
  if (id === undefined) throw usageError('no credential was named', help)
  return [{ id, wish, place: '' }]
}

/**
 * Checks that the stack has the state machines and the function that enrolling needs.
 * @throws CommandError if it is too old for that
 */
function requireOutputs(stack: Stack, requests: EnrolRequest[]): void {
  checkStateMachineArn(stack)
  outputOf(stack, 'RotateSecretFunctionArn')
  if (requests.some(({ wish }) => wish.admin !== undefined)) outputOf(stack, 'SetAdminStateMachineArn')
}

/**
 * Looks up the credentials to enrol. With a file, those that cannot be enrolled are `refused`.
 * @throws CommandError if the one credential of a command without a file cannot be enrolled
 */
async function findTargets(
  { context, stack, isSingle }: EnrolRun,
  requests: EnrolRequest[],
): Promise<{ targets: EnrolTarget[]; refused: EnrolOutcome[] }> {
  const found = await mapInBatches(requests, ({ id, wish }) =>
    findTarget(context, stack, id, { wish, mayAsk: isSingle }).catch((error): EnrolOutcome => {
      if (isSingle) throw error
      return { id, result: 'refused', ...explainFailure(error) }
    }),
  )
  const isRefused = (each: EnrolTarget | EnrolOutcome): each is EnrolOutcome => 'code' in each
  const targets = found.filter(each => !isRefused(each)) as EnrolTarget[]
  const duplicates = targets.filter(
    ({ found }, n) => targets.findIndex(one => one.found.arn === found.arn) < n,
  )
  return {
    targets: targets.filter(target => !duplicates.includes(target)),
    refused: [
      ...found.filter(isRefused),
      ...duplicates.map(({ found: { name } }): EnrolOutcome => {
        const says = 'an earlier line or entry names the same credential, by another id'
        return { id: name, result: 'refused', code: EXIT.usage, says }
      }),
    ],
  }
}

async function planAll({ context, stack, signal }: EnrolRun, targets: EnrolTarget[]): Promise<EnrolPlan[]> {
  const calls = await CredentialCalls.of(context)
  const setAdmin = makeAdminSetter(context, stack, signal)
  const isShared = ({ arn }: { arn: string }) => targets.filter(({ admin }) => admin?.arn === arn).length > 1
  const planning = { stack, calls, setAdmin, isShared }
  return targets.map(({ found, admin, wish }) => planEnrolment(planning, found, admin, wish))
}

const aboutOf = ({ found: { store, name, arn } }: EnrolPlan) => ({ store, id: name, arn })

const plannedOutcome = (plan: EnrolPlan): EnrolOutcome => ({
  ...aboutOf(plan),
  ...(isEmptyPlan(plan) ? UNCHANGED : { result: 'planned' as const, code: EXIT.done }),
  says: isEmptyPlan(plan) ? 'nothing would change' : `nothing was changed yet; it would rotate: ${plan.says}`,
})
const UNCHANGED = { result: 'unchanged', code: EXIT.done } as const

/** Enrols the credentials, some at a time. If one fails, the others go on; after Ctrl-C, those not begun yet are left out. */
function enrolAll(run: EnrolRun, plans: EnrolPlan[], yes: boolean): Promise<EnrolOutcome[]> {
  const { context, stack, signal, isSingle } = run
  const { output, json } = context
  const work = makeEnrolWork(context, stack, { signal, yes, showsLines: isSingle })
  const progress = (count: number, all: number) => {
    if (output.isInteractive && !json && count < all) output.progress(`${count} of ${all}`)
  }
  return mapInBatches(plans, plan => enrolAndBegin(run, work, plan), progress)
}

/**
 * Enrols one credential unless it is enrolled already, and begins its rotation if that is wanted. A rotation that is to be watched
 * is left to watchRotation, after the report.
 */
async function enrolAndBegin(run: EnrolRun, work: EnrolWork, plan: EnrolPlan): Promise<EnrolOutcome> {
  const { context, signal, isSingle } = run
  const about = aboutOf(plan)
  if (signal.aborted)
    return { ...about, result: 'not-begun', code: EXIT.stopped, says: 'not begun: nothing was changed' }
  const say: Say = text => {
    if (isSingle && !context.json)
      context.output.line(
        `${new Date().toISOString().slice(11, 19)} ${sanitize(about.id)}: ${sanitize(text)}`,
        2,
      )
  }
  const outcome = isEmptyPlan(plan)
    ? {
        ...about,
        ...UNCHANGED,
        says: `is already enrolled like this: ${plan.says}${plan.now ? '; it rotates now' : ''}`,
      }
    : await enrolOne(work, plan, say)
  if (!plan.now || outcome.code !== EXIT.done || isWatched(run)) return outcome
  try {
    return { ...outcome, execution: (await beginRotationNow(run, plan)).executionArn }
  } catch (error) {
    const failed = explainFailure(error)
    return { ...outcome, ...failed, says: `is enrolled, but its rotation was not begun: ${failed.says}` }
  }
}

/** Whether the user watches the rotation that --now asks for: then watchRotation begins it after the report, or only watches it if Secrets Manager has begun it. */
const isWatched = ({ context, isSingle }: EnrolRun) => isSingle && !context.json

async function watchRotation(run: EnrolRun, plan: EnrolPlan, code: ExitCode): Promise<ExitCode> {
  if (!plan.now || code !== EXIT.done || !isWatched(run)) return code
  const start = { found: plan.found, beginRotation: () => beginRotationNow(run, plan) }
  return worstExitCode([code, await beginAndWatchRotations(run.context, [start], run.signal)])
}

/**
 * Begins the rotation of a credential that is enrolled now. If the plan has a token, Secrets Manager has begun that rotation
 * already, when the schedule was set.
 */
async function beginRotationNow(
  { context, stack }: EnrolRun,
  { found, token }: EnrolPlan,
): Promise<BegunRotation> {
  if (token) return { executionArn: `${rotationArnPrefix(stack)}:${token}`, bySecretsManager: true }
  return beginRotation(
    context,
    stack,
    await describeCredential(context, stack, fullId(found.store, found.name)),
  )
}

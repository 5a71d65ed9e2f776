import { explainFailure } from '../awsErrors.ts'
import { canAsk, confirm } from '../confirm.ts'
import type { Context } from '../context.ts'
import type { FoundSecret } from '../credential.ts'
import { CommandError, EXIT, type ExitCode, usageError, worstExitCode } from '../exit.ts'
import { listenForInterrupt } from '../interrupt.ts'
import { mapInBatches } from '../mapInBatches.ts'
import { sanitize } from '../output.ts'
import { placeOf, type Stack } from '../stack.ts'
import type { Say } from '../watch/runJobs.ts'
import { addAction } from './add.ts'
import { SecretCalls } from './calls.ts'
import { listedReplica } from './copies.ts'
import { findSecrets } from './findSecrets.ts'
import { canBeGivenUp, giveUpAction } from './giveUp.ts'
import { removeAction } from './remove.ts'
import { mayRenew, renewAction, repairAction } from './repair.ts'
import {
  type ActionContext,
  type ActionResult,
  actionCommand,
  type ReplicaAction,
  type ReplicaOutcome,
  type ReplicaPlan,
} from './replicaAction.ts'
import { ACTION_FLAGS, type ActionName, type ReplicaRequest } from './request.ts'
import { requireStacksUpToDate } from './requireStacksUpToDate.ts'

/** The code of each action. */
const replicaActions: Record<ActionName, ReplicaAction> = {
  add: addAction,
  remove: removeAction,
  repair: repairAction,
  giveUp: giveUpAction,
}

/** Runs an action on the replicas of the chosen secrets in one Region, after the user has confirmed it where that is needed. */
export async function runReplicaAction(
  context: Context,
  stack: Stack,
  request: ReplicaRequest,
): Promise<ExitCode> {
  const { action, region } = request
  if (region === placeOf(stack).region)
    throw usageError(
      `${region} is the Region of the stack ${stack.name}, where the primaries are`,
      'Name the other Region.',
    )
  const found = await findTargets(context, stack, request)
  const notes = replicaActions[action].setsTags
    ? await requireStacksUpToDate(context, stack, regionsOf(found, region))
    : []
  if (!context.json) for (const note of notes) context.output.note(note)
  const work = {
    context,
    stack,
    request,
    calls: await SecretCalls.of(context),
    // Never aborted: until the user has confirmed, Ctrl-C is an answer to the question, or ends the command.
    signal: new AbortController().signal,
  }
  const planned = await planAll(work, replicaActions[action], found)
  if (planned.plans.length && (replicaActions[action].mustBeConfirmed || 'tags' in request.chosen))
    await confirmPlans(work, planned)
  const interruptibleWork = { ...work, signal: listenForInterrupt() }
  let outcomes = [
    ...planned.refusals,
    ...(await runAll(interruptibleWork, replicaActions[action], planned.plans)),
  ]
  if (action === 'repair') outcomes = await renewStuck(interruptibleWork, outcomes)
  report(context, request, outcomes, notes)
  return worstExitCode(outcomes.map(({ code }) => code))
}

/**
 * The chosen secrets. When several are chosen, only those to which the action applies: for `add` all, for `giveUp` those with
 * something to give up, else those with a replica in the Region.
 * @throws CommandError if there are none
 */
async function findTargets(context: Context, stack: Stack, request: ReplicaRequest): Promise<FoundSecret[]> {
  const { action, region, chosen } = request
  const all = await findSecrets(context, stack, chosen)
  if ('id' in chosen) return all
  const findEligible = async () => {
    if (action === 'add') return all
    if (action !== 'giveUp') return all.filter(({ secret }) => listedReplica(secret, region))
    const canGiveUp = await mapInBatches(all, ({ secret }) => canBeGivenUp({ context, request }, secret))
    return all.filter((_, n) => canGiveUp[n])
  }
  const targets = await findEligible()
  if (targets.length) return targets
  throw usageError(
    all.length ? `none of the ${all.length} secrets has a replica in ${region}` : 'there is no such secret',
    all.length
      ? 'keyturn replicas with the same --tag and --prefix shows the replicas that they have.'
      : 'Check --tag and --prefix; a secret needs every tag, and names are case-sensitive.',
  )
}

/** The Regions of these secrets' replicas, and `region`. */
const regionsOf = (found: FoundSecret[], region: string): string[] => {
  const listed = found.flatMap(({ secret }) =>
    (secret.ReplicationStatus ?? []).map(each => each.Region ?? ''),
  )
  return [...new Set([region, ...listed])]
}

type PlannedActions = { plans: ReplicaPlan[]; refusals: ReplicaOutcome[] }

/** Plans the action for each secret. `refusals` are the secrets for which it cannot be done. */
async function planAll(
  work: ActionContext,
  { plan }: ReplicaAction,
  found: FoundSecret[],
): Promise<PlannedActions> {
  const planned = await mapInBatches(found, secret =>
    plan(work, secret).catch(
      (error): ReplicaOutcome => ({ ...resultOfError(error, 'refused'), found: secret }),
    ),
  )
  const isRefusal = (each: ReplicaPlan | ReplicaOutcome): each is ReplicaOutcome => 'code' in each
  return {
    plans: planned.filter(each => !isRefusal(each)) as ReplicaPlan[],
    refusals: planned.filter(isRefusal),
  }
}

/** Shows the plans, and has the user confirm them. @throws CommandError if they are not confirmed */
async function confirmPlans(
  { context, request }: ActionContext,
  { plans, refusals }: PlannedActions,
): Promise<void> {
  const { action, region, isConfirmed, chosen } = request
  const choosesMany = 'tags' in chosen
  const details = [
    `${ACTION_FLAGS[action]} ${region}: ${plans.length} ${plans.length === 1 ? 'secret' : 'secrets'}`,
    ...plans.flatMap(plan => linesOf(plan)),
    ...refusals.map(({ found, says }) => `  not ${sanitize(found.name)}: ${says}`),
  ]
  const word = choosesMany || plans.some(({ mustBeTyped }) => mustBeTyped) ? { word: region } : {}
  await confirm(context, { details, ...word, flag: `--confirm ${region}`, isConfirmed })
}

const linesOf = ({ found, details }: ReplicaPlan): string[] => [
  `  secret:${sanitize(found.name)}`,
  ...details.map(detail => `    ${detail}`),
]

/** Runs the plans, some at a time. If one fails, the others go on; after Ctrl-C, those not begun yet are left out. */
function runAll(
  work: ActionContext,
  { run }: ReplicaAction,
  plans: ReplicaPlan[],
): Promise<ReplicaOutcome[]> {
  const { output, json } = work.context
  const progress = (count: number, all: number) => {
    if (output.isInteractive && !json && count < all) output.progress(`${count} of ${all}`)
  }
  const runOne = async ({ found }: ReplicaPlan): Promise<ReplicaOutcome> => {
    if (work.signal.aborted) return { ...NOT_BEGUN, found }
    const printLine = (text: string) => {
      if (!json)
        output.line(`${new Date().toISOString().slice(11, 19)} ${sanitize(found.name)}: ${sanitize(text)}`, 2)
    }
    const say: Say = plans.length === 1 ? printLine : () => {}
    const result = await run(work, found, say).catch(error => resultOfError(error, 'failed'))
    if (result.code === EXIT.done) printLine(result.says)
    return { ...result, found }
  }
  return mapInBatches(plans, runOne, progress)
}

const NOT_BEGUN: ActionResult = {
  code: EXIT.stopped,
  result: 'not-begun',
  says: 'not begun, as it was stopped before: nothing was changed',
}

/**
 * Offers to delete the replicas that replicating again has not repaired, and to make new ones. Does so if the user confirms it.
 * @returns the outcomes, those of such replicas replaced by what became of them, or with the offer as their remedy
 */
async function renewStuck(work: ActionContext, outcomes: ReplicaOutcome[]): Promise<ReplicaOutcome[]> {
  const { context, request, signal } = work
  const stuck = outcomes.filter(mayRenew)
  if (!stuck.length || signal.aborted) return outcomes
  const { region } = request
  const withRenewRemedy = (why: string) =>
    outcomes.map(outcome =>
      stuck.includes(outcome)
        ? {
            ...outcome,
            remedy: `${why}Deleting the replica and making a new one may help: ${actionCommand('repair', region, outcome.found)} --confirm ${region}; until the new one is there, that Region has no such secret.`,
          }
        : outcome,
    )
  if (!request.isConfirmed && !canAsk(context)) return withRenewRemedy('')
  const planned = await planAll(
    work,
    renewAction,
    stuck.map(({ found }) => found),
  )
  try {
    if (planned.plans.length) await confirmPlans(work, planned)
  } catch (error) {
    if (error instanceof CommandError) return withRenewRemedy('That was not confirmed. ')
    throw error
  }
  const renewed = [...planned.refusals, ...(await runAll(work, renewAction, planned.plans))]
  return outcomes.map(outcome => renewed.find(({ found }) => found.arn === outcome.found.arn) ?? outcome)
}

const resultOfError = (error: unknown, result: string): ActionResult => ({ ...explainFailure(error), result })

function report(
  { output, json }: Context,
  request: ReplicaRequest,
  outcomes: ReplicaOutcome[],
  notes: string[],
): void {
  const { action, region } = request
  if (json) {
    const secrets = outcomes.map(({ code, found, waitResult: _, ...result }) => ({
      secret: found.name,
      ...result,
      exitCode: code,
    }))
    output.json({ action: ACTION_FLAGS[action].slice(2), region, notes, secrets })
  }
  for (const { code, found, says, remedy } of outcomes)
    if (code !== EXIT.done) output.error({ message: `${found.name}: ${says}`, remedy })
}

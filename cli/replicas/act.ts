import { failedBy } from '../awsErrors.ts'
import { canAsk, confirm } from '../confirm.ts'
import type { Context } from '../context.ts'
import type { FoundSecret } from '../credentialId.ts'
import { CommandError, type ExitCode, exit, worst } from '../exit.ts'
import { interruption } from '../interrupt.ts'
import { inLots } from '../lots.ts'
import { plain } from '../output.ts'
import { placeOf, type Stack } from '../stack.ts'
import type { Say } from '../watch/view.ts'
import { add } from './add.ts'
import { Calls } from './calls.ts'
import { secretsOf } from './chosen.ts'
import { listedIn } from './copies.ts'
import { giveUp, isThere } from './giveUp.ts'
import { requireRelease } from './release.ts'
import { remove } from './remove.ts'
import { mayRenew, renew, repair } from './repair.ts'
import { type Action, flags, type Request } from './request.ts'
import { type Act, callFor, type Outcome, type Plan, refused, type Told, type Work } from './work.ts'

const acts: Record<Action, Act> = { add, remove, repair, giveUp }

/** Does what was asked for with the replicas in one Region, after a question where it needs one. */
export async function act(context: Context, stack: Stack, request: Request): Promise<ExitCode> {
  const { action, region } = request
  if (region === placeOf(stack).region)
    throw refused(
      `${region} is the Region of the stack ${stack.name}, where the primaries are`,
      'Name the other Region.',
    )
  const found = await targetsOf(context, stack, request)
  const notes = acts[action].tags ? await requireRelease(context, stack, regionsOf(found, region)) : []
  if (!context.json) for (const note of notes) context.output.note(note)
  const work = {
    context,
    stack,
    request,
    calls: await Calls.of(context),
    signal: new AbortController().signal,
  }
  const planned = await plansOf(work, acts[action], found)
  if (planned.plans.length && (acts[action].asks || 'tags' in request.chosen)) await ask(work, planned)
  const going = { ...work, signal: interruption() }
  let outcomes = [...planned.refusals, ...(await each(going, acts[action], planned.plans))]
  if (action === 'repair') outcomes = await renewed(going, outcomes)
  report(context, request, outcomes, notes)
  return worst(outcomes.map(({ code }) => code))
}

/** What is chosen, as far as it has a replica there, or as it is to get one. */
async function targetsOf(context: Context, stack: Stack, request: Request): Promise<FoundSecret[]> {
  const { action, region, chosen } = request
  const all = await secretsOf(context, stack, chosen)
  if ('id' in chosen) return all
  const amongMany = async (all: FoundSecret[]) => {
    if (action === 'add') return all
    if (action !== 'giveUp') return all.filter(({ secret }) => listedIn(secret, region))
    const there = await inLots(all, ({ secret }) => isThere({ context, request }, secret))
    return all.filter((_, n) => there[n])
  }
  const targets = await amongMany(all)
  if (targets.length) return targets
  throw refused(
    all.length ? `none of the ${all.length} secrets has a replica in ${region}` : 'there is no such secret',
    all.length
      ? 'keyturn replicas with the same --tag and --prefix shows those they have.'
      : 'See --tag and --prefix; a secret needs every tag, and names are case-sensitive.',
  )
}

const regionsOf = (found: FoundSecret[], region: string): string[] => {
  const listed = found.flatMap(({ secret }) =>
    (secret.ReplicationStatus ?? []).map(each => each.Region ?? ''),
  )
  return [...new Set([region, ...listed])]
}

type Planned = { plans: Plan[]; refusals: Outcome[] }

/** What can be done, and what cannot. */
async function plansOf(work: Work, { plan }: Act, found: FoundSecret[]): Promise<Planned> {
  const planned = await inLots(found, one =>
    plan(work, one).catch((error): Outcome => ({ ...toldOfError(error, 'refused'), found: one })),
  )
  const isRefusal = (each: Plan | Outcome): each is Outcome => 'code' in each
  return { plans: planned.filter(each => !isRefusal(each)) as Plan[], refusals: planned.filter(isRefusal) }
}

async function ask({ context, request }: Work, { plans, refusals }: Planned): Promise<void> {
  const { action, region, given, chosen } = request
  const many = 'tags' in chosen
  const about = [
    `${flags[action]} ${region}: ${plans.length} ${plans.length === 1 ? 'secret' : 'secrets'}`,
    ...plans.flatMap(plan => linesOf(plan)),
    ...refusals.map(({ found, says }) => `  not ${plain(found.name)}: ${says}`),
  ]
  const word = many || plans.some(({ typed }) => typed) ? { word: region } : {}
  await confirm(context, { about, ...word, flag: `--confirm ${region}`, given })
}

const linesOf = ({ found, about }: Plan): string[] => [
  `  secret:${plain(found.name)}`,
  ...about.map(line => `    ${line}`),
]

/** Some at a time; what goes wrong with one does not stop the others. Ctrl-C has none begin that has not begun. */
function each(work: Work, { run }: Act, plans: Plan[]): Promise<Outcome[]> {
  const { output, json } = work.context
  const progress = (count: number, all: number) => {
    if (output.live && !json && count < all) output.passing(`${count} of ${all}`)
  }
  const one = async ({ found }: Plan): Promise<Outcome> => {
    if (work.signal.aborted) return { ...notBegun, found }
    const line = (text: string) => {
      if (!json)
        output.line(`${new Date().toISOString().slice(11, 19)} ${plain(found.name)}: ${plain(text)}`, 2)
    }
    const say: Say = plans.length === 1 ? line : () => {}
    const told = await run(work, found, say).catch(error => toldOfError(error, 'failed'))
    if (told.code === exit.done) line(told.says)
    return { ...told, found }
  }
  return inLots(plans, one, progress)
}

const notBegun: Told = {
  ...{ code: exit.stopped, result: 'not-begun' },
  says: 'not begun, as it was stopped before: nothing was changed',
}

/** Asks about those that replicating again has not mended, and makes them anew if that is confirmed. */
async function renewed(work: Work, outcomes: Outcome[]): Promise<Outcome[]> {
  const { context, request, signal } = work
  const hanging = outcomes.filter(mayRenew)
  if (!hanging.length || signal.aborted) return outcomes
  const { region } = request
  const left = (why: string) =>
    outcomes.map(outcome =>
      hanging.includes(outcome)
        ? {
            ...outcome,
            remedy: `${why}Removing it and adding it again may help: ${callFor('repair', region, outcome.found)} --confirm ${region}, for a time without the secret there.`,
          }
        : outcome,
    )
  if (!request.given && !canAsk(context)) return left('')
  const planned = await plansOf(
    work,
    renew,
    hanging.map(({ found }) => found),
  )
  try {
    if (planned.plans.length) await ask(work, planned)
  } catch (error) {
    if (error instanceof CommandError) return left('It was not confirmed. ')
    throw error
  }
  const anew = [...planned.refusals, ...(await each(work, renew, planned.plans))]
  return outcomes.map(outcome => anew.find(({ found }) => found.arn === outcome.found.arn) ?? outcome)
}

const toldOfError = (error: unknown, result: string): Told => ({ ...failedBy(error), result })

function report({ output, json }: Context, request: Request, outcomes: Outcome[], notes: string[]): void {
  const { action, region } = request
  if (json) {
    const secrets = outcomes.map(({ code, found, followed: _, ...told }) => ({
      secret: found.name,
      ...told,
      exitCode: code,
    }))
    output.json({ action: flags[action].slice(2), region, notes, secrets })
  }
  for (const { code, found, says, remedy } of outcomes)
    if (code !== exit.done) output.error({ message: `${found.name}: ${says}`, remedy })
}

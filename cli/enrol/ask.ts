import { STRATEGY_NAMES, type StrategyName } from '../../rotation/strategies/strategyNames.ts'
import { EVERY_TAG, isOpaque, strategyIn, TAG_PREFIX } from '../../rotation/tags.ts'
import { isRotatedByStack } from '../beginRotation.ts'
import { canAsk, readAnswer } from '../confirm.ts'
import type { Context } from '../context.ts'
import { type FoundCredential, fullId } from '../credential.ts'
import { CommandError, EXIT } from '../exit.ts'
import { findCredential } from '../findCredential.ts'
import type { Stack } from '../stack.ts'
import { functionText, rotationByOtherFunction } from './previousRotation.ts'
import { requireAdminSecret, requireRotatable } from './requireRotatable.ts'
import { type RotationWish, wishProblem } from './wish.ts'

/** What each strategy does, in a few words. */
const STRATEGY_TEXTS: Record<StrategyName, string> = {
  'single-user': 'one user; the old password is refused as soon as the new one is set',
  'alternating-users': 'two users take turns, and the old one stays valid for a time; needs an admin',
  'temporary-clone': 'the application is on a second user for a time, then back; needs an admin',
  'dual-password': 'one user, and both passwords are valid for a time; MySQL, MariaDB, Redis',
  master: 'the master user of an RDS database, whose password RDS changes',
}
const STRATEGIES_WITH_ADMIN: readonly string[] = ['alternating-users', 'temporary-clone']
/** Where what was replaced stays valid for a time. */
const STRATEGIES_WITH_GRACE: readonly string[] = [...STRATEGIES_WITH_ADMIN, 'dual-password']

/** What has to be known of a credential and is not, by the options that say it. */
function missingFlags(found: FoundCredential, stack: Stack, wish: RotationWish): string[] {
  const { strategy, every, schedule } = wish
  const isTurned =
    EVERY_TAG in found.tags || (found.store === 'secrets-manager' && isRotatedByStack(stack, found))
  return [
    ...(strategy || strategyIn(found.tags) ? [] : ['--strategy']),
    ...(every || schedule || isTurned
      ? []
      : [found.store === 'secrets-manager' ? '--every or --schedule' : '--every']),
  ]
}

/** What follows without a question: any text leaves one strategy. */
const withOnlyStrategy = (found: FoundCredential, wish: RotationWish): RotationWish =>
  isOpaque(found.tags) && !wish.strategy && !strategyIn(found.tags)
    ? { ...wish, strategy: 'single-user' }
    : wish

/** What was said of it, and whether somebody may be asked for the rest. */
type Asking = { wish: RotationWish; mayAsk: boolean }

/**
 * The wish with what it lacks, as somebody at the terminal says it.
 * @throws CommandError where nobody can be asked, or does not answer
 */
export async function completeWish(
  context: Context,
  stack: Stack,
  found: FoundCredential,
  asked: Asking,
): Promise<RotationWish> {
  const wish = withOnlyStrategy(found, asked.wish)
  const missing = missingFlags(found, stack, wish)
  if (!missing.length) return wish
  if (!asked.mayAsk || !canAsk(context))
    throw new CommandError(
      EXIT.usage,
      `it is not said how ${fullId(found.store, found.name)} is to rotate: ${missing.join(', ')}`,
      `Give ${missing.join(' and ')}; see keyturn enrol --help.`,
    )
  context.output.note(
    `How is ${fullId(found.store, found.name)} to rotate? Enter alone takes what stands in brackets.`,
  )
  const how = missing.includes('--strategy') ? await askHow(context, stack, found, wish) : {}
  const when = missing.some(flag => flag.startsWith('--every')) ? await askWhen(context, found) : {}
  return { ...wish, ...how, ...when }
}

async function askHow(
  context: Context,
  stack: Stack,
  found: FoundCredential,
  wish: RotationWish,
): Promise<RotationWish> {
  const names =
    `${TAG_PREFIX}connection` in found.tags ? (['single-user', 'dual-password'] as const) : STRATEGY_NAMES
  for (const [n, name] of names.entries()) context.output.note(`  ${n + 1} ${name}: ${STRATEGY_TEXTS[name]}`)
  const usual = isOfTwoUsers(stack, found) || wish.admin ? 'alternating-users' : 'single-user'
  const strategy = await ask(
    context,
    'Strategy, by its number or name',
    usual,
    async text =>
      names.find((name, n) => name === text || `${n + 1}` === text) ??
      new InvalidAnswer(`It is none of them: give a number from 1 to ${names.length}, or a name.`),
  )
  const admin =
    STRATEGIES_WITH_ADMIN.includes(strategy) && !wish.admin ? await askAdmin(context, stack, found) : ''
  const grace =
    STRATEGIES_WITH_GRACE.includes(strategy) && !wish.grace
      ? await askText(
          context,
          "Grace time, such as 48h, or nothing for the deployment's: 24h, unless it was deployed with another",
          grace => wishProblem({ strategy, grace }),
        )
      : ''
  return { strategy, ...(admin && { admin }), ...(grace && { grace }) }
}

/** The id of an admin's secret, as far as it shows that it is one. */
const askAdmin = (context: Context, stack: Stack, found: FoundCredential): Promise<string> =>
  askText(context, "ARN or name of the admin's secret, or nothing if the value has masterarn", async id => {
    try {
      requireRotatable(found, requireAdminSecret(await findCredential(context, stack, id)))
      return undefined
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      return `${error.message}.`
    }
  })

/** Whether the function that rotates a secret today says by its name that it has two users. */
function isOfTwoUsers(stack: Stack, found: FoundCredential): boolean {
  const other = found.store === 'secrets-manager' ? rotationByOtherFunction(found, stack) : undefined
  return other !== undefined && /MultiUser/i.test(functionText(other.function))
}

async function askWhen(context: Context, { store }: FoundCredential): Promise<RotationWish> {
  const isSecret = store === 'secrets-manager'
  const hint = isSecret ? ', or rate(…) or cron(…) for a schedule of Secrets Manager' : ''
  const ofService = (text: string) => isSecret && /^(rate|cron)/.test(text)
  const often = await ask(context, `How often, such as 30d${hint}`, '30d', async text => {
    const problem = wishProblem(ofService(text) ? { schedule: text } : { every: text })
    return problem === undefined ? text : new InvalidAnswer(problem)
  })
  if (ofService(often)) {
    const duration = await askText(context, 'Window of the schedule, such as 2h, or nothing', duration =>
      wishProblem({ schedule: often, duration }),
    )
    return { schedule: often, ...(duration && { duration }) }
  }
  const window = await askText(context, 'Window, such as 02:00-05:00, or nothing for any time', window =>
    wishProblem({ every: often, window }),
  )
  return { every: often, ...(window && { window }) }
}

/** A text that nothing is wrong with, or none. */
const askText = (
  context: Context,
  question: string,
  problemOf: (text: string) => string | undefined | Promise<string | undefined>,
): Promise<string> =>
  ask(context, question, '', async text => {
    const problem = await problemOf(text)
    return problem === undefined ? text : new InvalidAnswer(problem)
  })

/** Why an answer is none. */
class InvalidAnswer {
  readonly says: string
  constructor(says: string) {
    this.says = says
  }
}

/** Asks until the answer is one, five times at most. @throws CommandError after that, and at Ctrl-C */
async function ask<Answer extends string>(
  { terminal, output }: Context,
  question: string,
  usual: Answer,
  read: (text: string) => Promise<Answer | InvalidAnswer>,
): Promise<Answer> {
  for (let times = 0; times < 5; times++) {
    const text = await readAnswer(terminal, `${question}${usual && ` [${usual}]`}: `)
    if (text === undefined) break
    const answer = text === '' ? usual : await read(text)
    if (!(answer instanceof InvalidAnswer)) return answer
    output.note(answer.says)
  }
  throw new CommandError(EXIT.usage, 'not answered: nothing was changed')
}

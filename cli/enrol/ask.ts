import {
  CLOSING_STRATEGIES,
  STRATEGY_NAMES,
  type StrategyName,
} from '../../rotation/strategies/strategyNames.ts'
import { EVERY_TAG, isOpaque, strategyIn, TAG_PREFIX } from '../../rotation/tags.ts'
import { isRotatedByStack } from '../beginRotation.ts'
import { canAsk, readAnswer } from '../confirm.ts'
import type { Context } from '../context.ts'
import { type FoundCredential, fullId } from '../credential.ts'
import { CommandError, usageError } from '../exit.ts'
import { findCredential } from '../findCredential.ts'
import type { Stack } from '../stack.ts'
import { functionText, rotationByOtherFunction } from './previousRotation.ts'
import { requireAdminSecret, requireRotatable } from './requireRotatable.ts'
import { type RotationWish, wishProblem } from './wish.ts'

/** What each strategy does, as shown when the user chooses one. */
const STRATEGY_TEXTS: Record<StrategyName, string> = {
  'single-user': 'one user; the old password is refused as soon as the new one is set',
  'alternating-users': 'two users alternate, and the old one stays valid for a grace time; needs an admin',
  'temporary-clone': 'the application uses a second user for a grace time, then moves back; needs an admin',
  'dual-password':
    'one user with two valid passwords for a grace time; MySQL, or with an admin MariaDB, Redis and Valkey',
  master: 'the master user of an RDS database, whose password RDS changes',
}
/** The strategies that need an admin on every engine. */
const STRATEGIES_WITH_ADMIN: readonly string[] = ['alternating-users', 'temporary-clone']

/** The options that are needed, and that neither the command line nor the credential's tags give: a strategy, and a schedule. */
function missingFlags(found: FoundCredential, stack: Stack, wish: RotationWish): string[] {
  const { strategy, every, schedule } = wish
  // By a tag of Keyturn's, or in Secrets Manager with this stack's function.
  const hasSchedule =
    EVERY_TAG in found.tags || (found.store === 'secrets-manager' && isRotatedByStack(stack, found))
  return [
    ...(strategy || strategyIn(found.tags) ? [] : ['--strategy']),
    ...(every || schedule || hasSchedule
      ? []
      : [found.store === 'secrets-manager' ? '--every or --schedule' : '--every']),
  ]
}

/** Sets the strategy without a question where there is only one: an opaque value, which is any text, can only be single-user. */
const withOnlyStrategy = (found: FoundCredential, wish: RotationWish): RotationWish =>
  isOpaque(found.tags) && !wish.strategy && !strategyIn(found.tags)
    ? { ...wish, strategy: 'single-user' }
    : wish

/** The options as given, and whether the user may be asked for the missing ones. */
type Asking = { wish: RotationWish; mayAsk: boolean }

/**
 * Asks at the terminal for the options that are missing.
 * @returns the wish with the answers
 * @throws CommandError if options are missing and nothing can be asked, or if a question is not answered
 */
export async function completeWish(
  context: Context,
  stack: Stack,
  found: FoundCredential,
  asking: Asking,
): Promise<RotationWish> {
  const wish = withOnlyStrategy(found, asking.wish)
  const missing = missingFlags(found, stack, wish)
  if (!missing.length) return wish
  if (!asking.mayAsk || !canAsk(context))
    throw usageError(
      `options are missing for ${fullId(found.store, found.name)}: ${missing.join(', ')}`,
      `Give ${missing.join(' and ')}; see keyturn enrol --help.`,
    )
  context.output.note(
    `How should ${fullId(found.store, found.name)} rotate? Press Enter for the answer in brackets.`,
  )
  const strategyAnswers = missing.includes('--strategy') ? await askStrategy(context, stack, found, wish) : {}
  // Both texts about a missing schedule begin with --every.
  const scheduleAnswers = missing.some(flag => flag.startsWith('--every'))
    ? await askSchedule(context, found)
    : {}
  return { ...wish, ...strategyAnswers, ...scheduleAnswers }
}

async function askStrategy(
  context: Context,
  stack: Stack,
  found: FoundCredential,
  wish: RotationWish,
): Promise<RotationWish> {
  // A password that is stored alone is always of the same user, whose name is in the parameter of keyturn:connection.
  const names =
    `${TAG_PREFIX}connection` in found.tags ? (['single-user', 'dual-password'] as const) : STRATEGY_NAMES
  for (const [n, name] of names.entries()) context.output.note(`  ${n + 1} ${name}: ${STRATEGY_TEXTS[name]}`)
  const defaultAnswer =
    isAlternatedByTemplate(stack, found) || wish.admin ? 'alternating-users' : 'single-user'
  const strategy = await ask(
    context,
    'Strategy, by its number or name',
    defaultAnswer,
    async text =>
      names.find((name, n) => name === text || `${n + 1}` === text) ??
      new InvalidAnswer(`There is no such strategy: type a number from 1 to ${names.length}, or a name.`),
  )
  const admin =
    STRATEGIES_WITH_ADMIN.includes(strategy) && !wish.admin ? await askAdmin(context, stack, found) : ''
  const grace =
    CLOSING_STRATEGIES.includes(strategy) && !wish.grace
      ? await askText(
          context,
          "Grace time, such as 48h, or nothing for the stack's default, which is 24h unless it was deployed with another",
          grace => wishProblem({ strategy, grace }),
        )
      : ''
  return { strategy, ...(admin && { admin }), ...(grace && { grace }) }
}

/** Asks for the id of an admin's secret, until the answer is empty or an existing secret that can be this credential's admin. */
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

/** Whether another function rotates a secret today, and has MultiUser in its name, as AWS's templates that alternate two users. */
function isAlternatedByTemplate(stack: Stack, found: FoundCredential): boolean {
  const other = found.store === 'secrets-manager' ? rotationByOtherFunction(found, stack) : undefined
  return other !== undefined && /MultiUser/i.test(functionText(other.function))
}

async function askSchedule(context: Context, { store }: FoundCredential): Promise<RotationWish> {
  const isSecret = store === 'secrets-manager'
  const hint = isSecret ? ', or rate(…) or cron(…) for a schedule of Secrets Manager' : ''
  const isServiceSchedule = (text: string) => isSecret && /^(rate|cron)/.test(text)
  const interval = await ask(context, `How often, such as 30d${hint}`, '30d', async text => {
    const problem = wishProblem(isServiceSchedule(text) ? { schedule: text } : { every: text })
    return problem === undefined ? text : new InvalidAnswer(problem)
  })
  if (isServiceSchedule(interval)) {
    const duration = await askText(context, 'Window of the schedule, such as 2h, or nothing', duration =>
      wishProblem({ schedule: interval, duration }),
    )
    return { schedule: interval, ...(duration && { duration }) }
  }
  const window = await askText(context, 'Window, such as 02:00-05:00, or nothing for any time', window =>
    wishProblem({ every: interval, window }),
  )
  return { every: interval, ...(window && { window }) }
}

/** Asks for a text until `problemOf` finds no problem with it, or the answer is empty. */
const askText = (
  context: Context,
  question: string,
  problemOf: (text: string) => string | undefined | Promise<string | undefined>,
): Promise<string> =>
  ask(context, question, '', async text => {
    const problem = await problemOf(text)
    return problem === undefined ? text : new InvalidAnswer(problem)
  })

/** An answer that is not accepted, and why. */
class InvalidAnswer {
  readonly says: string
  constructor(says: string) {
    this.says = says
  }
}

/**
 * Asks until an answer is accepted, five times at most.
 * @throws CommandError after that, on Ctrl-C, and at the end of the input
 */
async function ask<Answer extends string>(
  { terminal, output }: Context,
  question: string,
  defaultAnswer: Answer,
  parse: (text: string) => Promise<Answer | InvalidAnswer>,
): Promise<Answer> {
  for (let tries = 0; tries < 5; tries++) {
    const text = await readAnswer(terminal, `${question}${defaultAnswer && ` [${defaultAnswer}]`}: `)
    if (text === undefined) throw usageError('not answered: nothing was changed')
    const answer = text === '' ? defaultAnswer : await parse(text)
    if (!(answer instanceof InvalidAnswer)) return answer
    output.note(answer.says)
  }
  throw usageError('no valid answer in five tries: nothing was changed')
}

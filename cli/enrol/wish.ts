import { RotationError } from '../../rotation/errors.ts'
import { parseOptions, parseTags } from '../../rotation/options.ts'
import type { StrategyName } from '../../rotation/strategies/strategyNames.ts'
import { EVERY_TAG, homeIn, MAX_TAG_VALUE_LENGTH, TAG_PREFIX, type Tags } from '../../rotation/tags.ts'
import type { FoundCredential } from '../credential.ts'
import { CommandError, usageError } from '../exit.ts'
import { sanitize } from '../output.ts'
import { placeOf, type Stack } from '../stack.ts'
import { ALLOWED_CHARACTERS_TEXT, forbiddenCharacterIn } from '../tagValue.ts'

/** How a credential is to rotate: the options of `enrol`. An option that is not given leaves its setting as it is. */
export type RotationWish = {
  strategy?: StrategyName
  /** The id of the admin's secret. */
  admin?: string
  every?: string
  window?: string
  jitter?: string
  /** A schedule of Secrets Manager, such as `rate(30 days)`. */
  schedule?: string
  /** The length of the window of that schedule, such as `2h`. */
  duration?: string
  grace?: string
  testQuery?: string
  now?: boolean
}

/** The command line's option for each key of RotationWish. */
export const WISH_FLAGS: Record<keyof RotationWish, string> = {
  strategy: '--strategy',
  admin: '--admin',
  every: '--every',
  window: '--window',
  jitter: '--jitter',
  schedule: '--schedule',
  duration: '--duration',
  grace: '--grace',
  testQuery: '--test-query',
  now: '--now',
}

/** The tags that say how a credential rotates. */
export const strategyTags = ({ strategy, grace, testQuery }: RotationWish): Tags =>
  prefixedTags({ strategy, grace, 'test-query': testQuery })
/** The tags that say when a credential rotates. */
export const scheduleTags = ({ every, window, jitter }: RotationWish): Tags =>
  prefixedTags({ every, window, jitter })

const prefixedTags = (tags: Record<string, string | undefined>): Tags =>
  Object.fromEntries(
    Object.entries(tags).flatMap(([name, value]) =>
      value === undefined ? [] : [[TAG_PREFIX + name, value]],
    ),
  )

/**
 * A schedule that Secrets Manager accepts: a rate of hours or days, or the six fields of cron.
 * @see https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_schedule.html
 */
const SCHEDULE_EXPRESSION = /^(rate\([1-9]\d{0,3} (hour|day)s?\)|cron\([^\s()]{1,40}( [^\s()]{1,40}){5}\))$/
const WINDOW_HOURS = /^\d{1,2}h$/

/** Checks whether the options fit each other, whatever the credential is. @throws CommandError that names the option */
export function requireConsistentWish(wish: RotationWish): void {
  const { every, schedule, duration, window, jitter } = wish
  if (every !== undefined && schedule !== undefined)
    throw usageError(
      '--every and --schedule were given',
      'Give one: --every for the schedule of Keyturn, --schedule for that of Secrets Manager.',
    )
  if (duration !== undefined && schedule === undefined)
    throw usageError(
      '--duration was given without --schedule',
      'It is the window of a schedule of Secrets Manager.',
    )
  if (schedule !== undefined && (window ?? jitter) !== undefined)
    throw usageError('--window and --jitter go with --every alone', 'The window of --schedule is --duration.')
  if (schedule !== undefined && !SCHEDULE_EXPRESSION.test(schedule))
    throw usageError(
      `--schedule ${sanitize(schedule)}: it should be rate(…) of hours or days, or cron(…) with six fields`,
      "Such as 'rate(30 days)' or 'cron(0 2 ? * SUN *)'.",
    )
  if (duration !== undefined && !WINDOW_HOURS.test(duration))
    throw usageError(`--duration ${sanitize(duration)}: it should be a number of hours`, 'Such as 2h.')
  for (const [key, value] of Object.entries({ ...strategyTags(wish), ...scheduleTags(wish) })) {
    const character = forbiddenCharacterIn(value)
    if (character !== undefined || value.length > MAX_TAG_VALUE_LENGTH)
      throw usageError(
        `--${key.slice(TAG_PREFIX.length)}: it has ${character === undefined ? `${value.length} characters` : JSON.stringify(character)}, which a tag cannot hold`,
        `A tag takes ${ALLOWED_CHARACTERS_TEXT}; ${MAX_TAG_VALUE_LENGTH} at most.`,
      )
  }
  requireValidTags({ ...strategyTags(wish), ...scheduleTags(wish) }, wish)
}

/**
 * Checks whether the options fit this credential, as far as its store and tags show.
 * @throws CommandError that names the option or the tag
 */
export function requireWishFits(
  { store, tags, name }: FoundCredential,
  stack: Stack,
  wish: RotationWish,
): void {
  if (store === 'parameter-store' && wish.schedule !== undefined)
    throw usageError('a parameter has no schedule of Secrets Manager', 'Give --every, such as --every 30d.')
  const { region } = placeOf(stack)
  const home = homeIn(tags) ?? region
  if (home !== region)
    throw usageError(
      `its tag keyturn:home says ${sanitize(home)}, and this is ${region}`,
      `Enrol it in ${sanitize(home)}. If the tag is wrong, set it to ${region}.`,
    )
  if (wish.admin !== undefined && (`${TAG_PREFIX}engine` in tags || `${TAG_PREFIX}connection` in tags))
    throw usageError(
      `${sanitize(name)} cannot use an admin, as no user name is stored in it`,
      'Leave --admin out.',
    )
  const { [EVERY_TAG]: _, [`${TAG_PREFIX}window`]: __, [`${TAG_PREFIX}jitter`]: ___, ...others } = tags
  const remainingTags = wish.schedule === undefined ? tags : others
  requireValidTags({ ...remainingTags, ...strategyTags(wish), ...scheduleTags(wish) }, wish)
}

function requireValidTags(tags: Tags, wish: RotationWish): void {
  try {
    parseTags(tags, parseOptions({}))
  } catch (error) {
    if (!(error instanceof RotationError)) throw error
    const [, name = ''] = /^keyturn:([\w-]+): /.exec(error.message) ?? []
    const isFromWish = `${TAG_PREFIX}${name}` in { ...strategyTags(wish), ...scheduleTags(wish) }
    const problem = sanitize(error.message)
    throw usageError(
      isFromWish ? problem.replace(/^keyturn:/, '--') : `its tag ${problem}`,
      isFromWish ? remedyFor(name) : `Correct that tag first, or remove it.`,
      error,
    )
  }
}

/** A valid value for each option whose values have a certain form. */
const EXAMPLE_VALUES: Record<string, string> = {
  every: '30d',
  window: "'Mon-Fri 02:00-05:00 Europe/Berlin'",
  jitter: '6h',
  grace: '24h',
}
const remedyFor = (name: string) =>
  EXAMPLE_VALUES[name] ? `Such as --${name} ${EXAMPLE_VALUES[name]}.` : 'See keyturn enrol --help.'

/**
 * What is wrong with an answer, in words that name no option; undefined if nothing is. An error about one option begins with
 * `--option: it` or `--option value: it`: the answer's problem begins with `It` instead.
 */
export function wishProblem(wish: RotationWish): string | undefined {
  try {
    requireConsistentWish(wish)
    return undefined
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    return error.message.replace(/^--[\w-]+[^:]*: (it )?/, 'It ')
  }
}

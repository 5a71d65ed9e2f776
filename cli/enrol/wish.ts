import { RotationError } from '../../rotation/errors.ts'
import { parseOptions, parseTags } from '../../rotation/options.ts'
import type { StrategyName } from '../../rotation/strategies/names.ts'
import { EVERY, homeIn, PREFIX, type Tags } from '../../rotation/tags.ts'
import type { Found } from '../credentialId.ts'
import { CommandError, exit } from '../exit.ts'
import { plain } from '../output.ts'
import { placeOf, type Stack } from '../stack.ts'
import { LONGEST_TAG, taggable, untaggable } from '../tagValue.ts'

/** How a credential is to rotate, by the names of the options. What is left out stays as it is. */
export type Wish = {
  strategy?: StrategyName
  /** The admin's secret, by an id. */
  admin?: string
  every?: string
  window?: string
  jitter?: string
  /** A schedule of Secrets Manager's own, and how long its window is. */
  schedule?: string
  duration?: string
  grace?: string
  testQuery?: string
  now?: boolean
}

/** How somebody gives each. */
export const flagOf: Record<keyof Wish, string> = {
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

/** The tags of a wish that say how it rotates, and those that say when. */
export const howTags = ({ strategy, grace, testQuery }: Wish): Tags =>
  given({ strategy, grace, 'test-query': testQuery })
export const whenTags = ({ every, window, jitter }: Wish): Tags => given({ every, window, jitter })

const given = (tags: Record<string, string | undefined>): Tags =>
  Object.fromEntries(
    Object.entries(tags).flatMap(([name, value]) => (value === undefined ? [] : [[PREFIX + name, value]])),
  )

/** A schedule as Secrets Manager takes it, in hours or days or by the six fields of cron, and the length of its window. */
const SCHEDULE = /^(rate\([1-9]\d{0,3} (hour|day)s?\)|cron\([^\s()]{1,40}( [^\s()]{1,40}){5}\))$/
const DURATION = /^\d{1,2}h$/

/** Sees whether a wish is one, whatever the credential is. @throws CommandError that names the option */
export function requireSense(wish: Wish): void {
  const { every, schedule, duration, window, jitter } = wish
  if (every !== undefined && schedule !== undefined)
    throw wrong(
      '--every and --schedule were given',
      'Give one: Keyturn looks when it is due, or Secrets Manager.',
    )
  if (duration !== undefined && schedule === undefined)
    throw wrong(
      '--duration was given without --schedule',
      'It is the window of a schedule of Secrets Manager.',
    )
  if (schedule !== undefined && (window ?? jitter) !== undefined)
    throw wrong('--window and --jitter go with --every alone', 'The window of --schedule is --duration.')
  if (schedule !== undefined && !SCHEDULE.test(schedule))
    throw wrong(
      `--schedule ${plain(schedule)}: it should be rate(…) of hours or days, or cron(…) with six fields`,
      "Such as 'rate(30 days)' or 'cron(0 2 ? * SUN *)'.",
    )
  if (duration !== undefined && !DURATION.test(duration))
    throw wrong(`--duration ${plain(duration)}: it should be a number of hours`, 'Such as 2h.')
  for (const [key, value] of Object.entries({ ...howTags(wish), ...whenTags(wish) })) {
    const character = untaggable(value)
    if (character !== undefined || value.length > LONGEST_TAG)
      throw wrong(
        `--${key.slice(PREFIX.length)}: a tag cannot hold ${character === undefined ? `${value.length} characters` : JSON.stringify(character)}`,
        `It takes ${taggable}; ${LONGEST_TAG} at most.`,
      )
  }
  requireOptions({ ...howTags(wish), ...whenTags(wish) }, wish)
}

/**
 * Sees whether this credential can have what is wished, by its tags alone.
 * @throws CommandError that names the option or the tag
 */
export function requireFit({ store, tags, name }: Found, stack: Stack, wish: Wish): void {
  if (store === 'parameter-store' && wish.schedule !== undefined)
    throw wrong('a parameter has no schedule of Secrets Manager', 'Give --every, such as --every 30d.')
  const { region } = placeOf(stack)
  const home = homeIn(tags) ?? region
  if (home !== region)
    throw wrong(
      `its tag keyturn:home says ${plain(home)}, and this is ${region}`,
      `Enrol it in ${plain(home)}. If the tag is wrong, set it to ${region}.`,
    )
  if (wish.admin !== undefined && (`${PREFIX}engine` in tags || `${PREFIX}connection` in tags))
    throw wrong(
      `${plain(name)} has no use of an admin, as no user name is stored in it`,
      'Leave --admin out.',
    )
  const { [EVERY]: _, [`${PREFIX}window`]: __, [`${PREFIX}jitter`]: ___, ...others } = tags
  const when = wish.schedule === undefined ? tags : others
  requireOptions({ ...when, ...howTags(wish), ...whenTags(wish) }, wish)
}

function requireOptions(tags: Tags, wish: Wish): void {
  try {
    parseTags(tags, parseOptions({}))
  } catch (error) {
    if (!(error instanceof RotationError)) throw error
    const [, name = ''] = /^keyturn:([\w-]+): /.exec(error.message) ?? []
    const asked = `${PREFIX}${name}` in { ...howTags(wish), ...whenTags(wish) }
    const problem = plain(error.message)
    throw wrong(
      asked ? problem.replace(/^keyturn:/, '--') : `its tag ${problem}`,
      asked ? remedyFor(name) : `Correct that tag first, or take it off.`,
      error,
    )
  }
}

/** One that is right, of each option whose form the message tells. */
const examples: Record<string, string> = {
  every: '30d',
  window: "'Mon-Fri 02:00-05:00 Europe/Berlin'",
  jitter: '6h',
  grace: '24h',
}
const remedyFor = (name: string) =>
  examples[name] ? `Such as --${name} ${examples[name]}.` : 'See keyturn enrol --help.'

/** What is wrong with some of a wish, in words that name no option; undefined if it is right. */
export function problemIn(wish: Wish): string | undefined {
  try {
    requireSense(wish)
    return undefined
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    return error.message.replace(/^--[\w-]+[^:]*: (it )?/, 'It ')
  }
}

const wrong = (message: string, remedy: string, cause?: unknown) =>
  new CommandError(exit.usage, message, remedy, cause)

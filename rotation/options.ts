import * as v from 'valibot'
import { durationSchema } from './duration.ts'
import type { EngineName } from './engines/traits.ts'
import { InvalidOption } from './errors.ts'
import { type PasswordSettings, passwordSettingsSchema } from './password.ts'
import { REGION_PATTERN } from './regionName.ts'
import { STRATEGY_NAMES, type StrategyName } from './strategies/strategyNames.ts'
import {
  connectionIn,
  givenUpIn,
  givenUpTag,
  graceIn,
  isOpaque,
  ownTags,
  splitGivenUpTags,
  strategyIn,
  TAG_PREFIX,
  type Tags,
} from './tags.ts'
import { DAY_SECONDS } from './timeUnits.ts'
import { type Window, windowSchema } from './window.ts'

/** The format of a stored value: AWS's JSON, unless one of these is set. */
export type ValueFormat = {
  /** `opaque`: the value is any text, which no database has to know. */
  engine?: EngineName | undefined
  /** The value is the password alone, and this is the name of the parameter with the server and the user. */
  connection?: string | undefined
}

/** The options that a rollback needs. */
export type RollbackOptions = ValueFormat & {
  /** Unset: alternating-users where the value names an admin (`masterarn`), else single-user. */
  strategy?: StrategyName | undefined
}

/** How one credential rotates: the `keyturn:*` tags of its secret, with the deployment's defaults. */
export type Options = RollbackOptions & {
  /** The grace time: seconds until what was replaced is closed. `never` leaves it open. */
  grace: number | 'never'
  /** What becomes of a temporary clone after the grace time: dropped, or closed and kept for the next rotation. Unset: dropped. */
  clone?: 'drop' | 'keep' | undefined
  /** A statement that the new credential must be able to run. */
  testQuery?: string | undefined
  /**
   * Set if a connection pooler may stand in between, because that pooler asks the database for the password hash at every login.
   */
  pooler?: 'auth-query' | undefined
  /** The rules by which new passwords are made. */
  password: PasswordSettings
  /** Seconds from one rotation to the next, if Keyturn's own schedule starts them. */
  every?: number | undefined
  /** When a rotation that is due may begin. */
  window?: Window | undefined
  /**
   * The longest delay of a rotation, in seconds. The delays differ, so that credentials that were enrolled together rotate apart.
   */
  jitter?: number | undefined
  /**
   * The home Region: the only one in which the credential rotates. Unset: it rotates in every Region with a stack that finds
   * it.
   */
  home?: string | undefined
}

/** The strategies that are allowed beside a tag which says that the value has no user name: none that changes the user. */
const STRATEGIES_BY_TAG: Record<keyof ValueFormat, readonly StrategyName[]> = {
  engine: ['single-user'],
  connection: ['single-user', 'dual-password'],
}

const TRUE_OR_FALSE = 'true or false'
/** What each option should be, as the message of an InvalidOption says after `should be`. */
const OPTION_EXPECTATIONS: Record<keyof typeof optionsSchema.entries, string> = {
  strategy: `one of: ${STRATEGY_NAMES.join(', ')}`,
  grace: '`never`, or a whole number with s, m, h or d, such as 24h; 360d at most',
  clone: '`drop` or `keep`',
  'test-query': 'one SQL statement',
  pooler: '`auth-query`, or left out where no pooler asks the database for passwords',
  every: 'a whole number with m, h or d, such as 30d; a minute at least, a year at most',
  window:
    'hours of the day, an hour at least, in UTC or with a time zone behind, and days before if they are not all, such as 02:00-05:00 or Mon-Fri 02:00-05:00 Europe/Berlin',
  jitter: 'a whole number with m, h or d, such as 6h',
  home: 'a Region, such as eu-west-1',
  engine: 'opaque, or left out: the value names the engine of a database',
  connection: "the name of a parameter with AWS's JSON but for the password",
  PASSWORD_LENGTH: 'a whole number from 1 to 1024',
  EXCLUDE_CHARACTERS: 'the characters to leave out',
  EXCLUDE_NUMBERS: TRUE_OR_FALSE,
  EXCLUDE_PUNCTUATION: TRUE_OR_FALSE,
  EXCLUDE_UPPERCASE: TRUE_OR_FALSE,
  EXCLUDE_LOWERCASE: TRUE_OR_FALSE,
  REQUIRE_EACH_INCLUDED_TYPE: TRUE_OR_FALSE,
  managed: TRUE_OR_FALSE,
  admin: TRUE_OR_FALSE,
  'service-schedule': 'a schedule of Secrets Manager, as keyturn replicas --add writes it',
}

/**
 * The longest grace time: 360 days. The execution lasts for the grace time, and Step Functions ends an execution after a year.
 * https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
 */
const MAX_GRACE_SECONDS = 360 * DAY_SECONDS

const optionsSchema = v.strictObject({
  strategy: v.exactOptional(v.picklist(STRATEGY_NAMES)),
  grace: v.exactOptional(
    v.union([v.literal('never'), v.pipe(durationSchema, v.maxValue(MAX_GRACE_SECONDS))]),
  ),
  clone: v.exactOptional(v.picklist(['drop', 'keep'])),
  'test-query': v.exactOptional(v.pipe(v.string(), v.nonEmpty())),
  pooler: v.exactOptional(v.literal('auth-query')),
  every: v.exactOptional(v.pipe(durationSchema, v.minValue(60))),
  window: v.exactOptional(windowSchema),
  jitter: v.exactOptional(durationSchema),
  home: v.exactOptional(v.pipe(v.string(), v.regex(REGION_PATTERN))),
  engine: v.exactOptional(v.literal('opaque')),
  connection: v.exactOptional(v.pipe(v.string(), v.regex(/^[\w./-]+$/))),
  /** IAM policies and tags.ts read these two: `managed` lets Keyturn rotate the secret, `admin` marks it as an admin's. */
  managed: v.exactOptional(v.string()),
  admin: v.exactOptional(v.string()),
  /** promotion/serviceSchedule.ts reads this tag when a replica is promoted. */
  'service-schedule': v.exactOptional(v.string()),
  ...passwordSettingsSchema.entries,
})

/**
 * Reads the `keyturn:*` tags of a secret. What no tag says comes from the deployment's defaults, where they have it. Other tags
 * are ignored.
 * @throws InvalidOption that names the tag and says what it should be; also for a `keyturn:*` tag that Keyturn does not know
 */
export function parseTags(tags: Tags, defaults: Options): Options {
  const { givenUp, others } = splitGivenUpTags(ownTags(tags))
  const valid = givenUpIn(tags)
  const invalid = Object.keys(givenUp).find(region => !(region in valid))
  if (invalid !== undefined)
    throw new InvalidOption(
      givenUpTag(invalid),
      'should begin with the day on which the Region was given up, such as 2026-11-29, and say why',
    )
  return parseOptions(others, defaults, TAG_PREFIX)
}

/** Reads only the tags that a rollback needs, so that a mistake in another tag does not stop it. Never throws. */
export function parseRollbackOptions(tags: Tags, defaults: Options): RollbackOptions {
  const connection = connectionIn(tags)
  const chosen = (allowed: readonly StrategyName[]) => allowed.find(name => name === strategyIn(tags))
  if (connection) return { connection, strategy: chosen(STRATEGIES_BY_TAG.connection) ?? 'single-user' }
  if (isOpaque(tags)) return { engine: 'opaque', strategy: 'single-user' }
  return { strategy: chosen(STRATEGY_NAMES) ?? defaults.strategy }
}

/** Reads the grace time alone, so that a mistake in another tag does not matter. A wrong one counts as the default. */
export function parseGrace(tags: Tags, defaults: Options): Options['grace'] {
  const result = v.safeParse(optionsSchema.entries.grace.wrapped, graceIn(tags))
  return result.success ? result.output : defaults.grace
}

/** The defaults of a deployment that sets none: a grace time of a day. */
const DEFAULT_OPTIONS: Options = { grace: DAY_SECONDS, password: {} }

/**
 * Reads options by their names without `keyturn:`, such as a deployment's defaults.
 * @param prefix what stands before the name in an error: `keyturn:` if the options are tags
 * @throws InvalidOption
 */
export function parseOptions(
  texts: Record<string, string>,
  defaults = DEFAULT_OPTIONS,
  prefix = '',
): Options {
  const result = v.safeParse(optionsSchema, texts)
  if (!result.success) {
    const name = String(result.issues[0].path?.[0].key)
    const known = Object.keys(optionsSchema.entries)
    throw new InvalidOption(
      prefix + name,
      known.includes(name)
        ? `should be ${OPTION_EXPECTATIONS[name as keyof typeof OPTION_EXPECTATIONS]}`
        : `is no option of Keyturn; there are ${known.join(', ')}`,
    )
  }
  const { engine, connection, managed: _, admin: __, 'service-schedule': ___, ...given } = result.output
  const {
    strategy,
    grace,
    clone,
    'test-query': testQuery,
    pooler,
    every,
    window,
    jitter,
    home,
    ...password
  } = given
  const options = {
    engine,
    connection,
    strategy: strategy ?? defaults.strategy,
    grace: grace ?? defaults.grace,
    clone,
    testQuery: testQuery ?? defaults.testQuery,
    pooler: pooler ?? defaults.pooler,
    password: { ...defaults.password, ...password },
    every: every ?? defaults.every,
    window: window ?? defaults.window,
    jitter: jitter ?? defaults.jitter,
    home: home ?? defaults.home,
  }
  refuseConflicts(options, prefix)
  if (clone && strategy !== 'temporary-clone')
    throw new InvalidOption(`${prefix}clone`, `has a meaning only beside ${prefix}strategy=temporary-clone`)
  return options
}

/** @throws InvalidOption if two options contradict each other */
function refuseConflicts({ engine, connection, strategy, grace, testQuery }: Options, prefix: string): void {
  if (engine && connection)
    throw new InvalidOption(`${prefix}engine`, `has no place beside ${prefix}connection`)
  const formatTag = engine ? 'engine' : connection ? 'connection' : undefined
  if (formatTag && strategy && !STRATEGIES_BY_TAG[formatTag].includes(strategy))
    throw new InvalidOption(
      `${prefix}strategy`,
      `should be ${STRATEGIES_BY_TAG[formatTag].join(' or ')}, or left out: ${prefix}${formatTag} means that no user name is stored`,
    )
  if (strategy === 'temporary-clone' && grace === 'never')
    throw new InvalidOption(
      `${prefix}grace`,
      'should be a time: when it is over the application moves back from the clone',
    )
  if (engine && testQuery)
    throw new InvalidOption(
      `${prefix}test-query`,
      `has no place beside ${prefix}engine=${engine}: nothing can be asked`,
    )
}

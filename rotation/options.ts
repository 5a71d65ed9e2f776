import * as v from 'valibot'
import { duration } from './duration.ts'
import { InvalidOption } from './errors.ts'
import { type PasswordSettings, passwordSettings } from './password.ts'
import { type StrategyName, strategyNames } from './strategies/strategy.ts'

/** How one credential rotates. */
export type Options = {
  /** Unset: alternating-users where the value names an admin (`masterarn`), else single-user. */
  strategy?: StrategyName | undefined
  /** Seconds until a replaced user is locked; `never` leaves it open. */
  grace: number | 'never'
  /** A statement that the new credential must be able to run. */
  testQuery?: string | undefined
  password: PasswordSettings
  /** Seconds from one rotation to the next, where Keyturn has to think of it. */
  every?: number | undefined
  /** When a rotation that is due may begin, in minutes of the day (UTC). From a late hour to an early one: overnight. */
  window?: { from: number; to: number } | undefined
  /** Seconds. Each rotation is put off by a part of it, so that what was enrolled together does not rotate together. */
  jitter?: number | undefined
}

const expected: Record<string, string> = {
  strategy: `one of: ${strategyNames.join(', ')}`,
  grace: '`never`, or a whole number with s, m, h or d, such as 24h; a year at most',
  'test-query': 'one SQL statement',
  every: 'a whole number with m, h or d, such as 30d; a year at most',
  window: 'hours of the day in UTC, such as 02:00-05:00',
  jitter: 'a whole number with m, h or d, such as 6h',
  PASSWORD_LENGTH: 'a whole number from 1 to 1024',
  EXCLUDE_CHARACTERS: 'the characters to leave out',
}

/** Text such as `02:00-05:00`. */
const window = v.pipe(
  v.string(),
  v.regex(/^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$/),
  v.transform(text => {
    const [from = 0, to = 0] = text
      .split('-')
      .map(time => Number(time.slice(0, 2)) * 60 + Number(time.slice(3)))
    return { from, to }
  }),
  v.check(({ from, to }) => from !== to),
)

const schema = v.strictObject({
  strategy: v.exactOptional(v.picklist(strategyNames)),
  grace: v.exactOptional(v.union([v.literal('never'), duration])),
  'test-query': v.exactOptional(v.pipe(v.string(), v.nonEmpty())),
  every: v.exactOptional(v.pipe(duration, v.minValue(60))),
  window: v.exactOptional(window),
  jitter: v.exactOptional(duration),
  /** Read by IAM alone: it admits a secret, or marks one as an admin's. */
  managed: v.exactOptional(v.string()),
  admin: v.exactOptional(v.string()),
  ...passwordSettings.entries,
})

const PREFIX = 'keyturn:'

/**
 * Reads the tags `keyturn:*` of a secret over the deployment's defaults. Other tags are none of our business.
 * @throws InvalidOption naming the tag and what it should be; a tag that Keyturn does not know is refused too.
 */
export function parseTags(tags: Record<string, string>, defaults: Options): Options {
  const own = Object.entries(tags).filter(([key]) => key.startsWith(PREFIX))
  const texts = Object.fromEntries(own.map(([key, value]) => [key.slice(PREFIX.length), value]))
  return parseOptions(texts, defaults, PREFIX)
}

const none: Options = { grace: 86_400, password: {} }

/**
 * Reads options by their plain names, such as a deployment's defaults.
 * @throws InvalidOption
 */
export function parseOptions(texts: Record<string, string>, defaults = none, prefix = ''): Options {
  const result = v.safeParse(schema, texts)
  if (!result.success) {
    const name = String(result.issues[0].path?.[0].key)
    const known = Object.keys(schema.entries)
    throw new InvalidOption(
      prefix + name,
      known.includes(name)
        ? `should be ${expected[name] ?? 'true or false'}`
        : `is no option of Keyturn; there are ${known.join(', ')}`,
    )
  }
  const {
    strategy,
    grace,
    'test-query': testQuery,
    every,
    window,
    jitter,
    managed: _,
    admin: __,
    ...password
  } = result.output
  return {
    strategy: strategy ?? defaults.strategy,
    grace: grace ?? defaults.grace,
    testQuery: testQuery ?? defaults.testQuery,
    password: { ...defaults.password, ...password },
    every: every ?? defaults.every,
    window: window ?? defaults.window,
    jitter: jitter ?? defaults.jitter,
  }
}

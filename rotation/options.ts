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
}

const expected: Record<string, string> = {
  strategy: `one of: ${strategyNames.join(', ')}`,
  grace: '`never`, or a whole number with s, m, h or d, such as 24h; a year at most',
  'test-query': 'one SQL statement',
  PASSWORD_LENGTH: 'a whole number from 1 to 1024',
  EXCLUDE_CHARACTERS: 'the characters to leave out',
}

const schema = v.strictObject({
  strategy: v.exactOptional(v.picklist(strategyNames)),
  grace: v.exactOptional(v.union([v.literal('never'), duration])),
  'test-query': v.exactOptional(v.pipe(v.string(), v.nonEmpty())),
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
  const { strategy, grace, 'test-query': testQuery, managed: _, admin: __, ...password } = result.output
  return {
    strategy: strategy ?? defaults.strategy,
    grace: grace ?? defaults.grace,
    testQuery: testQuery ?? defaults.testQuery,
    password: { ...defaults.password, ...password },
  }
}

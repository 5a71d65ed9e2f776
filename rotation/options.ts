import * as v from 'valibot'
import type { EngineName } from './credential.ts'
import { duration } from './duration.ts'
import { InvalidOption } from './errors.ts'
import { type PasswordSettings, passwordSettings } from './password.ts'
import { type StrategyName, strategyNames } from './strategies/strategy.ts'

/** What a stored value is: AWS's JSON, unless one of these is set. */
export type Kind = {
  /** `opaque`: any text, that no database has to learn. */
  engine?: EngineName | undefined
  /** Name of the parameter that says whose password the value is, and where; the value is the password alone. */
  connection?: string | undefined
}

/** What a rollback has to know. */
export type Essentials = Kind & {
  /** Unset: alternating-users where the value names an admin (`masterarn`), else single-user. */
  strategy?: StrategyName | undefined
}

/** How one credential rotates. */
export type Options = Essentials & {
  /** Seconds until a replaced user is locked; `never` leaves it open. */
  grace: number | 'never'
  /** A statement that the new credential must be able to run. */
  testQuery?: string | undefined
  password: PasswordSettings
}

/** The tags that say what a value is, and the strategies each leaves: where no user name is stored, none can change. */
const strategiesOf: Record<keyof Kind, readonly [StrategyName, ...StrategyName[]]> = {
  engine: ['single-user'],
  connection: ['single-user'],
}

const expected: Record<string, string> = {
  strategy: `one of: ${strategyNames.join(', ')}`,
  grace: '`never`, or a whole number with s, m, h or d, such as 24h; a year at most',
  'test-query': 'one SQL statement',
  engine: 'opaque, or left out: the value names the engine of a database',
  connection: "the name of a parameter with AWS's JSON but for the password",
  PASSWORD_LENGTH: 'a whole number from 1 to 1024',
  EXCLUDE_CHARACTERS: 'the characters to leave out',
}

const schema = v.strictObject({
  strategy: v.exactOptional(v.picklist(strategyNames)),
  grace: v.exactOptional(v.union([v.literal('never'), duration])),
  'test-query': v.exactOptional(v.pipe(v.string(), v.nonEmpty())),
  engine: v.exactOptional(v.literal('opaque')),
  connection: v.exactOptional(v.pipe(v.string(), v.regex(/^[\w./-]+$/))),
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

/** Reads of the tags only what a rollback needs, so that whatever is wrong with the others does not stop it. */
export function parseEssentials(tags: Record<string, string>, defaults: Options): Essentials {
  const { [`${PREFIX}engine`]: engine, [`${PREFIX}connection`]: connection } = tags
  if (connection) return { connection, strategy: strategiesOf.connection[0] }
  if (engine === 'opaque') return { engine, strategy: strategiesOf.engine[0] }
  const strategy = strategyNames.find(name => name === tags[`${PREFIX}strategy`])
  return { strategy: strategy ?? defaults.strategy }
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
  const { engine, connection, managed: _, admin: __, ...given } = result.output
  const { strategy, grace, 'test-query': testQuery, ...password } = given
  const options = {
    engine,
    connection,
    strategy: strategy ?? defaults.strategy,
    grace: grace ?? defaults.grace,
    testQuery: testQuery ?? defaults.testQuery,
    password: { ...defaults.password, ...password },
  }
  refuseConflicts(options, prefix)
  return options
}

function refuseConflicts({ engine, connection, strategy, testQuery }: Options, prefix: string): void {
  if (engine && connection)
    throw new InvalidOption(`${prefix}engine`, `has no place beside ${prefix}connection`)
  const kind = engine ? 'engine' : connection ? 'connection' : undefined
  if (kind && strategy && !strategiesOf[kind].includes(strategy))
    throw new InvalidOption(
      `${prefix}strategy`,
      `should be ${strategiesOf[kind].join(' or ')}, or left out: ${prefix}${kind} means that no user name is stored`,
    )
  if (engine && testQuery)
    throw new InvalidOption(
      `${prefix}test-query`,
      `has no place beside ${prefix}engine=${engine}: nothing can be asked`,
    )
}

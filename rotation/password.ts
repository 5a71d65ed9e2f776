import { randomBytes, randomInt } from 'node:crypto'
import * as v from 'valibot'
import { InvalidOption } from './errors.ts'

/** Parses the text `true` or `false`. */
const flagSchema = v.exactOptional(
  v.pipe(
    v.picklist(['true', 'false']),
    v.transform(value => value === 'true'),
  ),
)

/**
 * Parses the settings for generated passwords, which are texts, as in tags. The names are those of the environment variables of
 * AWS's rotation templates. https://github.com/aws-samples/aws-secrets-manager-rotation-lambdas
 */
export const passwordSettingsSchema = v.object({
  PASSWORD_LENGTH: v.exactOptional(
    v.pipe(v.string(), v.digits(), v.transform(Number), v.minValue(1), v.maxValue(1024)),
  ),
  EXCLUDE_CHARACTERS: v.exactOptional(v.string()),
  EXCLUDE_NUMBERS: flagSchema,
  EXCLUDE_PUNCTUATION: flagSchema,
  EXCLUDE_UPPERCASE: flagSchema,
  EXCLUDE_LOWERCASE: flagSchema,
  REQUIRE_EACH_INCLUDED_TYPE: flagSchema,
})
/** Settings for generated passwords. A setting that is left out has its default. */
export type PasswordSettings = v.InferOutput<typeof passwordSettingsSchema>

/** The defaults of AWS's templates: 32 characters of every type except `:/@"'\`, and at least one of each type. */
export const DEFAULT_PASSWORD_SETTINGS = {
  PASSWORD_LENGTH: 32,
  EXCLUDE_CHARACTERS: ':/@"\'\\',
  EXCLUDE_NUMBERS: false,
  EXCLUDE_PUNCTUATION: false,
  EXCLUDE_UPPERCASE: false,
  EXCLUDE_LOWERCASE: false,
  REQUIRE_EACH_INCLUDED_TYPE: true,
} satisfies PasswordSettings as Required<PasswordSettings>

/** A password of fewer random bits than this could be guessed from a leaked password hash. */
const MINIMUM_BITS = 80

/**
 * Generates a password. All passwords that the settings allow are equally likely.
 * @param maxLength the most characters that the database takes
 * @throws InvalidOption if the settings ask for a longer one, or leave fewer than 80 random bits; the message says how many
 */
export function generatePassword(settings: PasswordSettings, maxLength = Number.POSITIVE_INFINITY): string {
  const rules = { ...DEFAULT_PASSWORD_SETTINGS, ...settings }
  if (rules.PASSWORD_LENGTH > maxLength)
    throw new InvalidOption('PASSWORD_LENGTH', `should be at most ${maxLength}: the database takes no more`)
  const types = characterTypes(rules)
  const bits = passwordBits(types, rules)
  if (bits < MINIMUM_BITS)
    throw new InvalidOption(
      'PASSWORD_LENGTH',
      `the password settings leave ${bits} bits; at least ${MINIMUM_BITS} are needed: ` +
        'allow a longer password or exclude fewer characters',
    )
  const alphabet = types.join('')
  for (;;) {
    const password = Array.from({ length: rules.PASSWORD_LENGTH }, () => alphabet[randomInt(alphabet.length)])
    const complete = types.every(type => password.some(character => type.includes(character as string)))
    if (complete || !rules.REQUIRE_EACH_INCLUDED_TYPE) return password.join('')
  }
}

/** Generates a password that is thrown away after it was set, so that nobody knows the user's password. */
export const generateUnknownPassword = () => randomBytes(32).toString('base64url')

type Rules = Required<PasswordSettings>

/** The characters left of each type; a type with none left is not listed. */
function characterTypes(rules: Rules): string[] {
  const types = [
    rules.EXCLUDE_LOWERCASE ? '' : 'abcdefghijklmnopqrstuvwxyz',
    rules.EXCLUDE_UPPERCASE ? '' : 'ABCDEFGHIJKLMNOPQRSTUVWXYZ',
    rules.EXCLUDE_NUMBERS ? '' : '0123456789',
    rules.EXCLUDE_PUNCTUATION ? '' : '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~',
  ]
  return types
    .map(type => [...type].filter(character => !rules.EXCLUDE_CHARACTERS.includes(character)).join(''))
    .filter(type => type !== '')
}

/**
 * The random bits of a password: log2 of the number of passwords that the rules allow, rounded down. Where each type is required,
 * passwords that lack a type are subtracted (by inclusion and exclusion).
 */
function passwordBits(types: string[], rules: Rules): number {
  const without = (missing: string[]) =>
    BigInt(types.filter(type => !missing.includes(type)).join('').length) ** BigInt(rules.PASSWORD_LENGTH)
  let count = without([])
  if (rules.REQUIRE_EACH_INCLUDED_TYPE)
    for (const missing of subsets(types)) count += missing.length % 2 ? -without(missing) : without(missing)
  return count > 0n ? count.toString(2).length - 1 : 0
}

/** Every subset of the items except the empty one. The bits of the number n + 1 say which items are in subset n. */
function subsets<T>(items: T[]): T[][] {
  return Array.from({ length: 2 ** items.length - 1 }, (_, n) => items.filter((_, i) => ((n + 1) >> i) & 1))
}

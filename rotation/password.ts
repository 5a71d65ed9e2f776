import { randomBytes, randomInt } from 'node:crypto'
import * as v from 'valibot'
import { InvalidOption } from './errors.ts'

const flagSchema = v.exactOptional(
  v.pipe(
    v.picklist(['true', 'false']),
    v.transform(value => value === 'true'),
  ),
)

/** AWS's settings for generated passwords, by the names that its rotation templates use. Texts, as in tags. */
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
export type PasswordSettings = v.InferOutput<typeof passwordSettingsSchema>

/** The defaults of AWS's templates: 32 characters of every type but `:/@"'\`, each type at least once. */
export const DEFAULT_PASSWORD_SETTINGS = {
  PASSWORD_LENGTH: 32,
  EXCLUDE_CHARACTERS: ':/@"\'\\',
  EXCLUDE_NUMBERS: false,
  EXCLUDE_PUNCTUATION: false,
  EXCLUDE_UPPERCASE: false,
  EXCLUDE_LOWERCASE: false,
  REQUIRE_EACH_INCLUDED_TYPE: true,
} satisfies PasswordSettings as Required<PasswordSettings>

/** Fewer bits than this can be guessed offline from a verifier that leaked. */
const MINIMUM_BITS = 80

/**
 * A new password: every one that the settings allow is equally likely. `longest` is the most characters that the
 * database takes.
 * @throws InvalidOption if they ask for more; or if they leave fewer than 80 bits to choose from, saying how many
 */
export function generatePassword(settings: PasswordSettings, longest = Number.POSITIVE_INFINITY): string {
  const rules = { ...DEFAULT_PASSWORD_SETTINGS, ...settings }
  if (rules.PASSWORD_LENGTH > longest)
    throw new InvalidOption('PASSWORD_LENGTH', `should be at most ${longest}: the database takes no more`)
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

/** A password that nobody learns, so that no password logs in. */
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
 * log2, rounded down, of how many passwords the rules allow. Where each type is required, those that miss one are
 * counted out by inclusion and exclusion.
 */
function passwordBits(types: string[], rules: Rules): number {
  const without = (missing: string[]) =>
    BigInt(types.filter(type => !missing.includes(type)).join('').length) ** BigInt(rules.PASSWORD_LENGTH)
  let count = without([])
  if (rules.REQUIRE_EACH_INCLUDED_TYPE)
    for (const missing of subsets(types)) count += missing.length % 2 ? -without(missing) : without(missing)
  return count > 0n ? count.toString(2).length - 1 : 0
}

/** Every subset but the empty one: the bits of a number say who is in it. */
function subsets<T>(items: T[]): T[][] {
  return Array.from({ length: 2 ** items.length - 1 }, (_, n) => items.filter((_, i) => ((n + 1) >> i) & 1))
}

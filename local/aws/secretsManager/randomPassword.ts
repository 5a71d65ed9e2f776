import { randomInt } from 'node:crypto'
import { AwsError } from '../awsError.ts'
import { invalidParameterError } from './errors.ts'
import type { Request } from './secret.ts'

const LETTERS = 'abcdefghijklmnopqrstuvwxyz'
const PUNCTUATION = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'
/**
 * The maximum of PasswordLength and the maximum length of ExcludeCharacters:
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetRandomPassword.html
 */
const MAX_CHARACTER_COUNT = 4096

/** The action that makes a random password and stores nothing. */
export const randomPasswordActions = {
  GetRandomPassword: (request: Request) => {
    const { PasswordLength: length = 32, ExcludeCharacters: excluded = '' } = request
    if (length < 1 || length > MAX_CHARACTER_COUNT) throw outOfBoundsError('passwordLength')
    if (excluded.length > MAX_CHARACTER_COUNT) throw outOfBoundsError('excludeCharacters')
    const characterSets = includedCharacterSets(request)
      .map(characters => [...characters].filter(character => !excluded.includes(character)).join(''))
      .filter(characters => characters !== '')
    // A guess: AWS does not document its answer where no character is left.
    if (!characterSets.length) throw invalidParameterError('No characters are left to make a password of.')
    const required = request.RequireEachIncludedType === false ? [] : characterSets
    if (length < required.length)
      throw invalidParameterError('Password length is too short based on the required types.')
    const others = Array.from({ length: length - required.length }, () => characterSets.join(''))
    return { RandomPassword: shuffle([...required, ...others].map(pickCharacter)).join('') }
  },
}

/** The kinds of characters that a request includes, each as a text of its characters. */
function includedCharacterSets(request: Request): string[] {
  return [
    request.ExcludeLowercase ? '' : LETTERS,
    request.ExcludeUppercase ? '' : LETTERS.toUpperCase(),
    request.ExcludeNumbers ? '' : '0123456789',
    request.ExcludePunctuation ? '' : PUNCTUATION,
    request.IncludeSpace ? ' ' : '',
  ]
}

const pickCharacter = (characters: string) => characters.charAt(randomInt(characters.length))

/** Puts characters in a random order, so that those of the required kinds are not always the first. */
function shuffle(characters: string[]): string[] {
  const rest = [...characters]
  return characters.map(() => rest.splice(randomInt(rest.length), 1)[0] ?? '')
}

/** The error for a value that AWS's model does not allow. AWS's own message has the value too. */
function outOfBoundsError(member: string): AwsError {
  const message = `1 validation error detected: Value at '${member}' failed to satisfy constraint.`
  return new AwsError('ValidationException', message)
}

import { randomInt } from 'node:crypto'
import { AwsError } from '../awsError.ts'
import { invalidParameterError } from './errors.ts'
import type { Request } from './secret.ts'

const LETTERS = 'abcdefghijklmnopqrstuvwxyz'
const PUNCTUATION = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'
/** The most that PasswordLength may be, and the most characters of ExcludeCharacters. */
const MAX_CHARACTER_COUNT = 4096

/** The call that makes a password and keeps nothing. */
export const randomPasswordActions = {
  GetRandomPassword: (request: Request) => {
    const { PasswordLength: length = 32, ExcludeCharacters: excluded = '' } = request
    if (length < 1 || length > MAX_CHARACTER_COUNT) throw outOfBoundsError('passwordLength')
    if (excluded.length > MAX_CHARACTER_COUNT) throw outOfBoundsError('excludeCharacters')
    const types = includedCharacterSets(request)
      .map(type => [...type].filter(character => !excluded.includes(character)).join(''))
      .filter(type => type !== '')
    // AWS does not document what it answers where no character is left (?).
    if (!types.length) throw invalidParameterError('No characters are left to make a password of.')
    const required = request.RequireEachIncludedType === false ? [] : types
    if (length < required.length)
      throw invalidParameterError('Password length is too short based on the required types.')
    const free = Array.from({ length: length - required.length }, () => types.join(''))
    return { RandomPassword: shuffle([...required, ...free].map(pickCharacter)).join('') }
  },
}

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

/** So that the required types are not always the first. */
function shuffle(characters: string[]): string[] {
  const left = [...characters]
  return characters.map(() => left.splice(randomInt(left.length), 1)[0] ?? '')
}

/** As AWS words what its model does not allow; the value is left out. */
function outOfBoundsError(member: string): AwsError {
  const message = `1 validation error detected: Value at '${member}' failed to satisfy constraint.`
  return new AwsError('ValidationException', message)
}

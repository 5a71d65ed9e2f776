import { randomInt } from 'node:crypto'
import { Refused } from '../refused.ts'
import { invalid } from './refused.ts'
import type { Request } from './secret.ts'

const LETTERS = 'abcdefghijklmnopqrstuvwxyz'
const PUNCTUATION = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'
/** The most that PasswordLength may be, and the most characters of ExcludeCharacters. */
const LONGEST = 4096

/** The call that makes a password and keeps nothing. */
export const randomPassword = {
  GetRandomPassword: (request: Request) => {
    const { PasswordLength: length = 32, ExcludeCharacters: excluded = '' } = request
    if (length < 1 || length > LONGEST) throw outOfBounds('passwordLength')
    if (excluded.length > LONGEST) throw outOfBounds('excludeCharacters')
    const types = includedTypes(request)
      .map(type => [...type].filter(character => !excluded.includes(character)).join(''))
      .filter(type => type !== '')
    // AWS does not document what it answers where no character is left (?).
    if (!types.length) throw invalid('No characters are left to make a password of.')
    const required = request.RequireEachIncludedType === false ? [] : types
    if (length < required.length) throw invalid('Password length is too short based on the required types.')
    const free = Array.from({ length: length - required.length }, () => types.join(''))
    return { RandomPassword: shuffled([...required, ...free].map(oneOf)).join('') }
  },
}

function includedTypes(request: Request): string[] {
  return [
    request.ExcludeLowercase ? '' : LETTERS,
    request.ExcludeUppercase ? '' : LETTERS.toUpperCase(),
    request.ExcludeNumbers ? '' : '0123456789',
    request.ExcludePunctuation ? '' : PUNCTUATION,
    request.IncludeSpace ? ' ' : '',
  ]
}

const oneOf = (characters: string) => characters.charAt(randomInt(characters.length))

/** So that the required types are not always the first. */
function shuffled(characters: string[]): string[] {
  const left = [...characters]
  return characters.map(() => left.splice(randomInt(left.length), 1)[0] ?? '')
}

/** As AWS words what its model does not allow; the value is left out. */
function outOfBounds(member: string): Refused {
  const message = `1 validation error detected: Value at '${member}' failed to satisfy constraint.`
  return new Refused('ValidationException', message)
}

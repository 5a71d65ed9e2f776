import {
  GetRandomPasswordCommand,
  type GetRandomPasswordCommandInput,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import { resultOrErrorName } from './api.ts'
import type { Case } from './case.ts'

const kinds: Record<string, RegExp> = {
  lowercase: /[a-z]/,
  uppercase: /[A-Z]/,
  numbers: /[0-9]/,
  punctuation: /[!-/:-@[-`{-~]/,
  space: / /,
}
/**
 * The most characters that a password may have. A password of this length has, practically always, each character that is
 * allowed.
 */
const MAX_PASSWORD_LENGTH = 4096

/** @returns the password, or the error's name */
const password = (client: SecretsManagerClient, input: GetRandomPasswordCommandInput = {}) =>
  resultOrErrorName(async () => (await client.send(new GetRandomPasswordCommand(input))).RandomPassword ?? '')

const kindsIn = (text: string) => Object.keys(kinds).filter(kind => kinds[kind]?.test(text))

/** @returns the kinds of characters in a password, or the error's name */
async function kindsOf(client: SecretsManagerClient, input: GetRandomPasswordCommandInput) {
  const made = await password(client, input)
  return made.endsWith('Exception') ? made : kindsIn(made)
}

const defaultKinds = ['lowercase', 'uppercase', 'numbers', 'punctuation']
const [tooShort, outOfBounds] = ['InvalidParameterException', 'ValidationException']

/** What Secrets Manager's GetRandomPassword does. */
export const passwordCases: Case<SecretsManagerClient>[] = [
  {
    title: 'GetRandomPassword returns 32 characters of four types by default, others each time',
    run: async client => {
      const [one, two] = [await password(client), await password(client)]
      return [one.length, kindsIn(one), two.length, kindsIn(two), one === two]
    },
    aws: [32, defaultKinds, 32, defaultKinds, false],
  },
  {
    title: 'GetRandomPassword uses every character of the four types, and no other',
    run: async client => {
      const texts = await Promise.all(
        [1, 2].map(() => password(client, { PasswordLength: MAX_PASSWORD_LENGTH })),
      )
      return [...new Set(texts.join(''))].toSorted().join('')
    },
    aws: Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)).join(''),
  },
  {
    title: 'GetRandomPassword leaves out each type that is excluded, and each character',
    run: async client => {
      const long = { PasswordLength: MAX_PASSWORD_LENGTH }
      const others = await password(client, { ...long, ExcludeCharacters: 'aZ0]^-\\' })
      return [
        await kindsOf(client, { ...long, ExcludeLowercase: true }),
        await kindsOf(client, { ...long, ExcludeUppercase: true }),
        await kindsOf(client, { ...long, ExcludeNumbers: true }),
        await kindsOf(client, { ...long, ExcludePunctuation: true }),
        [...new Set(others)].filter(character => 'aZ0]^-\\'.includes(character)),
        new Set(others).size,
      ]
    },
    aws: [...defaultKinds.map(left => defaultKinds.filter(kind => kind !== left)), [], 94 - 7],
  },
  {
    title: 'GetRandomPassword uses the space only where it is included',
    run: client => kindsOf(client, { PasswordLength: MAX_PASSWORD_LENGTH, IncludeSpace: true }),
    aws: [...defaultKinds, 'space'],
  },
  {
    title: 'GetRandomPassword has each included type at least once, however short',
    run: async client => {
      const all = await Promise.all(Array.from({ length: 40 }, () => kindsOf(client, { PasswordLength: 4 })))
      return [...new Set(all.map(String))]
    },
    aws: [`${defaultKinds}`],
  },
  {
    title: 'GetRandomPassword leaves types out at times if RequireEachIncludedType is false',
    run: async client => {
      const input = { PasswordLength: 4, RequireEachIncludedType: false }
      const all = await Promise.all(Array.from({ length: 40 }, () => kindsOf(client, input)))
      return new Set(all.map(String)).size > 1
    },
    aws: true,
  },
  {
    title: 'GetRandomPassword refuses a length below the number of required types, and allows it otherwise',
    run: async client => [
      await password(client, { PasswordLength: 3 }),
      (await password(client, { PasswordLength: 3, RequireEachIncludedType: false })).length,
      (await password(client, { PasswordLength: 3, ExcludePunctuation: true })).length,
    ],
    aws: [tooShort, 3, 3],
    // moto refuses every length below four.
    moto: [tooShort, tooShort.length, tooShort.length],
  },
  {
    title: 'GetRandomPassword refuses a length that the API model does not allow',
    run: async client => [
      await password(client, { PasswordLength: MAX_PASSWORD_LENGTH + 1 }),
      await password(client, { PasswordLength: 0, RequireEachIncludedType: false }),
    ],
    aws: [outOfBounds, outOfBounds],
    moto: ['InvalidParameterValue', tooShort],
  },
]

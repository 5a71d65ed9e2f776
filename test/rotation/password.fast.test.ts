import { describe, expect, test } from 'vitest'
import { InvalidOption } from '../../rotation/errors.ts'
import {
  DEFAULT_PASSWORD_SETTINGS,
  generatePassword,
  generateUnknownPassword,
  type PasswordSettings,
} from '../../rotation/password.ts'

const types = {
  lower: /[a-z]/,
  upper: /[A-Z]/,
  digit: /[0-9]/,
  punctuation: /[!"#$%&'()*+,\-./:;<=>?@[\\\]^_`{|}~]/,
}
const many = (settings: PasswordSettings, count = 300) =>
  Array.from({ length: count }, () => generatePassword(settings))

function refusal(settings: PasswordSettings): InvalidOption {
  try {
    generatePassword(settings)
  } catch (error) {
    if (error instanceof InvalidOption) return error
    throw error
  }
  throw new Error('accepted')
}

describe('the defaults', () => {
  test('are those of AWS’s templates', () => {
    for (const password of many({})) {
      expect(password).toHaveLength(32)
      expect(password).not.toMatch(/[:/@"'\\]/)
      expect(password).toMatch(/^[!-~]+$/)
      for (const type of Object.values(types)) expect(password).toMatch(type)
    }
  })

  test('are replaced one by one by settings', () => {
    for (const password of many({ PASSWORD_LENGTH: 20 })) {
      expect(password).toHaveLength(20)
      expect(password).not.toMatch(/[:/@"'\\]/)
    }
    expect(DEFAULT_PASSWORD_SETTINGS.PASSWORD_LENGTH).toBe(32)
  })

  test('make another password each time', () => {
    expect(new Set(many({}, 1000)).size).toBe(1000)
  })
})

describe('each EXCLUDE flag leaves out its type of characters, and no other', () => {
  const flags = {
    EXCLUDE_LOWERCASE: 'lower',
    EXCLUDE_UPPERCASE: 'upper',
    EXCLUDE_NUMBERS: 'digit',
    EXCLUDE_PUNCTUATION: 'punctuation',
  } as const

  for (const [flag, excluded] of Object.entries(flags))
    test(flag, () => {
      for (const password of many({ [flag]: true }))
        for (const [name, type] of Object.entries(types))
          expect(type.test(password), `${name} in ${password}`).toBe(name !== excluded)
    })

  test('all but one type of characters can be left out', () => {
    const settings = { EXCLUDE_UPPERCASE: true, EXCLUDE_NUMBERS: true, EXCLUDE_PUNCTUATION: true }
    for (const password of many(settings)) expect(password).toMatch(/^[a-z]{32}$/)
  })
})

describe('EXCLUDE_CHARACTERS', () => {
  test('never appear in a password', () => {
    const excluded = 'abcXYZ0189!#$%&()*+-.]^'
    for (const password of many({ EXCLUDE_CHARACTERS: excluded }, 1000))
      for (const character of excluded) expect(password).not.toContain(character)
  })

  test('replace the default ones', () => {
    const seen = new Set(many({ EXCLUDE_CHARACTERS: 'a' }, 1000).join(''))
    expect([...':/@"\'\\'].every(character => seen.has(character))).toBe(true)
    expect(seen.has('a')).toBe(false)
    expect(seen.size).toBe(93)
  })

  test('may be none, so that all 94 printing characters appear', () => {
    expect(new Set(many({ EXCLUDE_CHARACTERS: '' }, 1000).join('')).size).toBe(94)
  })

  test('may leave nothing of a type, which is then not required', () => {
    for (const password of many({ EXCLUDE_CHARACTERS: '0123456789' }))
      expect(password).not.toMatch(types.digit)
  })

  test('may leave one character of a type, which is then in every password', () => {
    for (const password of many({ EXCLUDE_CHARACTERS: '012345678' })) expect(password).toContain('9')
  })
})

describe('REQUIRE_EACH_INCLUDED_TYPE', () => {
  const short = { PASSWORD_LENGTH: 13, EXCLUDE_CHARACTERS: '' }

  test('is true: each type is in every password', () => {
    for (const password of many({ ...short, REQUIRE_EACH_INCLUDED_TYPE: true }, 1000))
      for (const type of Object.values(types)) expect(password).toMatch(type)
  })

  test('is false: some passwords lack a type', () => {
    // A password of 13 has no digit with a probability of (84/94)^13 = 23 %.
    const without = many({ ...short, REQUIRE_EACH_INCLUDED_TYPE: false }, 1000).filter(
      password => !types.digit.test(password),
    )
    expect(without.length).toBeGreaterThan(100)
    expect(without.length).toBeLessThan(400)
  })
})

describe('every password that the settings allow is equally likely', () => {
  /** Pearson's statistic; for n characters it lies around n - 1, and above n + 12√n about never. */
  function chiSquare(text: string): { statistic: number; characters: number } {
    const counts = new Map<string, number>()
    for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1)
    const expected = text.length / counts.size
    const statistic = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
    return { statistic, characters: counts.size }
  }

  test('each character appears equally often', () => {
    const text = many({ EXCLUDE_CHARACTERS: '', REQUIRE_EACH_INCLUDED_TYPE: false }, 2000).join('')
    const { statistic, characters } = chiSquare(text)
    expect(characters).toBe(94)
    expect(statistic).toBeLessThan(94 + 12 * Math.sqrt(94))
  })

  test('each character appears equally often at the first and at the last place', () => {
    const settings = { EXCLUDE_PUNCTUATION: true, EXCLUDE_UPPERCASE: true, PASSWORD_LENGTH: 24 }
    const passwords = many(settings, 4000)
    for (const place of [0, -1]) {
      const text = passwords.map(password => password.at(place)).join('')
      const digits = [...text].filter(character => types.digit.test(character)).join('')
      const { statistic, characters } = chiSquare(digits)
      expect(characters).toBe(10)
      expect(statistic).toBeLessThan(10 + 12 * Math.sqrt(10))
      // Passwords without a digit are so few among 24 characters that a digit's share stays 10/36.
      expect(digits.length / text.length).toBeGreaterThan(0.23)
      expect(digits.length / text.length).toBeLessThan(0.33)
    }
  })
})

describe('settings that leave passwords fewer than 80 bits are refused', () => {
  const digits = { EXCLUDE_LOWERCASE: true, EXCLUDE_UPPERCASE: true, EXCLUDE_PUNCTUATION: true }
  const allCharacters = { EXCLUDE_CHARACTERS: '', REQUIRE_EACH_INCLUDED_TYPE: false }

  test.each([
    ['24 digits: log2(10^24) = 79.7', { ...digits, PASSWORD_LENGTH: 24 }, 79],
    ['1 of all: log2(94)', { ...allCharacters, PASSWORD_LENGTH: 1 }, 6],
    ['12 of all: 12 log2(94) = 78.7', { ...allCharacters, PASSWORD_LENGTH: 12 }, 78],
    ['fewer characters than types', { PASSWORD_LENGTH: 3 }, 0],
    ['4 of 4 types: 24 orders of 26 · 26 · 10 · 26 = 22.0', { PASSWORD_LENGTH: 4 }, 22],
    ['nothing left', { ...digits, EXCLUDE_NUMBERS: true }, 0],
    ['one character left', { ...digits, EXCLUDE_CHARACTERS: '012345678', PASSWORD_LENGTH: 1024 }, 0],
    ['two characters left', { ...digits, EXCLUDE_CHARACTERS: '01234567', PASSWORD_LENGTH: 79 }, 79],
  ])('%s', (_, settings, bits) => {
    const error = refusal(settings)
    expect(error.option).toBe('PASSWORD_LENGTH')
    expect(error.message).toContain(`leave ${bits} bits; at least 80 are needed`)
    expect(error.message).toContain('allow a longer password or exclude fewer characters')
  })

  test.each([
    ['25 digits', { ...digits, PASSWORD_LENGTH: 25 }],
    ['13 of all', { ...allCharacters, PASSWORD_LENGTH: 13 }],
    ['80 of two characters', { ...digits, EXCLUDE_CHARACTERS: '01234567', PASSWORD_LENGTH: 80 }],
    ['1024 of all, each type required', { PASSWORD_LENGTH: 1024 }],
  ])('%s are accepted', (_, settings) => {
    expect(generatePassword(settings)).toHaveLength(settings.PASSWORD_LENGTH)
  })
})

test('a password that nobody needs to know has 256 bits, and is another one each time', () => {
  const passwords = Array.from({ length: 100 }, generateUnknownPassword)
  expect(new Set(passwords).size).toBe(100)
  for (const password of passwords) expect(password).toMatch(/^[\w-]{43}$/)
})

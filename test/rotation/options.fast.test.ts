import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import { durationSchema } from '../../rotation/duration.ts'
import { InvalidOption } from '../../rotation/errors.ts'
import { type Options, parseOptions, parseRollbackOptions, parseTags } from '../../rotation/options.ts'
import { STRATEGY_NAMES } from '../../rotation/strategies/strategyNames.ts'

function refusal(run: () => unknown): InvalidOption {
  try {
    run()
  } catch (error) {
    if (error instanceof InvalidOption) return error
    throw error
  }
  throw new Error('accepted')
}

const nothing: Options = { grace: 86_400, password: {} }

describe('duration', () => {
  test.each([
    ['0s', 0],
    ['90s', 90],
    ['15m', 900],
    ['24h', 86_400],
    ['7d', 604_800],
    ['007d', 604_800],
    ['365d', 31_536_000],
    ['8760h', 31_536_000],
    ['31536000s', 31_536_000],
  ])('%s is %i seconds', (text, seconds) => {
    expect(v.parse(durationSchema, text)).toBe(seconds)
  })

  test.each([
    '',
    '5',
    's',
    '5 m',
    '5M',
    '-5m',
    '1.5h',
    '1e3s',
    '5w',
    '5m ',
    '5m5s',
    '366d',
    '8761h',
    '9999999999s',
  ])('the text %j is no duration', text => {
    expect(v.safeParse(durationSchema, text).success).toBe(false)
  })

  test.each([5, null, undefined, {}])('the value %j is no duration', value => {
    expect(v.safeParse(durationSchema, value).success).toBe(false)
  })
})

describe('parseTags', () => {
  test('a tag of a Region that was given up has a day and a reason, and is refused by its name without the day', () => {
    const givenUp = (value: string) => ({
      'keyturn:given-up:eu-west-1': value,
      'keyturn:given-up:sa-east-1': '2026-01-02',
    })
    expect(parseTags(givenUp('2026-11-29 its key is gone'), nothing)).toMatchObject({ grace: 86_400 })
    for (const value of ['', 'its key is gone', '2026-11-29T10', '29.11.2026 gone'])
      expect(refusal(() => parseTags(givenUp(value), nothing))).toMatchObject({
        option: 'keyturn:given-up:eu-west-1',
        message: expect.stringMatching(/should begin with the day .* such as 2026-11-29/),
      })
  })

  test('without tags, the defaults apply', () => {
    const defaults: Options = {
      strategy: 'single-user',
      grace: 60,
      testQuery: 'select 1',
      password: { PASSWORD_LENGTH: 40 },
    }
    expect(parseTags({}, defaults)).toEqual(defaults)
  })

  test('a tag replaces its default, and no other', () => {
    const defaults: Options = {
      strategy: 'single-user',
      grace: 60,
      testQuery: 'select 1',
      password: { PASSWORD_LENGTH: 40, EXCLUDE_NUMBERS: true },
    }
    expect(parseTags({ 'keyturn:grace': 'never', 'keyturn:PASSWORD_LENGTH': '50' }, defaults)).toEqual({
      ...defaults,
      grace: 'never',
      password: { PASSWORD_LENGTH: 50, EXCLUDE_NUMBERS: true },
    })
    expect(defaults.password.PASSWORD_LENGTH).toBe(40)
  })

  test('`false` replaces a default of true, and `0s` a default of a day', () => {
    const defaults: Options = { grace: 86_400, password: { EXCLUDE_NUMBERS: true } }
    expect(parseTags({ 'keyturn:EXCLUDE_NUMBERS': 'false', 'keyturn:grace': '0s' }, defaults)).toEqual({
      ...{ strategy: undefined, testQuery: undefined },
      grace: 0,
      password: { EXCLUDE_NUMBERS: false },
    })
  })

  test('the longest grace time is accepted', () => {
    expect(parseTags({ 'keyturn:grace': '360d' }, nothing).grace).toBe(31_104_000)
  })

  test.each(STRATEGY_NAMES)('the strategy %s is accepted', strategy => {
    expect(parseTags({ 'keyturn:strategy': strategy }, nothing).strategy).toBe(strategy)
  })

  test('every password setting is read', () => {
    const tags = {
      'keyturn:PASSWORD_LENGTH': '24',
      'keyturn:EXCLUDE_CHARACTERS': ' "\'',
      'keyturn:EXCLUDE_NUMBERS': 'true',
      'keyturn:EXCLUDE_PUNCTUATION': 'false',
      'keyturn:EXCLUDE_UPPERCASE': 'true',
      'keyturn:EXCLUDE_LOWERCASE': 'false',
      'keyturn:REQUIRE_EACH_INCLUDED_TYPE': 'false',
    }
    expect(parseTags(tags, nothing).password).toEqual({
      PASSWORD_LENGTH: 24,
      EXCLUDE_CHARACTERS: ' "\'',
      EXCLUDE_NUMBERS: true,
      EXCLUDE_PUNCTUATION: false,
      EXCLUDE_UPPERCASE: true,
      EXCLUDE_LOWERCASE: false,
      REQUIRE_EACH_INCLUDED_TYPE: false,
    })
  })

  test('an empty text excludes no characters', () => {
    expect(parseTags({ 'keyturn:EXCLUDE_CHARACTERS': '' }, nothing).password).toEqual({
      EXCLUDE_CHARACTERS: '',
    })
  })

  test('a test query is read', () => {
    expect(parseTags({ 'keyturn:test-query': 'select * from app.t' }, nothing).testQuery).toBe(
      'select * from app.t',
    )
  })

  test('the tags for opaque values and for passwords alone are read', () => {
    expect(parseTags({ 'keyturn:engine': 'opaque' }, nothing)).toMatchObject({ engine: 'opaque' })
    for (const connection of ['/shop/connection', 'shop.connection', '/a/b-c_d/E1'])
      expect(parseTags({ 'keyturn:connection': connection }, nothing)).toMatchObject({ connection })
    expect(parseTags({}, nothing)).toMatchObject({ engine: undefined, connection: undefined })
  })

  test('single-user is accepted for every kind of value, and a test query for a password alone', () => {
    const single = { 'keyturn:strategy': 'single-user' }
    expect(parseTags({ ...single, 'keyturn:engine': 'opaque' }, nothing)).toMatchObject({
      strategy: 'single-user',
    })
    const tags = { ...single, 'keyturn:connection': '/c', 'keyturn:test-query': 'TABLE t' }
    expect(parseTags(tags, nothing)).toMatchObject({ strategy: 'single-user', testQuery: 'TABLE t' })
  })

  test('the tags that IAM policies look at are ignored', () => {
    expect(parseTags({ 'keyturn:managed': 'true', 'keyturn:admin': '' }, nothing)).toEqual({
      ...{ strategy: undefined, testQuery: undefined },
      ...nothing,
    })
  })

  test('tags without Keyturn’s prefix are ignored', () => {
    const tags = {
      grace: 'x',
      'aws:cloudformation:stack-name': 's',
      'KEYTURN:grace': 'x',
      'my-keyturn:y': 'z',
    }
    expect(parseTags(tags, nothing)).toEqual({ ...{ strategy: undefined, testQuery: undefined }, ...nothing })
  })
})

describe('a wrong tag throws InvalidOption, which names the tag and what it should be', () => {
  test.each([
    ['strategy', '', /should be one of: single-user, alternating-users/],
    ['strategy', 'Single-User', /should be one of: /],
    ['grace', '', /should be `never`, or a whole number with s, m, h or d/],
    ['grace', '1y', /such as 24h; 360d at most/],
    ['grace', '361d', /360d at most/],
    ['grace', 'Never', /should be `never`/],
    ['clone', 'Drop', /should be `drop` or `keep`/],
    ['test-query', '', /should be one SQL statement/],
    ['engine', '', /should be opaque, or left out/],
    ['engine', 'postgres', /should be opaque, or left out/],
    ['connection', '', /should be the name of a parameter/],
    ['connection', 'arn:aws:ssm:eu-west-1:123456789012:parameter/shop', /should be the name of a parameter/],
    ['connection', '/shop/connection:3', /should be the name of a parameter/],
    ['PASSWORD_LENGTH', '', /should be a whole number from 1 to 1024/],
    ['PASSWORD_LENGTH', '0', /should be a whole number from 1 to 1024/],
    ['PASSWORD_LENGTH', '1025', /should be a whole number from 1 to 1024/],
    ['PASSWORD_LENGTH', '32.5', /should be a whole number from 1 to 1024/],
    ['PASSWORD_LENGTH', '-1', /should be a whole number from 1 to 1024/],
    ['EXCLUDE_NUMBERS', 'yes', /should be true or false/],
    ['EXCLUDE_PUNCTUATION', 'True', /should be true or false/],
    ['EXCLUDE_UPPERCASE', '', /should be true or false/],
    ['EXCLUDE_LOWERCASE', '1', /should be true or false/],
    ['REQUIRE_EACH_INCLUDED_TYPE', 'no', /should be true or false/],
  ])('the value of %s: %j', (name, value, message) => {
    const error = refusal(() => parseTags({ [`keyturn:${name}`]: value }, nothing))
    expect(error.option).toBe(`keyturn:${name}`)
    expect(error.message.startsWith(`keyturn:${name}: `)).toBe(true)
    expect(error.message).toMatch(message)
  })

  test.each([
    ['engine', { engine: 'opaque', connection: '/c' }, /has no place beside keyturn:connection/],
    [
      'strategy',
      { connection: '/c', strategy: 'alternating-users' },
      /should be single-user or dual-password, .*keyturn:connection/,
    ],
    [
      'strategy',
      { engine: 'opaque', strategy: 'alternating-users' },
      /should be single-user, .*keyturn:engine/,
    ],
    ['clone', { clone: 'keep' }, /only beside keyturn:strategy=temporary-clone/],
    ['clone', { clone: 'drop', strategy: 'alternating-users' }, /only beside/],
    ['grace', { grace: 'never', strategy: 'temporary-clone' }, /should be a time/],
    [
      'test-query',
      { engine: 'opaque', 'test-query': 'TABLE t' },
      /has no place beside keyturn:engine=opaque/,
    ],
  ])('%s, which contradicts another tag: %j', (name, tags, message) => {
    const prefixed = Object.entries(tags).map(([key, value]) => [`keyturn:${key}`, value])
    const error = refusal(() => parseTags(Object.fromEntries(prefixed), nothing))
    expect(error.option).toBe(`keyturn:${name}`)
    expect(error.message).toMatch(message)
  })

  test.each(['stratgy', 'Grace', '', 'constructor', '__proto__', 'password_length'])(
    'an unknown option: %j',
    name => {
      const error = refusal(() => parseTags({ [`keyturn:${name}`]: 'x' }, nothing))
      expect(error.option).toBe(`keyturn:${name}`)
      expect(error.message).toContain(
        'is no option of Keyturn; there are strategy, grace, clone, test-query, ',
      )
      expect(error.message).toContain('EXCLUDE_CHARACTERS')
    },
  )
})

describe('parseRollbackOptions returns what a rollback needs, even if other tags are wrong', () => {
  const wrong = { 'keyturn:grace': 'x', 'keyturn:nonsense': '', 'keyturn:EXCLUDE_NUMBERS': 'yes' }
  const essentials = (tags: Record<string, string>, defaults = nothing) =>
    parseRollbackOptions({ ...wrong, ...tags }, defaults)

  test('the strategy, unless its name is unknown', () => {
    expect(essentials({})).toEqual({})
    for (const strategy of STRATEGY_NAMES) {
      expect(essentials({ 'keyturn:strategy': strategy })).toEqual({ strategy })
      expect(essentials({}, { ...nothing, strategy })).toEqual({ strategy })
    }
    expect(essentials({ 'keyturn:strategy': 'toString' })).toEqual({})
  })

  test('the kind of value, with a strategy that fits it', () => {
    const strategy = 'single-user'
    const other = { 'keyturn:strategy': 'alternating-users' }
    expect(essentials({ ...other, 'keyturn:engine': 'opaque' })).toEqual({ engine: 'opaque', strategy })
    expect(essentials({ ...other, 'keyturn:connection': '/c' })).toEqual({ connection: '/c', strategy })
    const dual = { 'keyturn:strategy': 'dual-password', 'keyturn:connection': '/c' }
    expect(essentials(dual)).toEqual({ connection: '/c', strategy: 'dual-password' })
  })

  test('a connection rather than an opaque value, so that the database is looked at if tags contradict', () => {
    expect(essentials({ 'keyturn:engine': 'opaque', 'keyturn:connection': '/c' })).toEqual({
      connection: '/c',
      strategy: 'single-user',
    })
    expect(essentials({ 'keyturn:engine': 'postgres', 'keyturn:connection': '' })).toEqual({})
  })
})

describe('parseOptions', () => {
  test('without settings, the grace time is a day, and the rest is undefined', () => {
    expect(parseOptions({})).toEqual({ ...{ strategy: undefined, testQuery: undefined }, ...nothing })
  })

  test('an error names the option without the prefix that tags have', () => {
    expect(refusal(() => parseOptions({ grace: 'x' })).message).toMatch(/^grace: should be /)
    expect(refusal(() => parseOptions({ PASSWORD_LENGTH: 'x' })).option).toBe('PASSWORD_LENGTH')
  })
})

describe('the tags of a schedule', () => {
  const parse = (name: string, value: string) => parseTags({ [`keyturn:${name}`]: value }, nothing)

  test('interval, jitter and window are read', () => {
    expect(parse('every', '30d').every).toBe(2_592_000)
    expect(parse('every', '1m').every).toBe(60)
    expect(parse('jitter', '6h').jitter).toBe(21_600)
    expect(parse('window', '02:00-05:30').window).toEqual({ from: 120, to: 330 })
    expect(parse('window', '22:00-00:00').window).toEqual({ from: 1320, to: 0 })
    const hours = { from: 120, to: 300 }
    expect(parse('window', '02:00-05:00 Europe/Berlin').window).toEqual({ ...hours, zone: 'Europe/Berlin' })
    expect(parse('window', 'Mon-Fri 02:00-05:00').window).toEqual({ ...hours, days: [1, 2, 3, 4, 5] })
    expect(parse('window', 'Mon+Wed 02:00-05:00').window).toEqual({ ...hours, days: [1, 3] })
    expect(parse('window', 'Fri-Mon+Wed 02:00-05:00 America/Argentina/Buenos_Aires').window).toEqual({
      ...hours,
      days: [5, 6, 0, 1, 3],
      zone: 'America/Argentina/Buenos_Aires',
    })
  })

  test.each([
    ['every', '59s'],
    ['every', '366d'],
    ['every', 'never'],
    ['jitter', '-1h'],
    ['window', '2:00-05:00'],
    ['window', '02:00 - 05:00'],
    ['window', '02:60-05:00'],
    ['window', '02:00-24:00'],
    ['window', '02:00-02:00'],
    ['window', '02:05-03:04'],
    ['window', '23:30-00:29'],
    ['window', '02:00'],
    ['window', 'Mon,Wed 02:00-05:00'],
    ['window', 'mon 02:00-05:00'],
    ['window', 'Monday 02:00-05:00'],
    ['window', 'Mon-Wed-Fri 02:00-05:00'],
    ['window', 'Mon+ 02:00-05:00'],
    ['window', 'Mon  02:00-05:00'],
    ['window', '02:00-05:00 Mon'],
    ['window', '02:00-05:00 Europe/Atlantis'],
    ['window', '02:00-05:00 Europe/Berlin Mon'],
    ['window', '02:30-03:00 Europe/Berlin'],
  ])('the tag %s with %s is refused, and the error says what it should be', (name, value) => {
    const error = refusal(() => parse(name, value))
    expect(error.option).toBe(`keyturn:${name}`)
    expect(error.message).toMatch(/should be .*such as/)
  })
})

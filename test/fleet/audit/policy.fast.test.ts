import { describe, expect, test } from 'vitest'
import { judgeFacts } from '../../../fleet/audit/judge.ts'
import { DEFAULT_POLICY } from '../../../fleet/audit/policy/policy.ts'
import { MAX_POLICY_LENGTH, readPolicy as read } from '../../../fleet/audit/policy/readPolicy.ts'
import { ago, enrolled, factsOf, foundIn, parameter, rotation, secret } from './facts.ts'

const whole = `# What we ask of every credential
max-age: 30d
must-rotate: false
unread-after: never
pending-after: 2h
customer-key: true
owner-tags: [owner]
parameter-paths: [/prod/, /test/]
secret-names: [pin]
admin-uses: 10
trusted-accounts: ["222222222222"]
same-minute: 5
team-tags: [squad]
sections:
  - for: { prefix: shop/, store: secrets-manager, tag: tier=gold }
    max-age: 7d
exceptions:
  - { rule: too-old, name: shop/*, region: eu-west-1, until: 2026-12-31, reason: moved in January }
`

describe('a policy file', () => {
  test('accepts all of these settings', () => {
    expect(read(whole)).toEqual({
      maxAge: 30 * 86_400,
      mustRotate: false,
      unreadAfter: 'never',
      pendingAfter: 7200,
      customerKey: true,
      ownerTags: ['owner'],
      parameterPaths: ['/prod/', '/test/'],
      secretNames: ['pin'],
      adminUses: 10,
      trustedAccounts: ['222222222222'],
      sameMinute: 5,
      teamTags: ['squad'],
      sections: [
        {
          for: { prefix: 'shop/', store: 'secrets-manager', tag: { key: 'tier', value: 'gold' } },
          maxAge: 7 * 86_400,
        },
      ],
      exceptions: [
        {
          rule: 'too-old',
          name: 'shop/*',
          region: 'eu-west-1',
          until: '2026-12-31',
          reason: 'moved in January',
        },
      ],
    })
  })

  test('keeps the defaults for what it does not set', () => {
    expect(read('')).toEqual(DEFAULT_POLICY)
    expect(read('max-age: 10d')).toEqual({ ...DEFAULT_POLICY, maxAge: 864_000 })
  })

  test.each([
    ['max-age: 30 days', /^line 1: max-age should be .* such as 90d/],
    ['max-age: 0d', /^line 1: max-age should be a whole number with m, h or d/],
    ['max-age: 59s', /^line 1: max-age should be/],
    ['max-age: 30d\nmaxage: 3d', /^line 2: maxage is no setting/],
    ['customer-key: yes please', /^line 1: customer-key should be true or false/],
    ['trusted-accounts: [222222222222]', /^line 1: trusted-accounts\[0\] should be .* in quotes/],
    [
      '\nsections:\n  - for: {}\n    max-age: 3d',
      /^line 3: sections\[0\]\.for should have prefix, store or tag/,
    ],
    ['sections:\n  - max-age: 3d', /^line 2: sections\[0\]\.for is missing/],
    ['sections: 5', /^line 1: sections should be a list/],
    [
      'exceptions:\n  - rule: too-old\n    name: a\n    until: soon\n    reason: x',
      /^line 4: exceptions\[0\]\.until should be a day/,
    ],
    [
      'exceptions:\n  - rule: too-old\n    name: a\n    until: 2026-11-31\n    reason: x',
      /^line 4: exceptions\[0\]\.until should be a day that there is/,
    ],
    [
      'exceptions:\n  - rule: too-old\n    name: a\n    until: 2026-12-31',
      /exceptions\[0\]\.reason is missing/,
    ],
    [
      'exceptions:\n  - rule: to-old\n    name: a\n    until: 2026-12-31\n    reason: x',
      /^line 2: exceptions\[0\]\.rule should be one of: never-rotates/,
    ],
    [
      'exceptions:\n  - rule: too-old\n    name: a-*/b\n    until: 2026-12-31\n    reason: x',
      /^line 3: exceptions\[0\]\.name should be a name, or what names begin with and one \* at its end/,
    ],
    ['max-age: [3d', /^line 1: it is no YAML/],
    ['- a', /^line 1: the file should hold settings/],
    ['same-minute: 0', /^line 1: same-minute should be 1 or more/],
  ])('is refused with its line and field: %s', (text, message) => {
    expect(() => read(text)).toThrow(
      expect.objectContaining({ name: 'InvalidPolicy', message: expect.stringMatching(message) }),
    )
  })

  test('has limits for its length and the size that its aliases expand to', () => {
    expect(() => read(' '.repeat(MAX_POLICY_LENGTH + 1))).toThrow(/more than 1,048,576 characters/)
    const bomb = [
      'a: &a [x, x]',
      ...[...'bcdefghijk'].map((name, n) => `${name}: &${name} [*${'abcdefghijk'[n]}, *${'abcdefghijk'[n]}]`),
    ]
    expect(() => read(bomb.join('\n'))).toThrow(/it is no YAML|is no setting/)
  })
})

describe('sections', () => {
  const old = {
    history: { is: { rotations: [rotation(20)] } },
    current: { at: ago(20), by: 'version' as const },
  }
  const strict = (where: string) => read(`sections:\n  - for: ${where}\n    max-age: 7d`)

  test.each([
    ['{ prefix: shop/ }', ['too-old shop/a', 'interval-too-long shop/a']],
    ['{ store: parameter-store }', ['too-old /shop/a', 'interval-too-long /shop/a']],
    ['{ tag: tier }', ['too-old other', 'interval-too-long other']],
    ['{ tag: tier=gold }', ['too-old other', 'interval-too-long other']],
    ['{ tag: tier=lead }', []],
    ['{ prefix: shop/, tag: tier }', []],
  ])('apply if all their conditions are met: %s', (where, found) => {
    const fleet = factsOf([
      secret('shop/a', old),
      secret('other', { ...old, tags: { is: { ...enrolled, tier: 'gold' } } }),
      parameter('/shop/a', old),
    ])
    expect(foundIn(fleet, strict(where)).sort()).toEqual([...found].sort())
  })

  test('the later of two sections wins', () => {
    const policy = read(
      'sections:\n  - for: { prefix: shop/ }\n    max-age: 7d\n  - for: { prefix: shop/a }\n    max-age: 40d',
    )
    expect(foundIn(factsOf([secret('shop/a', old)]), policy)).toEqual([])
  })

  test('by a tag are unknown if the tags could not be read, and other sections apply', () => {
    const fleet = factsOf([secret('shop/a', { ...old, tags: { unread: 'AccessDenied' } })])
    expect(foundIn(fleet, strict('{ tag: tier }'))).toContain('too-old shop/a: unread')
    expect(foundIn(fleet, strict('{ prefix: shop/ }'))).toContain('too-old shop/a')
  })
})

test('a report says what its policy asks, and how much of it is in sections and exceptions', () => {
  expect(judgeFacts(factsOf([]), DEFAULT_POLICY).policy).toBe(
    'a value may be 90 days old; everything has to rotate; unread means not read for 90 days; a value may be pending for 24 hours; any key may encrypt it; it has to have a tag owner or team',
  )
  expect(judgeFacts(factsOf([]), read(whole)).policy).toBe(
    'a value may be 30 days old; nothing has to rotate; it does not matter who reads; a value may be pending for 2 hours; a key of your own has to encrypt it; it has to have a tag owner; sections that ask otherwise: 1; exceptions: 1',
  )
})

describe('exceptions', () => {
  const facts = factsOf([secret('shop/a', { tags: { is: { ...enrolled, team: '' } } })])
  const judged = (exception: string) => {
    const { findings, counts } = judgeFacts(
      facts,
      read(`exceptions:\n  - { rule: owner-missing, reason: known, ${exception} }`),
    )
    return { excepted: findings[0]?.excepted?.until, counted: counts.findings.low, listed: findings.length }
  }

  test.each([
    ['name: shop/a, until: 2026-11-30', true],
    ['name: shop/*, until: 2026-12-31, region: eu-west-1', true],
    ['name: shop/a, until: 2026-11-29', false],
    ['name: shop, until: 2026-12-31', false],
    ['name: shop/a, until: 2026-12-31, region: eu-central-1', false],
  ])('cover a finding, which is still listed: %s', (exception, covers) => {
    expect(judged(exception)).toEqual({
      excepted: covers ? expect.stringMatching(/^2026-1/) : undefined,
      counted: covers ? 0 : 1,
      listed: 1,
    })
  })
})

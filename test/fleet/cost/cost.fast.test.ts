import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Facts, Reader } from '../../../fleet/audit/facts.ts'
import { judgeFacts } from '../../../fleet/audit/judge.ts'
import { DEFAULT_POLICY } from '../../../fleet/audit/policy/policy.ts'
import { sumAmounts, totalDollars } from '../../../fleet/cost/bill.ts'
import { costReportOf } from '../../../fleet/cost/cost.ts'
import type { Amount, CostLine, CostReport } from '../../../fleet/cost/costReport.ts'
import {
  bundledPrices,
  PRICE_NAMES,
  type PriceName,
  type PricesByRegion,
  pricesForRegion,
  UnknownRegion,
} from '../../../fleet/cost/prices.ts'
import {
  fleet,
  many,
  moment,
  noStack,
  parameter,
  region,
  rotateSecretIn,
  scheduled,
  secret,
} from './fleet.ts'

const cents = ({ confirmed }: Amount) => confirmed.toFixed(2)
const line = (lines: CostLine[], item: string) => lines.find(each => each.item === item)
const items = ({ lines }: CostReport) => lines.map(({ item }) => item)

/** A rotation in the table, which gives the strategy. */
const history = (strategy: string) => ({
  history: {
    is: {
      rotations: [
        {
          began: '2026-11-01T00:00:00.000Z',
          outcome: 'rotated' as const,
          strategy,
          engine: 'postgres',
          execution: 'e',
        },
      ],
    },
  },
})
const reader = (more: Partial<Reader> = {}): Reader => ({
  principal: 'arn:aws:iam::123456789012:role/app',
  own: false,
  reads: 0,
  denied: 0,
  first: moment,
  last: moment,
  sessions: [],
  ...more,
})
const tagged = (every: string, team: string) => ({
  tags: { is: { 'keyturn:managed': 'true', 'keyturn:every': every, team } },
})

/** The prices that Keyturn comes with, as if whatever is quoted from somewhere had been read at AWS, as --refresh does. */
function asListed(): PricesByRegion {
  const { prices, ...rest } = pricesForRegion(bundledPrices, 'us-east-1')
  const all = Object.entries(prices).map(([name, price]) => [
    name,
    { ...price, confirmed: !price.source.includes('from memory') },
  ])
  return { 'us-east-1': { ...rest, prices: Object.fromEntries(all) as typeof prices } }
}

test('a built-in price is confirmed only if it has the address of a page of AWS', () => {
  const all = Object.values(bundledPrices).flatMap(({ region, prices }) =>
    Object.entries(prices).flatMap(([name, { confirmed, source }]) =>
      confirmed ? [[`${region} ${name}`, source] as const] : [],
    ),
  )
  for (const [, source] of all) expect(source).toMatch(/^https:\/\/aws\.amazon\.com\/\S+\/pricing\/, /)
  expect(all.map(([name]) => name).sort()).toEqual([
    ...['eu-central-1 key', 'eu-central-1 transitions', 'eu-west-1 key', 'eu-west-1 transitions'],
    ...['us-east-1 key', 'us-east-1 traces', 'us-east-1 transitions'],
  ])
})

/** The three examples that docs/cost.md has, written by hand: its figures must be these. */
describe('the examples of docs/cost.md', () => {
  const page = readFileSync(new URL('../../../docs/cost.md', import.meta.url), 'utf8')
  /** What of an example is confirmed by the prices that Keyturn comes with, as the page has it. */
  const confirmedOn = (number: number) => new RegExp(`example ${number} \\$(\\d+\\.\\d\\d)`).exec(page)?.[1]
  /** The sums of an example, as the page has them: bold, each once. */
  const sums = (number: number) => {
    const [, , part = ''] = new RegExp(`### Example ${number}(.*?)\\n(.*?)(?=\\n##)`, 's').exec(page) ?? []
    return [...part.matchAll(/\*\*\$([\d,.]+)\*\*/g)].map(([, amount = '']) => amount.replaceAll(',', ''))
  }

  test('1: a small fleet in a VPC', () => {
    const facts = fleet(
      many(20, name => secret(name, scheduled(30))),
      { 'us-east-1': region('us-east-1') },
    )
    const bill = (network: 'endpoints' | 'nat' | 'none') =>
      cents(costReportOf(facts, asListed(), { readsPerDay: 24, network }).total)
    expect([bill('endpoints'), bill('nat'), bill('none')]).toEqual(['56.69', '78.59', '12.89'])
    expect(sums(1)).toEqual(['56.69', '78.59', '12.89'])
    expect(cents(costReportOf(facts, bundledPrices, { readsPerDay: 24 }).total)).toBe(confirmedOn(1))
  })

  test('2: a thousand credentials in either store', () => {
    const facts = fleet(many(1000, name => secret(name, { keyId: 'a-key' })))
    const report = costReportOf(facts, asListed(), {
      readsPerDay: 90,
      change: { store: 'parameter-store', tier: 'advanced' },
    })
    const standard = costReportOf(facts, asListed(), {
      readsPerDay: 90,
      change: { store: 'parameter-store' },
    })
    const found = [report.total, standard.change?.total, report.change?.total].map(
      amount => amount && cents(amount),
    )
    expect(found).toEqual(['422.90', '9.21', '72.90'])
    expect(sums(2)).toEqual(found)
    expect(report.total.estimated).toBe(0)
    const [asSecrets, asParameters] = standard.comparisons.map(({ total }) => cents(total))
    expect([asSecrets, asParameters]).toEqual(['422.90', '9.21'])
    expect(cents(costReportOf(facts, bundledPrices, { readsPerDay: 90 }).total)).toBe(confirmedOn(2))
  })

  test('3: two teams, some of whose secrets nobody reads', () => {
    const secrets = many(300, (name, number) =>
      secret(name, { ...history('alternating-users'), ...tagged('7d', number < 200 ? 'payments' : 'shop') }),
    )
    const facts = fleet(secrets, { 'us-east-1': region('us-east-1') })
    const unread = new Set(secrets.slice(0, 40).map(({ arn }) => arn))
    const options = { readsPerDay: 24, unread }
    const report = costReportOf(facts, asListed(), { ...options, change: { everyDays: 30 } })
    const without = costReportOf(facts, asListed(), { ...options, change: { withoutUnread: true } })
    const found = [
      report.total,
      ...Object.values(report.byTeam),
      report.unread.amount,
      report.change?.total,
      without.change?.total,
    ].map(amount => amount && cents(amount))
    expect(Object.keys(report.byTeam)).toEqual(['payments', 'shop', '(shared)'])
    expect(found).toEqual(['126.33', '81.00', '40.50', '4.84', '16.20', '126.03', '110.14'])
    expect(sums(3)).toEqual(found)
    expect(cents(costReportOf(facts, bundledPrices, options).total)).toBe(confirmedOn(3))
  })
})

/** Two Regions with confirmed prices of everything. */
const everything = (): Facts =>
  fleet(
    [
      secret('a', {
        ...scheduled(30),
        keyId: 'one',
        replicas: { is: [{ region: 'us-west-2', status: 'InSync' }] },
      }),
      secret('a', { region: 'us-west-2', primaryRegion: 'us-east-1', keyId: 'two' }),
      secret('b', { ...tagged('30d', 'shop'), ...history('alternating-users') }),
      parameter('/c', tagged('7d', 'shop')),
      parameter('/d', { tier: 'Advanced', ...tagged('7d', 'payments') }),
    ],
    { 'us-east-1': region('us-east-1'), 'us-west-2': region('us-west-2', noStack) },
  )
const confirmed = (name: string, change: Partial<Record<PriceName, number>> = {}) => {
  const { prices, ...rest } = pricesForRegion(bundledPrices, 'us-east-1')
  const all = Object.entries(prices).map(([key, price]) => [
    key,
    { ...price, confirmed: true, price: change[key as PriceName] ?? price.price },
  ])
  return { ...rest, region: name, prices: Object.fromEntries(all) as typeof prices }
}
const prices = (change: Partial<Record<PriceName, number>> = {}): PricesByRegion => ({
  'us-east-1': confirmed('us-east-1', change),
  'us-west-2': confirmed('us-west-2'),
})

/** What each price is for; what has none here is for nothing that `everything` has. */
const linesFor: Partial<Record<PriceName, string[]>> = {
  secret: ['Secrets', 'Replicas'],
  secretCalls: ['Reads of secrets', 'Calls of rotations of secrets', 'Lists of secrets by runs'],
  advancedParameter: ['Advanced parameters'],
  parameterCalls: ['Reads of parameters', 'Calls of rotations of parameters'],
  key: ["Customer's keys", "Key of the alarms' topic"],
  keyRequests: ['KMS requests of reads', 'KMS requests of rotations'],
  transitions: [
    'State transitions of rotations',
    'State transitions of runs that begin rotations',
    'State transitions of runs',
  ],
  functionCalls: ['Calls of functions'],
  functionTime: ['Time of functions'],
  events: ['Events'],
  schedules: ['Starts of runs'],
  metric: ['Metrics'],
  alarm: ['Alarms'],
  dashboard: ['Dashboard'],
  logsIn: ['Logs written'],
  logsKept: ['Logs kept'],
  tableWrites: ['Writes to the table of rotations'],
  tableKept: ['Table of rotations'],
  queueRequests: ['Looks into queues'],
  traces: ['Traces'],
  natHours: ['NAT gateways'],
}

describe('a bill', () => {
  test('a change of one price in one Region changes only its lines, and the total by the same amount', () => {
    const options = { readsPerDay: 10, network: 'nat', highThroughput: true } as const
    const before = costReportOf(everything(), prices(), options)
    const found = [...new Set(before.lines.map(({ item }) => item))]
    expect(found.sort()).toEqual(Object.values(linesFor).flat().toSorted())
    fc.assert(
      fc.property(
        fc.constantFrom(...PRICE_NAMES),
        fc.double({ min: 0, max: 50, noNaN: true }),
        (name, price) => {
          const after = costReportOf(everything(), prices({ [name]: price }), options)
          let moved = 0
          for (const [index, line] of before.lines.entries()) {
            const now = after.lines[index] as CostLine
            const moves = line.region === 'us-east-1' && linesFor[name]?.includes(line.item)
            if (!moves) expect(now).toEqual(line)
            else expect(totalDollars(now.amount)).toBeCloseTo(line.quantity * price, 6)
            moved += totalDollars(now.amount) - totalDollars(line.amount)
          }
          expect(after.lines).toHaveLength(before.lines.length)
          expect(totalDollars(after.total) - totalDollars(before.total)).toBeCloseTo(moved, 6)
        },
      ),
      { numRuns: 60 },
    )
  })

  test('the teams add up to the total, and so do the credentials with the shared costs', () => {
    const report = costReportOf(everything(), prices(), { readsPerDay: 10 })
    expect(totalDollars(sumAmounts(Object.values(report.byTeam)))).toBeCloseTo(totalDollars(report.total), 6)
    const credentials = Object.values(report.byCredential).reduce((total, amount) => total + amount, 0)
    expect(credentials + totalDollars(report.byTeam['(shared)'] as Amount)).toBeCloseTo(
      totalDollars(report.total),
      6,
    )
    expect(Object.keys(report.byCredential)).toHaveLength(5)
  })

  test('only confirmed prices and known quantities are shown with cents', () => {
    const unconfirmed = prices()
    const there = pricesForRegion(unconfirmed, 'us-east-1')
    there.prices.secret = { ...there.prices.secret, confirmed: false }
    const report = costReportOf(everything(), unconfirmed, { readsPerDay: 0 })
    const secrets = report.lines.filter(({ item, region }) => item === 'Secrets' && region === 'us-east-1')
    expect(secrets.map(({ amount, confirmed }) => [amount, confirmed])).toEqual([
      [{ confirmed: 0, estimated: 0.8 }, false],
    ])
    expect(line(report.lines, 'Replicas')?.amount).toEqual({ confirmed: 0.4, estimated: 0 })
    expect(line(report.lines, 'Looks into queues')).toMatchObject({
      confirmed: true,
      amount: { confirmed: 0 },
    })
    expect(report.total).toEqual(sumAmounts(report.lines.map(({ amount }) => amount)))
  })

  test('a Region without prices is named, with the Regions that have some', () => {
    const facts = fleet([secret('a', { region: 'sa-east-1' })], { 'sa-east-1': region('sa-east-1', noStack) })
    expect(() => costReportOf(facts, bundledPrices)).toThrow(UnknownRegion)
    expect(() => costReportOf(facts, bundledPrices)).toThrow(
      'there are no prices of the Region sa-east-1, only of eu-central-1, eu-west-1, us-east-1',
    )
    expect(() => pricesForRegion(bundledPrices, 'constructor')).toThrow(UnknownRegion)
  })

  test('a replica costs as much as a secret, a standard parameter nothing, one key a dollar in each Region', () => {
    const report = costReportOf(everything(), prices())
    expect(line(report.lines, 'Replicas')).toMatchObject({ region: 'us-west-2', quantity: 1, price: 0.4 })
    expect(line(report.lines, 'Advanced parameters')).toMatchObject({ quantity: 1 })
    const keys = report.lines.filter(({ item }) => item === "Customer's keys")
    expect(keys.map(({ region, quantity }) => [region, quantity])).toEqual([
      ['us-east-1', 1],
      ['us-west-2', 1],
    ])
    const plain = costReportOf(fleet([parameter('/c')]), prices(), { readsPerDay: 5 })
    expect(items(plain)).toEqual(['KMS requests of reads'])
    const fast = costReportOf(fleet([parameter('/c')]), prices(), { readsPerDay: 5, highThroughput: true })
    expect(items(fast)).toEqual(['Reads of parameters', 'KMS requests of reads'])
    const string = costReportOf(fleet([parameter('/c', { type: 'String' })]), prices(), { readsPerDay: 5 })
    expect(items(string)).toEqual([])
  })

  test('a key that AWS manages, under any of its names, costs nothing, nor do requests for secrets', () => {
    for (const keyId of [
      undefined,
      'alias/aws/secretsmanager',
      'arn:aws:kms:us-east-1:1:alias/aws/secretsmanager',
    ]) {
      const facts = fleet([secret('a', keyId ? { keyId } : {})])
      expect(items(costReportOf(facts, prices(), { readsPerDay: 5 }))).toEqual([
        'Secrets',
        'Reads of secrets',
      ])
    }
  })
})

describe('rotations', () => {
  const rotations = (more: Parameters<typeof secret>[1]) => {
    const facts = fleet([secret('a', more)], { 'us-east-1': region('us-east-1') })
    const { quantity = 0 } = line(costReportOf(facts, prices()).lines, 'State transitions of rotations') ?? {}
    return Math.round(quantity * 1000)
  }
  const month = 730 / 24
  const ours = { enabled: true, functionArn: rotateSecretIn('us-east-1') }

  test.each([
    ['every ten days by Secrets Manager', { rotation: { ...ours, everyDays: 10 } }, (month / 10) * 14],
    [
      'by a rate in hours',
      { rotation: { ...ours, schedule: 'rate(12 hours)', everyDays: 9 } },
      month * 2 * 14,
    ],
    ['by a rate of one day', { rotation: { ...ours, schedule: 'rate(1 day)' } }, month * 14],
    [
      'by a cron, as far apart as the last and the next are',
      {
        rotation: {
          ...ours,
          schedule: 'cron(0 1 * * ? *)',
          last: '2026-11-29T01:00:00Z',
          next: '2026-12-01T01:00:00Z',
        },
      },
      (month / 2) * 14,
    ],
    [
      'by a cron that comes right after a rotation by hand, as often as it may at most',
      {
        rotation: {
          ...ours,
          schedule: 'cron(0 1 * * ? *)',
          last: '2026-11-30T00:59:59Z',
          next: '2026-11-30T01:00:00Z',
        },
      },
      month * 6 * 14,
    ],
    ['with users that take turns', { ...scheduled(10), ...history('alternating-users') }, (month / 10) * 10],
    ['by its tag', tagged('10d', 'shop'), (month / 10) * 14],
    ['by a tag in hours', tagged('12h', 'shop'), month * 2 * 14],
    [
      'by another function',
      { rotation: { ...ours, functionArn: rotateSecretIn('eu-west-1'), everyDays: 1 } },
      0,
    ],
    ['by a tag without keyturn:managed', { tags: { is: { 'keyturn:every': '1d' } } }, 0],
    ['at home elsewhere', { tags: { is: { ...tagged('1d', 'x').tags.is, 'keyturn:home': 'eu-west-1' } } }, 0],
    ['as a replica', { primaryRegion: 'eu-west-1', ...scheduled(1) }, 0],
    ['by a tag that is wrong', tagged('often', 'shop'), 0],
    ['by a cron that has never run', { rotation: { ...ours, schedule: 'cron(0 1 * * ? *)' } }, 0],
  ])('%s', (_, more, transitions) => {
    expect(rotations(more)).toBe(Math.round(transitions))
  })

  test('a schedule without a known interval is reported', () => {
    const facts = fleet([secret('a', { rotation: ours })], { 'us-east-1': region('us-east-1') })
    expect(costReportOf(facts, prices()).assumptions.join(' ')).toContain(
      'How often 1 secret should rotate is not known',
    )
  })

  test('replicas add states and calls to a rotation', () => {
    const bill = (count: number) => {
      const replicas = many(count, name => ({ region: name, status: 'InSync' }))
      const facts = fleet([secret('a', { ...scheduled(1), replicas: { is: replicas } })], {
        'us-east-1': region('us-east-1'),
      })
      return costReportOf(facts, prices()).lines
    }
    const calls = (count: number) => line(bill(count), 'Calls of rotations of secrets')?.quantity ?? 0
    expect(calls(1)).toBeGreaterThan(calls(0))
    expect(calls(2)).toBeGreaterThan(calls(1))
  })
})

describe('reads', () => {
  const since = '2026-11-23T06:00:00.000Z'
  const swept = { sweep: { is: { completeSince: since, wantedSince: since, events: 1 } }, ...noStack }
  const billOf = (readers: Reader[], more = {}, regions = swept) =>
    costReportOf(
      fleet([secret('a', { readers, ...more })], { 'us-east-1': region('us-east-1', regions) }),
      prices(),
    )

  test('reads in CloudTrail are scaled up to a month as an estimate, without Keyturn’s own', () => {
    const report = billOf([reader({ reads: 6, denied: 1 }), reader({ own: true, reads: 500 })])
    const { quantity = 0, amount } = line(report.lines, 'Reads of secrets') ?? {}
    expect(quantity * 10_000).toBeCloseTo(730 / 24, 3)
    expect(amount?.confirmed).toBe(0)
    expect(report.assumptions.join(' ')).toContain(
      `from 2026-11-23 06:00 UTC to 2026-11-30 06:00 UTC, scaled up`,
    )
  })

  test('unknown reads are not counted, and the bill says so', () => {
    const report = costReportOf(fleet([secret('a', { readers: [reader({ reads: 7 })] })]), prices())
    expect(items(report)).toEqual(['Secrets'])
    expect(report.assumptions.join(' ')).toContain(
      'is not known, and no read is counted: say it with --reads-per-day',
    )
    expect(report.unread.credentials).toBe(0)
  })

  test('a credential that only Keyturn reads is a possible saving, unless it is newer than the events that were read', () => {
    const own = [reader({ own: true, reads: 500 })]
    expect(billOf(own).unread).toEqual({ credentials: 1, amount: { confirmed: 0.4, estimated: 0 } })
    expect(billOf([...own, reader({ reads: 1 })]).unread.credentials).toBe(0)
    expect(billOf(own, { created: '2026-11-28T00:00:00.000Z' }).unread.credentials).toBe(0)
    // A refused read does not count.
    expect(billOf([reader({ denied: 3 })]).unread.credentials).toBe(1)
  })

  test('some days without reads, or with unreadable events, are no possible saving', () => {
    const some = (more: object) => {
      const sweep = { is: { completeSince: since, wantedSince: since, events: 1, ...more } }
      return billOf([], {}, { ...swept, sweep }).unread.credentials
    }
    expect(some({})).toBe(1)
    expect(some({ completeSince: '2026-11-24T06:00:00.000Z' })).toBe(0)
    expect(some({ lost: 1 })).toBe(0)
  })

  test('a secret whose replica is read is no possible saving', () => {
    const primary = secret('a', { readers: [] })
    const there = primary.arn.replace('us-east-1', 'eu-west-1')
    const replica = { region: 'eu-west-1', arn: there, primaryRegion: 'us-east-1' }
    const facts = (readers: Reader[]) =>
      fleet([primary, secret('a', { ...replica, readers })], {
        'us-east-1': region('us-east-1', swept),
        'eu-west-1': region('eu-west-1', swept),
      })
    expect(costReportOf(facts([]), bundledPrices).unread.credentials).toBe(2)
    expect(costReportOf(facts([reader({ reads: 1 })]), bundledPrices).unread.credentials).toBe(0)
  })
})

describe('a parameter that holds no credential', () => {
  const advanced = { type: 'String', tier: 'Advanced' } as const
  const asSecrets = (more: Parameters<typeof parameter>[1], name = '/colour') => {
    const report = costReportOf(fleet([secret('a'), parameter(name, { ...advanced, ...more })]), prices())
    const [there] = report.comparisons
    return { report, secrets: totalDollars(there?.total as Amount) }
  }

  test('has a cost, but is in no comparison and not among the credentials', () => {
    const { report, secrets } = asSecrets({})
    expect(line(report.lines, 'Advanced parameters')).toMatchObject({ quantity: 1 })
    expect(secrets).toBe(0.4)
    expect(Object.keys(report.byCredential)).toEqual([secret('a').arn])
    expect(totalDollars(sumAmounts(Object.values(report.byTeam)))).toBeCloseTo(totalDollars(report.total), 6)
    expect(report.assumptions.join(' ')).toContain('1 other parameter that holds no credential')
  })

  test.each([
    ['a SecureString', { type: 'SecureString' }, '/colour'],
    ['named like a secret', {}, '/shop/DB_PASSWORD'],
    ["with one of Keyturn's tags", { tags: { is: { 'keyturn:managed': 'true' } } }, '/colour'],
  ] as const)('is not %s', (_, more, name) => {
    const { report, secrets } = asSecrets(more, name)
    expect(secrets).toBeCloseTo(0.8, 2)
    expect(Object.keys(report.byCredential)).toHaveLength(2)
  })

  test('is what the policy of an audit says', () => {
    const facts = fleet([parameter('/shop/pin', advanced)])
    const policy = { ...DEFAULT_POLICY, secretNames: ['pin'] }
    expect(Object.keys(costReportOf(facts, prices()).byCredential)).toEqual([])
    expect(Object.keys(costReportOf(facts, prices(), { policy }).byCredential)).toHaveLength(1)
    const { counts, credentials } = judgeFacts(facts, policy)
    expect([counts.credentials, counts.otherParameters, credentials.length]).toEqual([1, 0, 1])
    expect(judgeFacts(facts, DEFAULT_POLICY).counts).toMatchObject({
      credentials: 0,
      parameters: 0,
      otherParameters: 1,
    })
    expect(judgeFacts(facts, DEFAULT_POLICY).credentials).toEqual([])
  })
})

test('teams come from the tag that is named, else from team or owner, and what has neither is said', () => {
  const facts = fleet([
    secret('a', { tags: { is: { owner: 'one', cost: 'two' } } }),
    secret('b', { tags: { is: { team: '__proto__' } } }),
    secret('c', { tags: { unread: 'AccessDenied' } }),
  ])
  expect(Object.keys(costReportOf(facts, prices()).byTeam).sort()).toEqual(['__proto__', 'no team', 'one'])
  expect(Object.keys(costReportOf(facts, prices(), { teamTags: ['cost'] }).byTeam).sort()).toEqual([
    'no team',
    'two',
  ])
})

test('the bill says what could not be read and so is missing', () => {
  const regions = {
    'us-east-1': region('us-east-1', {
      secrets: { unread: 'AccessDenied of ListSecrets' },
      stack: { unread: 'Throttled' },
    }),
  }
  const { assumptions } = costReportOf(
    fleet([secret('c', { tags: { unread: 'AccessDenied' } })], regions),
    prices(),
  )
  expect(assumptions.slice(0, 3)).toEqual([
    'Secrets of us-east-1 may be missing: AccessDenied of ListSecrets.',
    'Whether us-east-1 has a stack could not be read: Throttled.',
    'The tags of 1 credential could not be read: team, and what tags say of rotations, are not known there.',
  ])
})

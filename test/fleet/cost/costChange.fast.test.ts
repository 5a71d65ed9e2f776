import { describe, expect, test } from 'vitest'
import type { Facts } from '../../../fleet/audit/facts.ts'
import { totalDollars } from '../../../fleet/cost/bill.ts'
import { costReportOf } from '../../../fleet/cost/cost.ts'
import type { CostChange } from '../../../fleet/cost/costChange.ts'
import type { CostOptions } from '../../../fleet/cost/costOptions.ts'
import type { CostReport } from '../../../fleet/cost/costReport.ts'
import { bundledPrices } from '../../../fleet/cost/prices.ts'
import { account, fleet, many, parameter, region, scheduled, secret } from './fleet.ts'

const replica = secret('a', { region: 'eu-west-1', primaryRegion: 'us-east-1' })
const some = (): Facts =>
  fleet(
    [
      secret('a', { ...scheduled(30), replicas: { is: [{ region: 'eu-west-1', status: 'InSync' }] } }),
      secret('b', { keyId: 'a-key' }),
      replica,
      parameter('/c'),
      parameter('/d', { type: 'String' }),
    ],
    { 'us-east-1': region('us-east-1'), 'eu-west-1': region('eu-west-1') },
  )
const billOf = (options: CostOptions, facts = some()) =>
  costReportOf(facts, bundledPrices, { readsPerDay: 10, ...options })
const changedBy = (change: CostChange, facts = some()) =>
  billOf({ change }, facts).change as NonNullable<CostReport['change']>
const quantity = ({ lines }: Pick<CostReport, 'lines'>, item: string) =>
  lines.filter(line => line.item === item).reduce((sum, line) => sum + line.quantity, 0)

describe('a change', () => {
  test('to Parameter Store leaves neither secrets nor replicas, and each former secret decrypts when it is read', () => {
    const found = changedBy({ store: 'parameter-store' })
    expect([quantity(found, 'Secrets'), quantity(found, 'Replicas')]).toEqual([0, 0])
    expect(quantity(found, 'Reads of parameters')).toBe(0)
    expect(quantity(found, 'KMS requests of reads')).toBeCloseTo((3 * 10 * 730) / 24 / 10_000, 6)
    const advanced = changedBy({ store: 'parameter-store', tier: 'advanced' })
    expect(quantity(advanced, 'Advanced parameters')).toBe(4)
    expect(quantity(advanced, 'Reads of parameters')).toBeCloseTo((4 * 10 * 730) / 24 / 10_000, 6)
  })

  test('to Secrets Manager makes a secret of each parameter that holds a credential', () => {
    const found = changedBy({ store: 'secrets-manager' })
    expect([quantity(found, 'Secrets'), quantity(found, 'Replicas')]).toEqual([3, 1])
    expect(quantity(found, 'KMS requests of reads')).toBeCloseTo((10 * 730) / 24 / 10_000, 6)
  })

  test('of the interval changes only rotations', () => {
    const now = billOf({})
    const found = changedBy({ everyDays: 60 })
    const transitions = 'State transitions of rotations'
    expect(quantity(found, transitions)).toBeCloseTo(quantity(now, transitions) / 2, 6)
    expect(quantity(found, 'Secrets')).toBe(2)
    // A credential without a schedule does not get one.
    expect(quantity(changedBy({ everyDays: 1 }, fleet([secret('b')])), transitions)).toBe(0)
  })

  test('of replicas gives each secret so many', () => {
    expect(quantity(changedBy({ replicas: 2 }), 'Replicas')).toBe(4)
    expect(quantity(changedBy({ replicas: 0 }), 'Replicas')).toBe(0)
    expect(quantity(changedBy({ replicas: 0 }), 'Secrets')).toBe(2)
  })

  test('of the key is one key in each Region, or none', () => {
    expect(quantity(changedBy({ key: 'customer' }), "Customer's keys")).toBe(2)
    expect(quantity(changedBy({ key: 'aws' }), "Customer's keys")).toBe(0)
    // First with three secrets and a SecureString, then with only the SecureString.
    const reads = (10 * 730) / 24 / 10_000
    expect(quantity(changedBy({ key: 'customer' }), 'KMS requests of reads')).toBeCloseTo(4 * reads, 6)
    expect(quantity(changedBy({ key: 'aws' }), 'KMS requests of reads')).toBeCloseTo(reads, 6)
  })

  test('of the tier, and of the network', () => {
    expect(quantity(changedBy({ tier: 'advanced' }), 'Advanced parameters')).toBe(2)
    expect(quantity(changedBy({ network: 'nat' }), 'NAT gateways')).toBe(2 * 2 * 730)
  })

  test('that deletes unread credentials saves their cost', () => {
    const facts = some()
    const unread = new Set([facts.credentials[1]?.arn ?? ''])
    const { total, change, unread: saved } = billOf({ unread, change: { withoutUnread: true } }, facts)
    // The key is only for this secret, so it is deleted too.
    const key = 1
    expect(totalDollars(total) - totalDollars(change?.total ?? total)).toBeCloseTo(
      totalDollars(saved.amount) + key,
      6,
    )
  })

  test('is said in words, and one that changes nothing costs what there is', () => {
    const { what, total } = changedBy({})
    expect(what).toEqual([])
    expect(total).toEqual(billOf({}).total)
    expect(changedBy({ everyDays: 90, replicas: 1, key: 'customer' }).what).toEqual([
      'a rotation every 90 days of what rotates by itself',
      '1 replica of each secret',
      "one customer's KMS key in each Region",
    ])
  })
})

describe('what a change of store would lose', () => {
  const losses = (facts: Facts, store: string) =>
    Object.fromEntries(
      billOf({}, facts)
        .comparisons.find(comparison => comparison.store === store)
        ?.losses.map(({ what, credentials }) => [what.split(/[,:]/)[0], credentials]) ?? [],
    )
  const policy = (principal: unknown) => ({
    policy: {
      is: JSON.stringify({
        Statement: [{ Effect: 'Allow', Principal: principal, Action: '*', Resource: '*' }],
      }),
    },
  })

  test('in Parameter Store: labels, replicas, policies, schedules, long values; replicas do not count twice', () => {
    const facts = fleet([
      secret('a', { ...scheduled(30), replicas: { is: [{ region: 'eu-west-1', status: 'InSync' }] } }),
      replica,
      secret('own', policy({ AWS: `arn:aws:iam::${account}:role/app` })),
      secret('other', policy({ AWS: ['arn:aws:iam::999999999999:root'] })),
      secret('digits', policy({ AWS: '999999999999' })),
      secret('rds!cluster', { owningService: 'rds' }),
    ])
    expect(losses(facts, 'parameter-store')).toEqual({
      'Staging labels': 5,
      'Replication to other Regions': 1,
      'A resource policy of its own': 3,
      'Reads from other accounts by that policy': 2,
      "Secrets Manager's own schedule and dates of rotation": 1,
      'A service of AWS that manages it': 1,
      'Values of more than 4 KB': undefined,
    })
  })

  test('a policy that could not be read makes the count not known', () => {
    const facts = fleet([secret('a', { policy: { unread: 'AccessDenied' } })])
    expect(losses(facts, 'parameter-store')['A resource policy of its own']).toBeUndefined()
  })

  test('in Secrets Manager: parameter policies, paths, plain values', () => {
    const facts = fleet([
      parameter('/c/d', { policies: ['Expiration'] }),
      parameter('password', { type: 'String' }),
      parameter('/d/colour', { type: 'String' }),
    ])
    expect(losses(facts, 'secrets-manager')).toEqual({
      'Parameter policies': 1,
      'Reads of a whole path by one call': 1,
      'Plain values that need no key': 1,
    })
  })
})

describe('a discount', () => {
  const deductions = (options: CostOptions, facts = some()) =>
    Object.fromEntries((billOf(options, facts).deductions ?? []).map(({ what, amount }) => [what, amount]))

  test('is shown only with its option, and not in the totals', () => {
    expect(billOf({}).deductions).toBeUndefined()
    expect(billOf({ freeTier: true, trial: true, credits: 9 }).total).toEqual(billOf({}).total)
    expect(deductions({ credits: 9 })).toEqual({ Credits: { confirmed: 9, estimated: 0 } })
  })

  test('a free tier is at most what there is, and is one for all Regions', () => {
    const found = deductions({ freeTier: true })
    // Two dashboards, at a price that nobody has read at AWS.
    expect(found['Free each month: 3 dashboards']).toEqual({ confirmed: 0, estimated: 6 })
    const runs = 2 * 11_680
    const month = 730 / 24
    const rotations = (month / 30) * (9 + 6)
    const free = found['Free each month: 4,000 state transitions']
    expect(free?.confirmed).toBeCloseTo((4000 / (runs + rotations)) * ((runs + rotations) / 1000) * 0.025, 6)
  })

  test('a trial is of the first 30 days after the first secret, and never claims cents', () => {
    const young = '2026-11-10T00:00:00.000Z'
    const facts = fleet(many(2, name => secret(name, { created: young })))
    const [amount] = Object.values(deductions({ trial: true }, facts))
    expect(amount).toEqual({ confirmed: 0, estimated: 0.8 })
    const older = fleet([...facts.credentials, secret('old')])
    expect(Object.values(deductions({ trial: true }, older))).toEqual([{ confirmed: 0, estimated: 0 }])
  })
})

import { describe, expect, test } from 'vitest'
import { parseProducts, priceListQueries, pricesFromList } from '../../../fleet/cost/priceList.ts'
import { bundledPrices, type PriceName, pricesForRegion } from '../../../fleet/cost/prices.ts'
import { answerPriceListCall, type DeclaredProduct } from '../../../local/aws/priceList.ts'

const product = (service: string, usage: string, usd: string, more: Partial<DeclaredProduct> = {}) => ({
  service,
  usage,
  region: 'eu-west-1',
  prices: [{ usd }],
  ...more,
})
/** The Price List for Ireland. */
function found(declared: DeclaredProduct[]) {
  const products = new Map(
    priceListQueries.map(({ service }) => {
      const { PriceList } = answerPriceListCall(declared, 'GetProducts', { ServiceCode: service }) as {
        PriceList: string[]
      }
      return [service, parseProducts(PriceList)]
    }),
  )
  return pricesFromList('eu-west-1', '2026-11-30', products, pricesForRegion(bundledPrices, 'eu-west-1'))
}
const priceOf = (name: PriceName, ...declared: DeclaredProduct[]) => {
  const { prices, missing } = found(declared)
  return missing.includes(name) ? undefined : prices.prices[name].price
}

describe('a price of the list', () => {
  test.each<[PriceName, DeclaredProduct, number]>([
    ['secret', product('AWSSecretsManager', 'EU-AWSSecretsManager-Secrets', '0.4'), 0.4],
    ['secretCalls', product('AWSSecretsManager', 'EU-AWSSecretsManager-APIRequests', '0.000005'), 0.05],
    ['keyRequests', product('awskms', 'eu-west-1-KMS-Requests', '0.000003'), 0.03],
    ['transitions', product('AmazonStates', 'EU-StateTransition', '0.000025'), 0.025],
    ['functionTime', product('AWSLambda', 'EU-Lambda-GB-Second-ARM', '0.0000133334'), 0.0000133334],
    ['tableKept', product('AmazonDynamoDB', 'EU-TimedStorage-ByteHrs', '0.283'), 0.283],
    ['natHours', product('AmazonEC2', 'EU-NatGateway-Hours', '0.048', { unit: 'Hrs' }), 0.048],
    ['dashboard', product('AmazonCloudWatch', 'DashboardsUsageHour', '0.0041095890', { unit: 'Hours' }), 3],
  ])('of %s has the unit of the bill', (name, declared, price) => {
    expect(priceOf(name, declared)).toBeCloseTo(price, 7)
  })

  test('is the first one that is not free, whatever stands first', () => {
    const prices = [
      { from: 1_000_000, usd: '0.000001' },
      { from: 20_000, usd: '0.000003' },
      { from: 0, usd: '0' },
    ]
    expect(priceOf('keyRequests', product('awskms', 'eu-west-1-KMS-Requests', '', { prices }))).toBe(0.03)
  })

  test('is not that of something else that has nearly the same name', () => {
    const others = [
      product('AmazonDynamoDB', 'EU-IA-TimedStorage-ByteHrs', '9'),
      product('AmazonDynamoDB', 'IA-WriteRequestUnits', '9'),
      product('AmazonDynamoDB', 'EU-ReplWriteRequestUnits', '9'),
      product('AWSQueueService', 'EU-Requests-FIFO-RBP', '9', { attributes: { queueType: 'Standard' } }),
      product('AmazonCloudWatch', 'EU-CW:AlarmMonitorUsage', '9', {
        attributes: { alarmType: 'High Resolution' },
      }),
      product('AWSEvents', 'EU-Event-64K-Chunks', '9', { attributes: { eventType: 'Partner Event' } }),
      product('AWSLambda', 'EU-Lambda-GB-Second', '9'),
    ]
    const { missing } = found(others)
    const names: PriceName[] = [
      'tableKept',
      'tableWrites',
      'queueRequests',
      'alarm',
      'events',
      'functionTime',
    ]
    expect(missing).toEqual(expect.arrayContaining(names))
  })

  test('is missing if there are two, and the earlier price stays, unconfirmed', () => {
    const two = ['1', '2'].map(usd => product('awskms', 'eu-west-1-KMS-Keys', usd))
    const { prices, missing } = found(two)
    expect(missing).toContain('key')
    expect(prices.prices.key).toMatchObject({ price: 1, confirmed: false })
    expect(priceOf('key', ...two.slice(0, 1), ...two.slice(0, 1))).toBe(1)
  })
})

test('of a Region without built-in prices is taken from another Region, with a note', () => {
  const { prices } = pricesFromList(
    'sa-east-1',
    '2026-11-30',
    new Map(),
    pricesForRegion(bundledPrices, 'us-east-1'),
  )
  expect(prices.region).toBe('sa-east-1')
  for (const { confirmed, source } of Object.values(prices.prices)) {
    expect(confirmed).toBe(false)
    expect(source).toMatch(/^that of us-east-1: /)
  }
})

test('what is no product, or not in dollars, is left out', () => {
  const yuan = {
    product: { attributes: { usagetype: 'x' } },
    terms: { OnDemand: { a: { priceDimensions: { b: { unit: 'x', pricePerUnit: { CNY: '1' } } } } } },
  }
  expect(parseProducts(['', 'null', '{}', JSON.stringify(yuan)])).toEqual([])
})

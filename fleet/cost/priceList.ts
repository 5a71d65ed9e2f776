import * as v from 'valibot'
import { MONTH_HOURS } from './month.ts'
import { PRICE_NAMES, PRICE_UNITS, type Price, type PriceName, type RegionPrices } from './prices.ts'

/**
 * Where AWS's Price List has a price: the service code, and what the product's family, usage type and attributes have to be. The
 * family is for the query only. All entries of a service have the same one, or none.
 */
type PriceListEntry = { service: string; family?: string; usage: RegExp; attributes?: Record<string, string> }

/**
 * The entry of each price. A usage type begins with its Region and `-`: mostly a short name such as EU, in KMS the Region's own
 * name. In us-east-1 it mostly begins with neither. The services and usage types are those of infracost
 * (https://github.com/infracost/infracost, internal/resources/aws).
 */
const PRICE_LIST_ENTRIES: Record<PriceName, PriceListEntry> = {
  secret: { service: 'AWSSecretsManager', usage: /AWSSecretsManager-Secrets?$/ },
  secretCalls: { service: 'AWSSecretsManager', usage: /AWSSecretsManager-?APIRequests?$/ },
  advancedParameter: { service: 'AWSSystemsManager', usage: /PS-Advanced-Param-Tier1$/ },
  parameterCalls: { service: 'AWSSystemsManager', usage: /PS-Param-Processed-Tier2$/ },
  key: { service: 'awskms', usage: /KMS-Keys$/ },
  keyRequests: { service: 'awskms', usage: /KMS-Requests$/ },
  transitions: { service: 'AmazonStates', usage: /(^|-)StateTransition$/ },
  functionCalls: { service: 'AWSLambda', family: 'Serverless', usage: /(^|-)Request-ARM$/ },
  functionTime: { service: 'AWSLambda', family: 'Serverless', usage: /(^|-)Lambda-GB-Second-ARM$/ },
  events: {
    service: 'AWSEvents',
    usage: /(^|-)Event-64K-Chunks$/,
    attributes: { eventType: 'Custom Event' },
  },
  schedules: { service: 'AWSEvents', usage: /(^|-)ScheduledInvocation$/ },
  metric: { service: 'AmazonCloudWatch', usage: /(^|-)CW:MetricMonitorUsage$/ },
  alarm: {
    service: 'AmazonCloudWatch',
    usage: /(^|-)CW:AlarmMonitorUsage$/,
    attributes: { alarmType: 'Standard' },
  },
  dashboard: { service: 'AmazonCloudWatch', usage: /(^|-)DashboardsUsageHour$/ },
  logsIn: { service: 'AmazonCloudWatch', usage: /(^|-)DataProcessing-Bytes$/ },
  logsKept: { service: 'AmazonCloudWatch', usage: /(^|-)TimedStorage-ByteHrs$/ },
  // With IA- before them, these are of DynamoDB's class for infrequent access, which the tables here do not have.
  tableWrites: { service: 'AmazonDynamoDB', usage: /(^|(?<!IA)-)WriteRequestUnits$/ },
  tableKept: { service: 'AmazonDynamoDB', usage: /(^|(?<!IA)-)TimedStorage-ByteHrs$/ },
  queueRequests: {
    service: 'AWSQueueService',
    usage: /(^|-)Requests(-RBP|-Tier1)?$/,
    attributes: { queueType: 'Standard' },
  },
  traces: { service: 'AWSXRay', usage: /(^|-)XRay-TracesStored$/ },
  natHours: { service: 'AmazonEC2', family: 'NAT Gateway', usage: /(^|-)NatGateway-Hours$/ },
  endpointHours: { service: 'AmazonVPC', family: 'VpcEndpoint', usage: /(^|-)VpcEndpoint-Hours$/ },
}

/** A query to the Price List: the products of a service, or of one product family of a large service. */
export type PriceListQuery = { service: string; family?: string }
/** The queries that give all prices of a Region. */
export const priceListQueries: PriceListQuery[] = [
  ...new Map(
    Object.values(PRICE_LIST_ENTRIES).map(({ service, family }) => [
      service,
      { service, ...(family && { family }) },
    ]),
  ).values(),
]

const product = v.object({
  product: v.object({
    attributes: v.intersect([v.object({ usagetype: v.string() }), v.record(v.string(), v.string())]),
  }),
  terms: v.object({
    OnDemand: v.record(
      v.string(),
      v.object({
        priceDimensions: v.record(
          v.string(),
          v.object({
            unit: v.string(),
            beginRange: v.optional(v.string(), '0'),
            pricePerUnit: v.object({ USD: v.pipe(v.string(), v.toNumber(), v.minValue(0)) }),
          }),
        ),
      }),
    ),
  }),
})
type Product = v.InferOutput<typeof product>
/** The products of each service, by its service code. */
export type ProductsByService = Map<string, Product[]>

/** The products of a page of GetProducts, each a text of JSON. Those without a price in US dollars are left out. */
export function parseProducts(page: readonly string[]): Product[] {
  return page.flatMap(text => {
    const found = v.safeParse(v.pipe(v.string(), v.parseJson(), product), text)
    return found.success ? [found.output] : []
  })
}

/**
 * The price `name` by these products, for as many units as its `per` in PRICE_UNITS. Where the price depends on the quantity, it
 * is that of the first quantity that is not free.
 * @returns undefined if there is no price, or products that fit have different ones
 */
function findPrice(name: PriceName, products: Product[]): number | undefined {
  const { usage, attributes = {} } = PRICE_LIST_ENTRIES[name]
  const found = new Set<number>()
  for (const { product, terms } of products) {
    if (!usage.test(product.attributes.usagetype)) continue
    if (Object.entries(attributes).some(([key, value]) => product.attributes[key] !== value)) continue
    const [first] = Object.values(terms.OnDemand)
      .flatMap(({ priceDimensions }) => Object.values(priceDimensions))
      .filter(({ pricePerUnit }) => pricePerUnit.USD > 0)
      .sort((a, b) => Number(a.beginRange) - Number(b.beginRange))
    if (first) found.add(first.pricePerUnit.USD * PRICE_UNITS[name].per * listUnitsPerUnit(name, first.unit))
  }
  const [price] = found
  return found.size === 1 && price !== undefined ? Number(price.toPrecision(9)) : undefined
}

/**
 * How many units of the Price List are one unit of PRICE_UNITS: mostly 1. Where the list has the price of an hour and PRICE_UNITS
 * that of a month, it is the hours of a month.
 */
const listUnitsPerUnit = (name: PriceName, unit: string): number =>
  /^(hours?|hrs)$/i.test(unit) && PRICE_UNITS[name].unit !== 'hour' ? MONTH_HOURS : 1

/**
 * The prices of a Region by the Price List. A price that the list does not have is taken from `before`, and is not confirmed;
 * `missing` names these.
 * @param day of the query, such as 2026-11-29
 * @param before earlier prices, of this Region or another one
 */
export function pricesFromList(
  region: string,
  day: string,
  products: ProductsByService,
  before: RegionPrices,
): { prices: RegionPrices; missing: PriceName[] } {
  const missing: PriceName[] = []
  const priceOf = (name: PriceName): Price => {
    const price = findPrice(name, products.get(PRICE_LIST_ENTRIES[name].service) ?? [])
    if (price !== undefined)
      return { price, confirmed: true, source: "AWS's Price List, GetProducts", date: day }
    missing.push(name)
    const old = before.prices[name]
    const elsewhere = before.region === region ? '' : `that of ${before.region}: `
    return { ...old, confirmed: false, source: `${elsewhere}${old.source}`.slice(0, 300) }
  }
  const prices = Object.fromEntries(PRICE_NAMES.map(name => [name, priceOf(name)])) as RegionPrices['prices']
  return { prices: { region, currency: 'USD', date: day, prices }, missing }
}

import * as v from 'valibot'
import { MONTH_HOURS } from './month.ts'
import { PRICE_NAMES, PRICE_UNITS, type Price, type PriceName, type RegionPrices } from './prices.ts'

/** Where AWS's Price List has a price: the service, and the product of it that a usage type ends with. */
type PriceListEntry = { service: string; family?: string; usage: RegExp; attributes?: Record<string, string> }

/**
 * Usage types begin with their Region's own short name, but in us-east-1, and `-` follows. Names of services and usage types are as
 * infracost asks for them (github.com/infracost/infracost, internal/resources/aws).
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

/** What has to be asked for a Region: each service, where it is large a part of it alone. */
export type PriceListQuery = { service: string; family?: string }
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
/** By the service that was asked for. */
export type ProductsByService = Map<string, Product[]>

/** The products of a page that say what they cost in US dollars; the others are of no use here. */
export function parseProducts(page: readonly string[]): Product[] {
  return page.flatMap(text => {
    const found = v.safeParse(v.pipe(v.string(), v.parseJson(), product), text)
    return found.success ? [found.output] : []
  })
}

/**
 * The price of what a bill counts by; undefined if there is none, or there are several. Of prices by quantity it is the first that
 * is not free.
 */
function findPrice(name: PriceName, products: Product[]): number | undefined {
  const { usage, attributes = {} } = PRICE_LIST_ENTRIES[name]
  const found = new Set<number>()
  for (const { product, terms } of products) {
    const { attributes: has } = product
    if (!usage.test(has.usagetype)) continue
    if (Object.entries(attributes).some(([key, value]) => has[key] !== value)) continue
    const [first] = Object.values(terms.OnDemand)
      .flatMap(({ priceDimensions }) => Object.values(priceDimensions))
      .filter(({ pricePerUnit }) => pricePerUnit.USD > 0)
      .sort((a, b) => Number(a.beginRange) - Number(b.beginRange))
    if (first) found.add(first.pricePerUnit.USD * PRICE_UNITS[name].per * hoursPerUnit(name, first.unit))
  }
  const [price] = found
  return found.size === 1 && price !== undefined ? Number(price.toPrecision(9)) : undefined
}

/** What a bill counts by the month, the list may have by the hour. */
const hoursPerUnit = (name: PriceName, unit: string): number =>
  /^(hours?|hrs)$/i.test(unit) && PRICE_UNITS[name].unit !== 'hour' ? MONTH_HOURS : 1

/**
 * The prices of a Region by what the list says. `before` has what is left where it says nothing, and then that is not confirmed.
 * `missing` names those.
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

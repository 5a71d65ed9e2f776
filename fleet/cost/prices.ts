import * as v from 'valibot'
import { REGION_PATTERN } from '../../rotation/regionName.ts'
import euCentral1 from './prices/eu-central-1.json' with { type: 'json' }
import euWest1 from './prices/eu-west-1.json' with { type: 'json' }
import usEast1 from './prices/us-east-1.json' with { type: 'json' }

/** What is billed. A price is for `per` single things or calls, which together are called a `unit`. */
export const PRICE_UNITS = {
  secret: { per: 1, unit: 'secret' },
  secretCalls: { per: 10_000, unit: '10,000 calls' },
  advancedParameter: { per: 1, unit: 'parameter' },
  parameterCalls: { per: 10_000, unit: '10,000 calls' },
  key: { per: 1, unit: 'key' },
  keyRequests: { per: 10_000, unit: '10,000 requests' },
  transitions: { per: 1000, unit: '1,000 transitions' },
  functionCalls: { per: 1_000_000, unit: 'million calls' },
  functionTime: { per: 1, unit: 'GB-second' },
  events: { per: 1_000_000, unit: 'million events' },
  schedules: { per: 1_000_000, unit: 'million starts' },
  metric: { per: 1, unit: 'metric' },
  alarm: { per: 1, unit: 'alarm' },
  dashboard: { per: 1, unit: 'dashboard' },
  logsIn: { per: 1, unit: 'GB' },
  logsKept: { per: 1, unit: 'GB-month' },
  tableWrites: { per: 1_000_000, unit: 'million writes' },
  tableKept: { per: 1, unit: 'GB-month' },
  queueRequests: { per: 1_000_000, unit: 'million requests' },
  traces: { per: 1_000_000, unit: 'million traces' },
  natHours: { per: 1, unit: 'hour' },
  endpointHours: { per: 1, unit: 'hour' },
} as const
/** A key of PRICE_UNITS. */
export type PriceName = keyof typeof PRICE_UNITS
/** The keys of PRICE_UNITS. */
export const PRICE_NAMES = Object.keys(PRICE_UNITS) as PriceName[]

const day = v.pipe(v.string(), v.isoDate('a day, such as 2026-11-29'))

const price = v.strictObject({
  /** US dollars. */
  price: v.pipe(v.number(), v.minValue(0), v.maxValue(10_000)),
  /** Whether the price was read on a page of AWS or in its Price List. Otherwise it is an estimate. */
  confirmed: v.boolean(),
  /** The page's address, the Price List, or where the estimate comes from. */
  source: v.pipe(v.string(), v.minLength(1), v.maxLength(300)),
  /** The day on which the source had this price. */
  date: day,
})
/** The price of one kind of thing in a Region, and where it comes from. */
export type Price = v.InferOutput<typeof price>

/** The schema of RegionPrices. */
const regionPrices = v.strictObject({
  region: v.pipe(v.string(), v.regex(REGION_PATTERN, 'a Region, such as eu-west-1')),
  currency: v.literal('USD'),
  /** The day on which all of the prices were looked up. */
  date: day,
  prices: v.strictObject(
    Object.fromEntries(PRICE_NAMES.map(name => [name, price])) as Record<PriceName, typeof price>,
  ),
})
/** The prices of a Region, as the files in prices/ and those that `keyturn cost --refresh` writes have them. */
export type RegionPrices = v.InferOutput<typeof regionPrices>

/** Prices by Region. */
export type PricesByRegion = Record<string, RegionPrices>

/** There are no prices of a Region. */
export class UnknownRegion extends Error {
  override readonly name = 'UnknownRegion'
  readonly region: string
  /** The Regions whose prices are known. */
  readonly known: string[]
  constructor(region: string, known: string[]) {
    super(`there are no prices of the Region ${region}, only of ${known.join(', ')}`)
    this.region = region
    this.known = known
  }
}

/** The prices that Keyturn comes with. */
export const bundledPrices: PricesByRegion = parsePrices([euCentral1, euWest1, usEast1])

/** Prices by Region, from the parsed JSON of files. @throws ValiError that names the wrong field */
export function parsePrices(lists: unknown): PricesByRegion {
  const found = v.parse(v.pipe(v.array(regionPrices), v.maxLength(100)), lists)
  return Object.fromEntries(found.map(list => [list.region, list]))
}

/** The prices of a Region. @throws UnknownRegion */
export function pricesForRegion(prices: PricesByRegion, region: string): RegionPrices {
  const found = Object.hasOwn(prices, region) ? prices[region] : undefined
  if (!found) throw new UnknownRegion(region, Object.keys(prices).sort())
  return found
}

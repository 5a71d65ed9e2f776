import { readFile } from 'node:fs/promises'
import type { PricingClient } from '@aws-sdk/client-pricing'
import * as v from 'valibot'
import {
  type PriceListQuery,
  type ProductsByService,
  parseProducts,
  priceListQueries,
  pricesFromList,
} from '../../fleet/cost/priceList.ts'
import {
  bundledPrices,
  type PriceName,
  type PricesByRegion,
  parsePrices,
  type RegionPrices,
  UnknownRegion,
} from '../../fleet/cost/prices.ts'
import type { Context } from '../context.ts'
import { usageError } from '../exit.ts'
import { fileErrorText, writePrivateFile } from '../files.ts'
import { sanitize } from '../output.ts'

/**
 * The Region whose endpoint of the Price List API is asked. Only some Regions have one, and each has the prices of all Regions.
 * @see https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html#price-list-query-api-endpoints
 */
const PRICE_LIST_REGION = 'us-east-1'
/** Pages of a hundred products that are read for one query at most. */
const MAX_PAGE_COUNT = 50
/** Characters of a file of prices at most: many times the length of a file with a hundred Regions. */
const MAX_FILE_LENGTH = 2_000_000
/** The Region whose prices stand in for those that the Price List lacks, in a Region of which Keyturn has no earlier prices. */
const FALLBACK_REGION = 'us-east-1'

/** The prices of a file, and for Regions that the file does not have, those that Keyturn comes with. @throws CommandError */
export const readPrices = async (file: string): Promise<PricesByRegion> => ({
  ...bundledPrices,
  ...(await readPricesFile(file)),
})

/** Only the prices of a file. @throws CommandError */
async function readPricesFile(file: string): Promise<PricesByRegion> {
  const text = await readFile(file, 'utf8').catch(error => {
    throw notPricesError(file, `it cannot be read: ${fileErrorText(error, false)}`, error)
  })
  if (text.length > MAX_FILE_LENGTH) throw notPricesError(file, 'it is too long')
  try {
    return parsePrices(JSON.parse(text))
  } catch (error) {
    throw notPricesError(file, problemIn(error), error)
  }
}

function problemIn(error: unknown): string {
  if (!v.isValiError(error)) return 'it is not JSON'
  const [issue] = error.issues
  const { message } = issue
  return `${v.getDotPath(issue) ?? 'it'}: ${message}`
}

const notPricesError = (file: string, problem: string, cause?: unknown) =>
  usageError(
    `${sanitize(file)} does not hold prices: ${sanitize(problem)}`,
    'Write a new one: keyturn cost --refresh --prices FILE. See docs/cost.md.',
    cause,
  )

/**
 * Reads the prices of these Regions from AWS's Price List, and writes them to a file. The file keeps its prices of other Regions.
 * A price that the list does not have is taken from the file, else from what Keyturn comes with, and is marked as unconfirmed.
 * @param day today, YYYY-MM-DD
 * @returns the prices, and for each Region the names of prices that the list does not have
 */
export async function refreshPrices(
  { clients }: Context,
  file: string,
  regions: string[],
  day: string,
): Promise<{ prices: PricesByRegion; missing: Record<string, PriceName[]> }> {
  const client = await clients.forRegion(PRICE_LIST_REGION).pricing()
  const missing: Record<string, PriceName[]> = {}
  // A file without valid prices, or that does not exist, is replaced.
  const filePrices: PricesByRegion = await readPricesFile(file).catch(() => ({}))
  for (const region of regions) {
    const products: ProductsByService = new Map()
    for (const query of priceListQueries)
      products.set(query.service, await fetchProducts(client, query, region))
    const found = pricesFromList(region, day, products, filePrices[region] ?? fallbackPrices(region))
    filePrices[region] = found.prices
    missing[region] = found.missing
  }
  const lists = Object.values(filePrices)
  await writePrivateFile(file, '--prices', `${JSON.stringify(lists, undefined, 2)}\n`)
  return { prices: { ...bundledPrices, ...parsePrices(lists) }, missing }
}

async function fetchProducts(client: PricingClient, { service, family }: PriceListQuery, regionCode: string) {
  const { GetProductsCommand } = await import('@aws-sdk/client-pricing')
  const fields = { regionCode, ...(family && { productFamily: family }) }
  const Filters = Object.entries(fields).map(([Field, Value]) => ({
    Type: 'TERM_MATCH' as const,
    Field,
    Value,
  }))
  const found: ReturnType<typeof parseProducts> = []
  let nextToken: string | undefined
  for (let page = 0; page < MAX_PAGE_COUNT; page++) {
    const next = nextToken && { NextToken: nextToken }
    const command = new GetProductsCommand({ ServiceCode: service, Filters, MaxResults: 100, ...next })
    const { PriceList = [], NextToken } = await client.send(command)
    found.push(...parseProducts(PriceList.map(String)))
    nextToken = NextToken
    if (!nextToken) break
  }
  return found
}

/** The prices that Keyturn comes with for a Region; if there are none, those of FALLBACK_REGION. */
function fallbackPrices(region: string): RegionPrices {
  const found =
    (Object.hasOwn(bundledPrices, region) && bundledPrices[region]) || bundledPrices[FALLBACK_REGION]
  if (!found) throw new UnknownRegion(FALLBACK_REGION, Object.keys(bundledPrices))
  return found
}

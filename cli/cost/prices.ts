import { readFile } from 'node:fs/promises'
import type { PricingClient } from '@aws-sdk/client-pricing'
import * as v from 'valibot'
import { listed, type Products, productsIn, type Query, queries } from '../../fleet/cost/priceList.ts'
import {
  ownPrices,
  type PriceName,
  type Prices,
  pricesIn,
  type RegionPrices,
  UnknownRegion,
} from '../../fleet/cost/prices.ts'
import type { Context } from '../context.ts'
import { CommandError, exit } from '../exit.ts'
import { whyNot, write } from '../files.ts'
import { plain } from '../output.ts'

/** The Price List is the same wherever it is asked, and this Region answers. */
const ENDPOINT = 'us-east-1'
/** Pages of a hundred products that one question may have. */
const PAGES = 50
/** Bytes of a file of prices: many times what one of a hundred Regions has. */
const LARGEST = 2_000_000
/** The Region whose prices stand in where nothing is known of one. */
const STAND_IN = 'us-east-1'

/** The prices of a file, before those that Keyturn comes with. @throws CommandError */
export const pricesFrom = async (file: string): Promise<Prices> => ({
  ...ownPrices,
  ...(await pricesHeld(file)),
})

/** The prices of a file alone. @throws CommandError */
async function pricesHeld(file: string): Promise<Prices> {
  const text = await readFile(file, 'utf8').catch(error => {
    throw unusable(file, `it cannot be read: ${whyNot(error, false)}`, error)
  })
  if (text.length > LARGEST) throw unusable(file, 'it is too long')
  try {
    return pricesIn(JSON.parse(text))
  } catch (error) {
    throw unusable(file, problemIn(error), error)
  }
}

function problemIn(error: unknown): string {
  if (!v.isValiError(error)) return 'it is no JSON'
  const [issue] = error.issues
  const { message } = issue
  return `${v.getDotPath(issue) ?? 'it'}: ${message}`
}

const unusable = (file: string, problem: string, cause?: unknown) =>
  new CommandError(
    exit.usage,
    `${plain(file)} does not hold prices: ${plain(problem)}`,
    'Have it written anew: keyturn cost --refresh --prices FILE. docs/cost.md says more.',
    cause,
  )

/**
 * Reads the prices of these Regions from AWS's Price List, and writes them to a file. `day` is the day on which that is. What the file
 * has of other Regions, and what the list does not have of these, stays.
 * @returns what the file has, and by Region the names of what the list does not have
 */
export async function refresh(
  { clients }: Context,
  file: string,
  regions: string[],
  day: string,
): Promise<{ prices: Prices; missing: Record<string, PriceName[]> }> {
  const client = await clients.in(ENDPOINT).pricing()
  const missing: Record<string, PriceName[]> = {}
  // A file that holds no prices is written anew.
  const held: Prices = await pricesHeld(file).catch(() => ({}))
  for (const region of regions) {
    const products: Products = new Map()
    for (const query of queries) products.set(query.service, await productsOf(client, query, region))
    const found = listed(region, day, products, held[region] ?? standIn(region))
    held[region] = found.prices
    missing[region] = found.missing
  }
  const lists = Object.values(held)
  await write(file, '--prices', `${JSON.stringify(lists, undefined, 2)}\n`)
  return { prices: { ...ownPrices, ...pricesIn(lists) }, missing }
}

async function productsOf(client: PricingClient, { service, family }: Query, regionCode: string) {
  const { GetProductsCommand } = await import('@aws-sdk/client-pricing')
  const fields = { regionCode, ...(family && { productFamily: family }) }
  const Filters = Object.entries(fields).map(([Field, Value]) => ({
    Type: 'TERM_MATCH' as const,
    Field,
    Value,
  }))
  const found: ReturnType<typeof productsIn> = []
  let token: string | undefined
  for (let page = 0; page < PAGES; page++) {
    const next = token && { NextToken: token }
    const command = new GetProductsCommand({ ServiceCode: service, Filters, MaxResults: 100, ...next })
    const { PriceList = [], NextToken } = await client.send(command)
    found.push(...productsIn(PriceList.map(String)))
    token = NextToken
    if (!token) break
  }
  return found
}

function standIn(region: string): RegionPrices {
  const found = (Object.hasOwn(ownPrices, region) && ownPrices[region]) || ownPrices[STAND_IN]
  if (!found) throw new UnknownRegion(STAND_IN, Object.keys(ownPrices))
  return found
}

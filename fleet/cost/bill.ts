import { type Amount, COST_GROUPS, type CostGroup, type CostLine } from './costReport.ts'
import { PRICE_UNITS, type PriceName, type PricesByRegion, pricesForRegion } from './prices.ts'

/** A use that AWS bills, such as a secret or calls of an API, each month, and whose it is. */
export type BilledUse = {
  priceName: PriceName
  item: string
  group: CostGroup
  region: string
  /** How many single things or calls: 10,000 calls are 10,000 here, also where the price is for 10,000 calls. */
  quantity: number
  /** Whether the quantity is a guess, or scaled up from some days. */
  estimated?: boolean
  /** ARN of the credential that the use is for; unset if all credentials share it. */
  credential?: string
  team?: string
}

/** A use without its Region and its owner, which the caller adds. */
export type UnplacedUse = Pick<BilledUse, 'priceName' | 'item' | 'group' | 'quantity' | 'estimated'>

/** A use whose quantity is counted, unless `estimated` says otherwise. */
export const countedUse = (
  priceName: PriceName,
  group: CostGroup,
  item: string,
  quantity: number,
  estimated = false,
): UnplacedUse => ({ priceName, item, group, quantity, estimated })

/** A use whose quantity is a guess. */
export const estimatedUse = (
  ...[priceName, group, item, quantity]: Parameters<typeof countedUse>
): UnplacedUse => countedUse(priceName, group, item, quantity, true)

/** Stands in place of a team for uses that belong to no credential. */
const SHARED_TEAM_NAME = '(shared)'
const ZERO_AMOUNT: Amount = { confirmed: 0, estimated: 0 }

/** Rounds an amount or a quantity, so that the error of adding up fractions does not show. */
const roundOff = (value: number) => Math.round(value * 1e8) / 1e8
const roundAmount = ({ confirmed, estimated }: Amount): Amount => ({
  confirmed: roundOff(confirmed),
  estimated: roundOff(estimated),
})

/** The sum of amounts, confirmed and estimated parts apart. */
export function sumAmounts(amounts: Iterable<Amount>): Amount {
  const total = { ...ZERO_AMOUNT }
  for (const amount of amounts) addAmount(total, amount)
  return roundAmount(total)
}

function addAmount(total: Amount, { confirmed, estimated }: Amount): void {
  total.confirmed += confirmed
  total.estimated += estimated
}

/** The confirmed and the estimated part of an amount together. */
export const totalDollars = ({ confirmed, estimated }: Amount): number => roundOff(confirmed + estimated)

/** What a use costs. The amount is confirmed only if price and quantity are. @throws UnknownRegion */
export function amountOf(
  { priceName: name, region, quantity, estimated }: BilledUse,
  prices: PricesByRegion,
): Amount {
  const { price, confirmed } = pricesForRegion(prices, region).prices[name]
  const dollars = (quantity / PRICE_UNITS[name].per) * price
  return confirmed && !estimated ? { confirmed: dollars, estimated: 0 } : { confirmed: 0, estimated: dollars }
}

/** Merges the uses of the same item in the same Region, counted and estimated ones apart. The merged uses have no owner. */
export function mergeUses(uses: Iterable<BilledUse>): BilledUse[] {
  const merged = new Map<string, BilledUse>()
  for (const { region, item, priceName, group, quantity, estimated = false } of uses) {
    if (quantity === 0) continue
    const key = `${region} ${priceName} ${estimated} ${item}`
    const before = merged.get(key)
    if (before) before.quantity += quantity
    else merged.set(key, { region, item, priceName, group, quantity, estimated })
  }
  return [...merged.values()]
}

/**
 * The lines of a bill: one for each Region and item, counted and estimated apart; ordered by group and Region.
 * @throws UnknownRegion
 */
export function linesOf(uses: Iterable<BilledUse>, prices: PricesByRegion): CostLine[] {
  const rank = ({ group }: CostLine) => COST_GROUPS.indexOf(group)
  return mergeUses(uses)
    .map(use => lineOf(use, prices))
    .sort((a, b) => rank(a) - rank(b) || a.region.localeCompare(b.region))
}

function lineOf(use: BilledUse, prices: PricesByRegion): CostLine {
  const { item, group, region, quantity, priceName: name } = use
  const { price, confirmed, source, date } = pricesForRegion(prices, region).prices[name]
  const { per, unit } = PRICE_UNITS[name]
  return {
    item,
    group,
    region,
    quantity: roundOff(quantity / per),
    unit,
    price,
    source: `${source} (${date})`,
    confirmed,
    amount: roundAmount(amountOf(use, prices)),
  }
}

/** The amount of each team, the most expensive one first; uses of no credential come last, as `(shared)`. @throws UnknownRegion */
export function amountsByTeam(uses: Iterable<BilledUse>, prices: PricesByRegion): Record<string, Amount> {
  const teams = amountsByName(uses, prices, ({ team = SHARED_TEAM_NAME }) => team)
  const rank = ([name, amount]: [string, Amount]) => (name === SHARED_TEAM_NAME ? -1 : totalDollars(amount))
  return Object.fromEntries([...teams].sort((a, b) => rank(b) - rank(a)))
}

/** The amount of each credential, by its ARN. @throws UnknownRegion */
export const amountsByCredential = (uses: Iterable<BilledUse>, prices: PricesByRegion): Map<string, Amount> =>
  amountsByName(uses, prices, ({ credential }) => credential)

/** The amounts of the uses that have the same name; uses without one are left out. No use is kept: a fleet has very many. */
function amountsByName(
  uses: Iterable<BilledUse>,
  prices: PricesByRegion,
  nameOf: (use: BilledUse) => string | undefined,
) {
  const found = new Map<string, Amount>()
  for (const use of uses) {
    const name = nameOf(use)
    if (name === undefined) continue
    const amount = found.get(name) ?? { ...ZERO_AMOUNT }
    addAmount(amount, amountOf(use, prices))
    found.set(name, amount)
  }
  for (const [name, amount] of found) found.set(name, roundAmount(amount))
  return found
}

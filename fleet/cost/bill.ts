import { type Amount, COST_GROUPS, type CostGroup, type CostLine } from './costReport.ts'
import { PRICE_UNITS, type PriceName, type PricesByRegion, pricesForRegion } from './prices.ts'

/** Something that is billed, and whose it is. */
export type BilledUse = {
  priceName: PriceName
  item: string
  group: CostGroup
  region: string
  /** Of single things: not of what a price is for. */
  quantity: number
  /** Whether that many is a guess, or scaled up. */
  estimated?: boolean
  /** ARN of the credential that it is for; unset: what all share. */
  credential?: string
  team?: string
}

/** What is known of a use wherever it is. */
export type UnplacedUse = Pick<BilledUse, 'priceName' | 'item' | 'group' | 'quantity' | 'estimated'>

/** A use that is counted. */
export const countedUse = (
  priceName: PriceName,
  group: CostGroup,
  item: string,
  quantity: number,
  estimated = false,
): UnplacedUse => ({ priceName, item, group, quantity, estimated })

/** A use of which nobody has counted how many there are. */
export const estimatedUse = (
  ...[priceName, group, item, quantity]: Parameters<typeof countedUse>
): UnplacedUse => countedUse(priceName, group, item, quantity, true)

/** What belongs to no credential, and so to no team. */
const SHARED_TEAM_NAME = '(shared)'
const ZERO_AMOUNT: Amount = { confirmed: 0, estimated: 0 }

/** Smaller parts of a dollar are noise of adding up. */
const roundDollars = (dollars: number) => Math.round(dollars * 1e8) / 1e8
const roundAmount = ({ confirmed, estimated }: Amount): Amount => ({
  confirmed: roundDollars(confirmed),
  estimated: roundDollars(estimated),
})

export function sumAmounts(amounts: Iterable<Amount>): Amount {
  const total = { ...ZERO_AMOUNT }
  for (const amount of amounts) addAmount(total, amount)
  return roundAmount(total)
}

function addAmount(total: Amount, { confirmed, estimated }: Amount): void {
  total.confirmed += confirmed
  total.estimated += estimated
}

/** All of it, whatever is known of it. */
export const totalDollars = ({ confirmed, estimated }: Amount): number => roundDollars(confirmed + estimated)

/** What a use costs. @throws UnknownRegion */
export function amountOf(
  { priceName: name, region, quantity, estimated }: BilledUse,
  prices: PricesByRegion,
): Amount {
  const { price, confirmed } = pricesForRegion(prices, region).prices[name]
  const dollars = (quantity / PRICE_UNITS[name].per) * price
  return confirmed && !estimated ? { confirmed: dollars, estimated: 0 } : { confirmed: 0, estimated: dollars }
}

/** The uses of one item in one Region that are equally certain, as one that is nobody's. */
export function mergeUses(uses: Iterable<BilledUse>): BilledUse[] {
  const together = new Map<string, BilledUse>()
  for (const { region, item, priceName, group, quantity, estimated = false } of uses) {
    if (quantity === 0) continue
    const key = `${region} ${priceName} ${estimated} ${item}`
    const before = together.get(key)
    if (before) before.quantity += quantity
    else together.set(key, { region, item, priceName, group, quantity, estimated })
  }
  return [...together.values()]
}

/** A line for each Region, item and certainty, by group and then by Region. @throws UnknownRegion */
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
    quantity: roundDollars(quantity / per),
    unit,
    price,
    source: `${source} (${date})`,
    confirmed,
    amount: roundAmount(amountOf(use, prices)),
  }
}

/** What each team's part is, the most expensive first, then what all share. @throws UnknownRegion */
export function amountsByTeam(uses: Iterable<BilledUse>, prices: PricesByRegion): Record<string, Amount> {
  const teams = amountsByName(uses, prices, ({ team = SHARED_TEAM_NAME }) => team)
  const rank = ([name, amount]: [string, Amount]) => (name === SHARED_TEAM_NAME ? -1 : totalDollars(amount))
  return Object.fromEntries([...teams].sort((a, b) => rank(b) - rank(a)))
}

/** What each credential's part is, by its ARN. @throws UnknownRegion */
export const amountsByCredential = (uses: Iterable<BilledUse>, prices: PricesByRegion): Map<string, Amount> =>
  amountsByName(uses, prices, ({ credential }) => credential)

/** The sums of what has the same name; what has none is left out. A fleet has a hundred thousand uses: none is kept. */
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

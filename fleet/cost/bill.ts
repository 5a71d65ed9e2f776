import { type Amount, type CostGroup, type CostLine, costGroups } from './costReport.ts'
import { type PriceName, type Prices, pricesOf, units } from './prices.ts'

/** Something that is billed, and whose it is. */
export type Use = {
  price: PriceName
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
export type Counted = Pick<Use, 'price' | 'item' | 'group' | 'quantity' | 'estimated'>

/** A use that is counted. */
export const counted = (
  price: PriceName,
  group: CostGroup,
  item: string,
  quantity: number,
  estimated = false,
): Counted => ({ price, item, group, quantity, estimated })

/** A use of which nobody has counted how many there are. */
export const guessed = (...[price, group, item, quantity]: Parameters<typeof counted>): Counted =>
  counted(price, group, item, quantity, true)

/** What belongs to no credential, and so to no team. */
const SHARED = '(shared)'
const nothing: Amount = { confirmed: 0, estimated: 0 }

/** Smaller parts of a dollar are noise of adding up. */
const exact = (dollars: number) => Math.round(dollars * 1e8) / 1e8
const rounded = ({ confirmed, estimated }: Amount): Amount => ({
  confirmed: exact(confirmed),
  estimated: exact(estimated),
})

export function sum(amounts: Iterable<Amount>): Amount {
  const total = { ...nothing }
  for (const amount of amounts) add(total, amount)
  return rounded(total)
}

function add(total: Amount, { confirmed, estimated }: Amount): void {
  total.confirmed += confirmed
  total.estimated += estimated
}

/** All of it, whatever is known of it. */
export const whole = ({ confirmed, estimated }: Amount): number => exact(confirmed + estimated)

/** What a use costs. @throws UnknownRegion */
export function amountOf({ price: name, region, quantity, estimated }: Use, prices: Prices): Amount {
  const { price, confirmed } = pricesOf(prices, region).prices[name]
  const dollars = (quantity / units[name].per) * price
  return confirmed && !estimated ? { confirmed: dollars, estimated: 0 } : { confirmed: 0, estimated: dollars }
}

/** The uses of one item in one Region that are equally certain, as one that is nobody's. */
export function merged(uses: Iterable<Use>): Use[] {
  const together = new Map<string, Use>()
  for (const { region, item, price, group, quantity, estimated = false } of uses) {
    if (quantity === 0) continue
    const key = `${region} ${price} ${estimated} ${item}`
    const before = together.get(key)
    if (before) before.quantity += quantity
    else together.set(key, { region, item, price, group, quantity, estimated })
  }
  return [...together.values()]
}

/** A line for each Region, item and certainty, by group and then by Region. @throws UnknownRegion */
export function linesOf(uses: Iterable<Use>, prices: Prices): CostLine[] {
  const rank = ({ group }: CostLine) => costGroups.indexOf(group)
  return merged(uses)
    .map(use => lineOf(use, prices))
    .sort((a, b) => rank(a) - rank(b) || a.region.localeCompare(b.region))
}

function lineOf(use: Use, prices: Prices): CostLine {
  const { item, group, region, quantity, price: name } = use
  const { price, confirmed, source, date } = pricesOf(prices, region).prices[name]
  const { per, unit } = units[name]
  return {
    item,
    group,
    region,
    quantity: exact(quantity / per),
    unit,
    price,
    source: `${source} (${date})`,
    confirmed,
    amount: rounded(amountOf(use, prices)),
  }
}

/** What each team's part is, the most expensive first, then what all share. @throws UnknownRegion */
export function byTeam(uses: Iterable<Use>, prices: Prices): Record<string, Amount> {
  const teams = shares(uses, prices, ({ team = SHARED }) => team)
  const rank = ([name, amount]: [string, Amount]) => (name === SHARED ? -1 : whole(amount))
  return Object.fromEntries([...teams].sort((a, b) => rank(b) - rank(a)))
}

/** What each credential's part is, by its ARN. @throws UnknownRegion */
export const byCredential = (uses: Iterable<Use>, prices: Prices): Map<string, Amount> =>
  shares(uses, prices, ({ credential }) => credential)

/** The sums of what has the same name; what has none is left out. A fleet has a hundred thousand uses: none is kept. */
function shares(uses: Iterable<Use>, prices: Prices, nameOf: (use: Use) => string | undefined) {
  const found = new Map<string, Amount>()
  for (const use of uses) {
    const name = nameOf(use)
    if (name === undefined) continue
    const amount = found.get(name) ?? { ...nothing }
    add(amount, amountOf(use, prices))
    found.set(name, amount)
  }
  for (const [name, amount] of found) found.set(name, rounded(amount))
  return found
}

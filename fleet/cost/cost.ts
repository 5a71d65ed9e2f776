import { inRegion } from '../../rotation/arn.ts'
import { type StoreName, storeNames } from '../../rotation/stores/store.ts'
import type { CredentialFacts, Facts } from '../audit/facts.ts'
import { SHORTEST } from '../audit/lastRead.ts'
import { assumptionsOf } from './assumptions.ts'
import { byCredential, byTeam, linesOf, merged, sum, type Use, whole } from './bill.ts'
import { type Billed, billedOf } from './billed.ts'
import { type Change, changed, changeTexts } from './change.ts'
import type { CostOptions } from './costOptions.ts'
import type { Amount, Comparison, CostReport } from './costReport.ts'
import { deductionsOf } from './deductions.ts'
import { deploymentUses, stackRegions } from './deployment.ts'
import { lossesIn } from './losses.ts'
import { networkUses, ZONES } from './network.ts'
import { usesOf } from './perCredential.ts'
import { type Prices, pricesOf } from './prices.ts'

/** What a fleet costs a month. @throws UnknownRegion if there are no prices of a Region that has something */
export function costOf(facts: Facts, prices: Prices, options: CostOptions = {}): CostReport {
  const billed = billedOf(facts, options)
  const credentials = new Set(billed.flatMap(({ arn, credential }) => (credential ? [arn] : [])))
  const held = { ...facts, credentials: facts.credentials.filter(({ arn }) => credentials.has(arn)) }
  const unread = options.unread ?? unreadIn(held)
  const uses = () => allUses(facts, billed, options)
  const lines = linesOf(uses(), prices)
  const amounts = byCredential(uses(), prices)
  const regions = [...new Set([...lines.map(({ region }) => region), facts.region])].sort()
  const wanted = options.freeTier || options.trial || options.credits
  return {
    format: 'keyturn-cost/1',
    moment: facts.moment,
    currency: 'USD',
    regions,
    pricesOf: Object.fromEntries(regions.map(region => [region, pricesOf(prices, region).date])),
    lines,
    total: sum(lines.map(({ amount }) => amount)),
    byTeam: byTeam(uses(), prices),
    byCredential: Object.fromEntries([...amounts].map(([arn, amount]) => [arn, whole(amount)])),
    unread: savedBy(unread, amounts),
    comparisons: storeNames.map(store => comparisonWith(store, held, billed, prices, options)),
    ...(options.change && { change: changeOf(options.change, facts, billed, unread, prices, options) }),
    ...(wanted && { deductions: deductionsOf(merged(uses()), facts, prices, options) }),
    assumptions: assumptionsOf(facts, prices, options, lines, billed),
  }
}

/** Everything that is billed, one after the other. */
function* allUses(facts: Facts, billed: Billed[], options: CostOptions): Generator<Use> {
  const { network = 'none', zones = ZONES } = options
  yield* credentialUses(billed, options)
  yield* deploymentUses(facts)
  yield* networkUses(network, zones, stackRegions(facts))
}

function* credentialUses(billed: Billed[], { highThroughput = false }: CostOptions): Generator<Use> {
  for (const one of billed) yield* usesOf(one, highThroughput)
  yield* customerKeys(billed)
}

/** Each key once, whatever else it is for. */
function customerKeys(billed: Billed[]): Use[] {
  const keys = new Map(billed.flatMap(({ key, region }) => (key ? [[`${region} ${key}`, region]] : [])))
  return [...keys.values()].map(region => ({
    price: 'key',
    item: "Customer's keys",
    group: 'keys',
    region,
    quantity: 1,
  }))
}

/**
 * Those that were there all the time that CloudTrail was asked about, and were read in no Region but by Keyturn, if that time is as
 * long as an audit takes it to have to be, and all of its events could be made out.
 */
function unreadIn(facts: Facts): Set<string> {
  const isRead = ({ readers }: CredentialFacts) => readers.some(({ own, reads }) => !own && reads > 0)
  // Whoever reads a replica needs its primary.
  const read = new Set(facts.credentials.filter(isRead).map(({ arn }) => inRegion(arn, '')))
  const isUnread = (credential: CredentialFacts) => {
    const sweep = facts.regions[credential.region]?.sweep
    if (!sweep || !('is' in sweep) || sweep.is.unreadable) return false
    if (Date.parse(facts.moment) - Date.parse(sweep.is.completeSince) < SHORTEST) return false
    const since = credential.store === 'secrets-manager' ? credential.created : credential.changed
    const old = since !== undefined && since < sweep.is.completeSince
    return old && !read.has(inRegion(credential.arn, ''))
  }
  return new Set(facts.credentials.filter(isUnread).map(({ arn }) => arn))
}

function savedBy(unread: ReadonlySet<string>, amounts: Map<string, Amount>): CostReport['unread'] {
  const some = [...amounts].filter(([arn]) => unread.has(arn))
  return { credentials: unread.size, amount: sum(some.map(([, amount]) => amount)) }
}

/** What the credentials alone would cost in one store: secrets and parameters, their reads, keys and rotations. */
function comparisonWith(
  store: StoreName,
  facts: Facts,
  billed: Billed[],
  prices: Prices,
  options: CostOptions,
): Comparison {
  const { tier } = options.change ?? {}
  const held = billed.filter(({ credential }) => credential)
  const uses = credentialUses(changed(held, { store, tier }, new Set()), options)
  const total = sum(linesOf(uses, prices).map(({ amount }) => amount))
  return { store, total, losses: lossesIn(store, facts) }
}

function changeOf(
  change: Change,
  facts: Facts,
  billed: Billed[],
  unread: ReadonlySet<string>,
  prices: Prices,
  options: CostOptions,
): NonNullable<CostReport['change']> {
  const after = { ...options, ...(change.network && { network: change.network }) }
  const lines = linesOf(allUses(facts, changed(billed, change, unread), after), prices)
  return { what: changeTexts(change), lines, total: sum(lines.map(({ amount }) => amount)) }
}

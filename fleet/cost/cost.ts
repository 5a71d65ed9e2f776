import { arnInRegion } from '../../rotation/arn.ts'
import { STORE_NAMES, type StoreName } from '../../rotation/stores/store.ts'
import type { CredentialFacts, Facts } from '../audit/facts.ts'
import { MIN_SWEEP_MS } from '../audit/lastRead.ts'
import { assumptionsOf } from './assumptions.ts'
import {
  amountsByCredential,
  amountsByTeam,
  type BilledUse,
  linesOf,
  mergeUses,
  sumAmounts,
  totalDollars,
} from './bill.ts'
import { type BilledItem, billedItemsOf } from './billedItems.ts'
import { applyChange, type CostChange, describeChange } from './costChange.ts'
import type { CostOptions } from './costOptions.ts'
import type { Amount, Comparison, CostReport } from './costReport.ts'
import { deductionsOf } from './deductions.ts'
import { deploymentUses, regionsWithStack } from './deployment.ts'
import { usesOf } from './itemUses.ts'
import { lossesIn } from './losses.ts'
import { DEFAULT_ZONE_COUNT, networkUses } from './network.ts'
import { type PricesByRegion, pricesForRegion } from './prices.ts'

/** What a fleet costs a month. @throws UnknownRegion if there are no prices of a Region in which something is billed */
export function costReportOf(facts: Facts, prices: PricesByRegion, options: CostOptions = {}): CostReport {
  const billed = billedItemsOf(facts, options)
  const credentials = new Set(billed.flatMap(({ arn, isCredential }) => (isCredential ? [arn] : [])))
  const credentialFacts = {
    ...facts,
    credentials: facts.credentials.filter(({ arn }) => credentials.has(arn)),
  }
  const unread = options.unread ?? unreadArnsIn(credentialFacts)
  // The uses are made anew each time: a list of all of them would take much memory.
  const uses = () => allUses(facts, billed, options)
  const lines = linesOf(uses(), prices)
  const amounts = amountsByCredential(uses(), prices)
  const regions = [...new Set([...lines.map(({ region }) => region), facts.region])].sort()
  const wantsDeductions = options.freeTier || options.trial || options.credits
  return {
    format: 'keyturn-cost/1',
    moment: facts.moment,
    currency: 'USD',
    regions,
    pricesOf: Object.fromEntries(regions.map(region => [region, pricesForRegion(prices, region).date])),
    lines,
    total: sumAmounts(lines.map(({ amount }) => amount)),
    byTeam: amountsByTeam(uses(), prices),
    byCredential: Object.fromEntries([...amounts].map(([arn, amount]) => [arn, totalDollars(amount)])),
    unread: costOfUnread(unread, amounts),
    comparisons: STORE_NAMES.map(store => comparisonWith(store, credentialFacts, billed, prices, options)),
    ...(options.change && { change: changeOf(options.change, facts, billed, unread, prices, options) }),
    ...(wantsDeductions && { deductions: deductionsOf(mergeUses(uses()), facts, prices, options) }),
    assumptions: assumptionsOf(facts, prices, options, lines, billed),
  }
}

/** Everything that is billed, one after the other. */
function* allUses(facts: Facts, billed: BilledItem[], options: CostOptions): Generator<BilledUse> {
  const { network = 'none', zones = DEFAULT_ZONE_COUNT } = options
  yield* credentialUses(billed, options)
  yield* deploymentUses(facts)
  yield* networkUses(network, zones, regionsWithStack(facts))
}

function* credentialUses(
  billed: BilledItem[],
  { highThroughput = false }: CostOptions,
): Generator<BilledUse> {
  for (const item of billed) yield* usesOf(item, highThroughput)
  yield* customerKeyUses(billed)
}

/** The customer's keys, each once and as a whole, even if it encrypts other things too. */
function customerKeyUses(billed: BilledItem[]): BilledUse[] {
  const keys = new Map(billed.flatMap(({ key, region }) => (key ? [[`${region} ${key}`, region]] : [])))
  return [...keys.values()].map(region => ({
    priceName: 'key',
    item: "Customer's keys",
    group: 'keys',
    region,
    quantity: 1,
  }))
}

/**
 * The ARNs of credentials that nobody but Keyturn reads, by CloudTrail. A credential is among them only if CloudTrail was asked
 * about so long a time that its silence means something, if all of its events could be parsed, and if the credential existed all
 * that time.
 */
function unreadArnsIn(facts: Facts): Set<string> {
  const isRead = ({ readers }: CredentialFacts) => readers.some(({ own, reads }) => !own && reads > 0)
  // Who reads a replica needs its primary too, so the Region makes no difference.
  const read = new Set(facts.credentials.filter(isRead).map(({ arn }) => arnInRegion(arn, '')))
  const isUnread = (credential: CredentialFacts) => {
    const sweep = facts.regions[credential.region]?.sweep
    if (!sweep || !('is' in sweep) || sweep.is.lost) return false
    if (Date.parse(facts.moment) - Date.parse(sweep.is.completeSince) < MIN_SWEEP_MS) return false
    const since = credential.store === 'secrets-manager' ? credential.created : credential.changed
    const existedBefore = since !== undefined && since < sweep.is.completeSince
    return existedBefore && !read.has(arnInRegion(credential.arn, ''))
  }
  return new Set(facts.credentials.filter(isUnread).map(({ arn }) => arn))
}

function costOfUnread(unread: ReadonlySet<string>, amounts: Map<string, Amount>): CostReport['unread'] {
  const some = [...amounts].filter(([arn]) => unread.has(arn))
  return { credentials: unread.size, amount: sumAmounts(some.map(([, amount]) => amount)) }
}

/** What all credentials would cost in one store, with their reads, keys and rotations; without the deployment and the network. */
function comparisonWith(
  store: StoreName,
  facts: Facts,
  billed: BilledItem[],
  prices: PricesByRegion,
  options: CostOptions,
): Comparison {
  const { tier } = options.change ?? {}
  const credentials = billed.filter(({ isCredential }) => isCredential)
  const uses = credentialUses(applyChange(credentials, { store, tier }, new Set()), options)
  const total = sumAmounts(linesOf(uses, prices).map(({ amount }) => amount))
  return { store, total, losses: lossesIn(store, facts) }
}

/** What everything would cost after a change. */
function changeOf(
  change: CostChange,
  facts: Facts,
  billed: BilledItem[],
  unread: ReadonlySet<string>,
  prices: PricesByRegion,
  options: CostOptions,
): NonNullable<CostReport['change']> {
  const changedOptions = { ...options, ...(change.network && { network: change.network }) }
  const lines = linesOf(allUses(facts, applyChange(billed, change, unread), changedOptions), prices)
  return { what: describeChange(change), lines, total: sumAmounts(lines.map(({ amount }) => amount)) }
}

import type { Facts } from '../audit/facts.ts'
import { minuteOf } from '../minute.ts'
import { amountOf, sumAmounts, totalDollars } from './bill.ts'
import { type BilledItem, isRotatedByStack } from './billedItems.ts'
import type { Network } from './costChange.ts'
import type { CostOptions } from './costOptions.ts'
import type { CostLine } from './costReport.ts'
import { dueScheduleOf, regionsWithStack } from './deployment.ts'
import { MONTH_HOURS } from './month.ts'
import { DEFAULT_ZONE_COUNT, ENDPOINT_COUNT, networkUses } from './network.ts'
import { type PricesByRegion, pricesForRegion } from './prices.ts'

/** What a bill rests on and what it leaves out, a sentence each. */
export function assumptionsOf(
  facts: Facts,
  prices: PricesByRegion,
  options: CostOptions,
  lines: CostLine[],
  billed: BilledItem[],
): string[] {
  return [
    ...unreadFacts(facts),
    `Only what is in ${Object.keys(facts.regions).sort().join(', ')} is counted, and nothing of any other Region.`,
    ...pricesTexts(prices, lines),
    ...readsTexts(facts, options),
    ...otherTexts(billed),
    ...rotationTexts(facts, billed),
    ...networkTexts(facts, prices, options),
    ...keyTexts(billed),
    ...(options.trial
      ? [
          'The trial of 30 days is not on the price page of September 2026: whether an account has it is not known.',
        ]
      : []),
    ...(regionsWithStack(facts).length
      ? ['Mails, messages to a webhook, and what a failure, a retry or a promotion costs are not counted.']
      : []),
  ]
}

/** The Regions, stacks and tags that could not be read. */
function unreadFacts({ regions, credentials }: Facts): string[] {
  const missing = Object.entries(regions).flatMap(([region, { secrets, parameters, stack }]) => [
    ...('unread' in secrets ? [`Secrets of ${region} may be missing: ${secrets.unread}.`] : []),
    ...('unread' in parameters ? [`Parameters of ${region} may be missing: ${parameters.unread}.`] : []),
    ...('unread' in stack ? [`Whether ${region} has a stack could not be read: ${stack.unread}.`] : []),
  ])
  const withoutTags = credentials.filter(({ tags }) => 'unread' in tags).length
  return [
    ...missing,
    ...(withoutTags
      ? [
          `The tags of ${countOf(withoutTags, 'credential')} could not be read: team, and what tags say of rotations, are not known there.`,
        ]
      : []),
  ]
}

function pricesTexts(prices: PricesByRegion, lines: CostLine[]): string[] {
  const regions = [...new Set(lines.map(({ region }) => region))].sort()
  const days = regions.map(region => `${region} ${pricesForRegion(prices, region).date}`)
  const guessed = lines.some(({ amount }) => amount.estimated > 0)
  return [
    `All amounts are US dollars for a month of ${MONTH_HOURS} hours, without taxes and discounts; prices of ${days.join(', ')}.`,
    ...(guessed
      ? ['What has a ~ rests on a price that is not confirmed, or on a guess; it stands apart in every sum.']
      : []),
  ]
}

/** The parameters in the bill that hold no credential. */
function otherTexts(billed: BilledItem[]): string[] {
  const others = billed.filter(({ isCredential }) => !isCredential).length
  if (!others) return []
  return [
    `${countOf(others, 'other parameter')} that ${others === 1 ? 'holds' : 'hold'} no credential, by type, name and tags: in the bill, read as often, and in no comparison of stores.`,
  ]
}

function readsTexts({ regions, moment }: Facts, { readsPerDay }: CostOptions): string[] {
  if (readsPerDay !== undefined) return [`Each credential is read ${readsPerDay} times a day, as was said.`]
  const texts = Object.entries(regions).map(([region, { sweep }]) => {
    if (!('is' in sweep) || sweep.is.completeSince >= moment)
      return `How often credentials of ${region} are read is not known, and no read is counted: say it with --reads-per-day.`
    return `Reads in ${region} are what CloudTrail saw from ${minuteOf(sweep.is.completeSince)} to ${minuteOf(moment)}, scaled up to a month: an estimate.`
  })
  return texts.sort()
}

function rotationTexts(facts: Facts, billed: BilledItem[]): string[] {
  const rotating = new Set(billed.flatMap(({ arn, rotation }) => (rotation ? [arn] : [])))
  const unknown = facts.credentials.filter(
    credential => isRotatedByStack(credential, facts) && !rotating.has(credential.arn),
  )
  const schedules = regionsWithStack(facts).map(region => `${region} ${dueScheduleOf(facts, region)}`)
  return [
    `Rotations are those that begin by themselves, of ${countOf(rotating.size, 'credential')}, each as it goes well; a start by hand is not counted.`,
    ...(unknown.length
      ? [
          `How often ${countOf(unknown.length, 'secret')} should rotate is not known from the schedule: such rotations are not counted.`,
        ]
      : []),
    ...(schedules.length ? [`Each stack looks what is due: ${schedules.join(', ')}.`] : []),
  ]
}

function networkTexts(
  facts: Facts,
  prices: PricesByRegion,
  { network, zones = DEFAULT_ZONE_COUNT }: CostOptions,
): string[] {
  const regions = regionsWithStack(facts)
  if (!regions.length) return []
  const costs = (some: Network) =>
    dollars(totalDollars(sumAmounts(networkUses(some, zones, regions).map(use => amountOf(use, prices)))))
  const other = `NAT gateways in ${zones} zones would cost ${costs('nat')}, ${ENDPOINT_COUNT} interface endpoints there ${costs('endpoints')}`
  if (network === undefined)
    return [
      `No network is counted. For functions in a VPC, ${other}, before what passes through: say which with --network.`,
    ]
  if (network === 'none') return [`The functions need no network of their own, as was said; ${other}.`]
  return [`What passes through the network is not counted, at some cents a GB; ${other}.`]
}

function keyTexts(billed: BilledItem[]): string[] {
  const own = billed.some(({ key }) => key !== undefined)
  return [
    ...(own
      ? [
          "A customer's key is counted whole, whatever else it is for; each of its first two rotations adds a dollar a month.",
        ]
      : []),
    ...(billed.some(({ store, key }) => store === 'secrets-manager' && !key)
      ? [
          'Secrets Manager uses the key that AWS manages for it without a charge; for Parameter Store its requests are charged.',
        ]
      : []),
  ]
}

const countOf = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`

const dollars = (amount: number) => `$${amount.toFixed(2)}`

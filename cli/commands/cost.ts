import type { Facts } from '../../fleet/audit/facts.ts'
import { billedTeam } from '../../fleet/cost/billed.ts'
import type { Change, Network } from '../../fleet/cost/change.ts'
import { costOf } from '../../fleet/cost/cost.ts'
import type { CostOptions } from '../../fleet/cost/costOptions.ts'
import type { CostReport } from '../../fleet/cost/costReport.ts'
import { stackRegions } from '../../fleet/cost/deployment.ts'
import { ownPrices, type Prices, UnknownRegion } from '../../fleet/cost/prices.ts'
import type { Context } from '../context.ts'
import { gathered } from '../cost/gather.ts'
import type { Named } from '../cost/named.ts'
import { pricesFrom, refresh } from '../cost/prices.ts'
import { asCsv } from '../cost/rows.ts'
import { tell } from '../cost/texts.ts'
import { CommandError, type ExitCode, exit } from '../exit.ts'
import { checkPlace, write } from '../files.ts'

export type CostCommandOptions = {
  readsPerDay?: number
  /** How far back CloudTrail is asked for reads, and how long; in seconds. */
  reads?: number
  readsBudget: number
  network?: Network
  zones: number
  throughput: 'standard' | 'higher'
  teamTag?: string
  against?: Change['store']
  interval?: number
  replicas?: number
  tier?: Change['tier']
  key?: Change['key']
  networkInstead?: Network
  withoutUnread?: true
  freeTier?: true
  trial?: true
  credits?: number
  prices?: string
  refresh?: true
  csv?: string
}

/** What a fleet costs a month. */
export async function cost(context: Context, options: CostCommandOptions): Promise<ExitCode> {
  const { output, json } = context
  if (options.refresh && !options.prices)
    throw new CommandError(
      exit.usage,
      '--refresh needs a file to write the prices to',
      'Name it with --prices FILE.',
    )
  if (options.refresh && options.prices) await checkPlace(options.prices, '--prices')
  if (options.csv) await checkPlace(options.csv, '--csv')
  const read = options.refresh ? undefined : await pricesOf(options)
  const facts = await gathered(context, wanted(options))
  const prices = read ?? (await refreshed(context, options, facts))
  const report = billOf(facts, prices, options)
  const named: Named = new Map(
    facts.credentials.map(credential => [
      credential.arn,
      { name: credential.name, team: billedTeam(credential, asked(options)) },
    ]),
  )
  if (options.csv) await write(options.csv, '--csv', asCsv(report, named))
  if (json) output.json(report)
  else tell(output, report, named)
  return exit.done
}

const wanted = ({ reads, readsBudget }: CostCommandOptions) =>
  reads === undefined ? undefined : { window: reads * 1000, budget: readsBudget * 1000 }

const pricesOf = async ({ prices }: CostCommandOptions): Promise<Prices> =>
  prices ? pricesFrom(prices) : ownPrices

/** Of each Region that something is in. */
async function refreshed(context: Context, { prices: file = '' }: CostCommandOptions, facts: Facts) {
  const held = facts.credentials.map(({ region }) => region)
  const regions = new Set([facts.region, ...held, ...stackRegions(facts)])
  const day = facts.moment.slice(0, 10)
  const { prices, missing } = await refresh(context, file, [...regions].sort(), day)
  for (const [region, names] of Object.entries(missing))
    if (names.length)
      context.output.note(
        `The Price List has no clear price in ${region} of: ${names.join(', ')}. What was there before stays, and is not confirmed.`,
      )
  return prices
}

function billOf(facts: Facts, prices: Prices, options: CostCommandOptions): CostReport {
  try {
    return costOf(facts, prices, asked(options))
  } catch (error) {
    if (!(error instanceof UnknownRegion)) throw error
    throw new CommandError(
      exit.usage,
      error.message,
      "Read them from AWS's Price List: keyturn cost --refresh --prices FILE.",
      error,
    )
  }
}

function asked(options: CostCommandOptions): CostOptions {
  const { readsPerDay, zones, throughput, teamTag, freeTier, trial, credits } = options
  const { against: store, interval: everyDays, networkInstead: network, ...rest } = options
  const { replicas, tier, key, withoutUnread } = rest
  const change: Change = { store, everyDays, replicas, tier, key, network, withoutUnread }
  const changes = Object.values(change).some(value => value !== undefined)
  return {
    readsPerDay,
    network: options.network,
    zones,
    highThroughput: throughput === 'higher',
    ...(teamTag && { teamTags: [teamTag] }),
    freeTier,
    trial,
    credits,
    ...(changes && { change }),
  }
}

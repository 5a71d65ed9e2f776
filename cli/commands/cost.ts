import type { Facts } from '../../fleet/audit/facts.ts'
import { billedTeamOf } from '../../fleet/cost/billedItems.ts'
import { costReportOf } from '../../fleet/cost/cost.ts'
import type { CostChange, Network } from '../../fleet/cost/costChange.ts'
import type { CostOptions } from '../../fleet/cost/costOptions.ts'
import type { CostReport } from '../../fleet/cost/costReport.ts'
import { regionsWithStack } from '../../fleet/cost/deployment.ts'
import { bundledPrices, type PricesByRegion, UnknownRegion } from '../../fleet/cost/prices.ts'
import type { Context } from '../context.ts'
import { costCsv } from '../cost/costCsv.ts'
import type { CredentialNames } from '../cost/credentialNames.ts'
import { gatherCostFacts } from '../cost/gather.ts'
import { readPrices, refreshPrices } from '../cost/prices.ts'
import { printCost } from '../cost/print.ts'
import { EXIT, type ExitCode, usageError } from '../exit.ts'
import { requireWritable, writePrivateFile } from '../files.ts'

/** The options of `cost`, as the command line gave them; docs/cost.md explains each. */
export type CostCommandOptions = {
  readsPerDay?: number
  /** How far back CloudTrail is asked for reads, in seconds; unset: it is not asked. */
  reads?: number
  /** How long CloudTrail is asked in each Region, in seconds. */
  readsBudget: number
  network?: Network
  /** How many Availability Zones. */
  zones: number
  throughput: 'standard' | 'higher'
  teamTag?: string
  against?: CostChange['store']
  /** Days between two rotations. */
  interval?: number
  replicas?: number
  tier?: CostChange['tier']
  key?: CostChange['key']
  networkInstead?: Network
  withoutUnread?: true
  freeTier?: true
  trial?: true
  credits?: number
  /** A file of prices, which is read, or written with `refresh`. */
  prices?: string
  refresh?: true
  /** A file to write. */
  csv?: string
}

/** Runs `cost`: what all credentials and the stack cost a month, and what they would cost after the change in the options. */
export async function runCostCommand(context: Context, options: CostCommandOptions): Promise<ExitCode> {
  const { output, json } = context
  if (options.refresh && !options.prices)
    throw usageError('--refresh needs a file to write the prices to', 'Name it with --prices FILE.')
  if (options.refresh && options.prices) await requireWritable(options.prices, '--prices')
  if (options.csv) await requireWritable(options.csv, '--csv')
  // With --refresh the prices are read after the facts, which say in which Regions prices are needed.
  const chosenPrices = options.refresh ? undefined : await choosePrices(options)
  const facts = await gatherCostFacts(context, wantedReads(options))
  const prices = chosenPrices ?? (await refreshFleetPrices(context, options, facts))
  const report = reportFor(facts, prices, options)
  const credentialNames: CredentialNames = new Map(
    facts.credentials.map(credential => [
      credential.arn,
      { name: credential.name, team: billedTeamOf(credential, costOptionsOf(options)) },
    ]),
  )
  if (options.csv) await writePrivateFile(options.csv, '--csv', costCsv(report, credentialNames))
  if (json) output.json(report)
  else printCost(output, report, credentialNames)
  return EXIT.done
}

const wantedReads = ({ reads, readsBudget }: CostCommandOptions) =>
  reads === undefined ? undefined : { windowMs: reads * 1000, budgetMs: readsBudget * 1000 }

const choosePrices = async ({ prices }: CostCommandOptions): Promise<PricesByRegion> =>
  prices ? readPrices(prices) : bundledPrices

/** Reads the prices of every Region that has a credential or a stack, and writes them to the file of --prices. */
async function refreshFleetPrices(context: Context, { prices: file = '' }: CostCommandOptions, facts: Facts) {
  const credentialRegions = facts.credentials.map(({ region }) => region)
  const regions = new Set([facts.region, ...credentialRegions, ...regionsWithStack(facts)])
  const day = facts.moment.slice(0, 10)
  const { prices, missing } = await refreshPrices(context, file, [...regions].sort(), day)
  for (const [region, names] of Object.entries(missing))
    if (names.length)
      context.output.note(
        `The Price List has no clear price in ${region} of: ${names.join(', ')}. An earlier price, or that of us-east-1, is used, unconfirmed.`,
      )
  return prices
}

function reportFor(facts: Facts, prices: PricesByRegion, options: CostCommandOptions): CostReport {
  try {
    return costReportOf(facts, prices, costOptionsOf(options))
  } catch (error) {
    if (!(error instanceof UnknownRegion)) throw error
    throw usageError(
      error.message,
      "Read them from AWS's Price List: keyturn cost --refresh --prices FILE.",
      error,
    )
  }
}

function costOptionsOf(options: CostCommandOptions): CostOptions {
  const { readsPerDay, zones, throughput, teamTag, freeTier, trial, credits } = options
  const { against: store, interval: everyDays, networkInstead: network, ...rest } = options
  const { replicas, tier, key, withoutUnread } = rest
  const change: CostChange = { store, everyDays, replicas, tier, key, network, withoutUnread }
  const hasChange = Object.values(change).some(value => value !== undefined)
  return {
    readsPerDay,
    network: options.network,
    zones,
    highThroughput: throughput === 'higher',
    ...(teamTag && { teamTags: [teamTag] }),
    freeTier,
    trial,
    credits,
    ...(hasChange && { change }),
  }
}

import { DAY_MS } from '../../rotation/timeUnits.ts'
import type { CredentialFacts, Facts } from '../audit/facts.ts'
import { amountOf, type BilledUse, sumAmounts } from './bill.ts'
import type { Amount, Deduction } from './costReport.ts'
import { PRICE_NAMES, type PriceName, type PricesByRegion } from './prices.ts'

/** Deductions, each of which is shown only if it is asked for. */
export type DeductionOptions = {
  /** What AWS gives every account each month without a time limit. */
  freeTier?: boolean | undefined
  /** The trial of Secrets Manager of 30 days, which older texts name and the price page of September 2026 does not. */
  trial?: boolean | undefined
  /** US dollars of credits for the month. */
  credits?: number | undefined
}

/** A quantity that is free each month. `confirmed`: it was read on a page of AWS. */
type FreeAllowance = { what: string; quantity: number; confirmed: boolean }

/**
 * What is free each month, for an account in all of its Regions together. The confirmed ones were read in copies of
 * https://aws.amazon.com/kms/pricing, /step-functions/pricing and /cloudwatch/pricing; the others have no source.
 */
const FREE_TIER: Partial<Record<PriceName, FreeAllowance>> = {
  keyRequests: { what: '20,000 KMS requests', quantity: 20_000, confirmed: true },
  transitions: { what: '4,000 state transitions', quantity: 4000, confirmed: true },
  metric: { what: '10 metrics', quantity: 10, confirmed: true },
  alarm: { what: '10 alarms', quantity: 10, confirmed: true },
  dashboard: { what: '3 dashboards', quantity: 3, confirmed: true },
  logsIn: { what: '5 GB of logs', quantity: 5, confirmed: true },
  functionCalls: { what: '1 million calls of functions', quantity: 1_000_000, confirmed: false },
  functionTime: { what: '400,000 GB-seconds of functions', quantity: 400_000, confirmed: false },
  schedules: { what: '14 million starts by a schedule', quantity: 14_000_000, confirmed: false },
  queueRequests: { what: '1 million requests of queues', quantity: 1_000_000, confirmed: false },
  traces: { what: '100,000 traces', quantity: 100_000, confirmed: false },
}
const TRIAL_MS = 30 * DAY_MS

/** The deductions that were asked for, each for this bill alone: the rest of the account may use the same allowances. */
export function deductionsOf(
  uses: BilledUse[],
  facts: Facts,
  prices: PricesByRegion,
  wanted: DeductionOptions,
): Deduction[] {
  const { freeTier, trial, credits } = wanted
  return [
    ...(freeTier ? PRICE_NAMES.flatMap(name => freeTierDeduction(name, uses, prices)) : []),
    ...(trial ? [trialDeduction(uses, facts, prices)] : []),
    ...(credits ? [{ what: 'Credits', amount: { confirmed: credits, estimated: 0 } }] : []),
  ]
}

function freeTierDeduction(name: PriceName, uses: BilledUse[], prices: PricesByRegion): Deduction[] {
  const allowance = FREE_TIER[name]
  const matching = uses.filter(({ priceName }) => priceName === name)
  const quantity = matching.reduce((total, use) => total + use.quantity, 0)
  if (!allowance || quantity === 0) return []
  const share = Math.min(1, allowance.quantity / quantity)
  const { confirmed, estimated } = sumAmounts(matching.map(use => amountOf(use, prices)))
  const amount: Amount = allowance.confirmed
    ? { confirmed: confirmed * share, estimated: estimated * share }
    : { confirmed: 0, estimated: (confirmed + estimated) * share }
  return [{ what: `Free each month: ${allowance.what}`, amount: sumAmounts([amount]) }]
}

/** The trial of Secrets Manager, which begins with the first secret of an account. */
function trialDeduction(
  uses: BilledUse[],
  { credentials, moment }: Facts,
  prices: PricesByRegion,
): Deduction {
  const [firstCreated] = credentials.flatMap(createdAt).sort()
  const isRunning = firstCreated !== undefined && Date.parse(moment) - Date.parse(firstCreated) < TRIAL_MS
  const secrets = uses.filter(({ priceName }) => priceName === 'secret')
  const amount = sumAmounts(isRunning ? secrets.map(use => amountOf(use, prices)) : [])
  return {
    what: isRunning
      ? 'Trial: secrets in the first 30 days after the first one; AWS no longer names it'
      : 'Trial: over, as the first secret is older than 30 days, or its day is not known',
    amount: { confirmed: 0, estimated: amount.confirmed + amount.estimated },
  }
}

const createdAt = (credential: CredentialFacts): string[] =>
  credential.store === 'secrets-manager' && credential.created ? [credential.created] : []

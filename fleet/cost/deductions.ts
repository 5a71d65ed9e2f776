import type { CredentialFacts, Facts } from '../audit/facts.ts'
import { amountOf, sum, type Use } from './bill.ts'
import type { Amount, Deduction } from './costReport.ts'
import { type PriceName, type Prices, priceNames } from './prices.ts'

/** What is taken off only where somebody asks for it. */
export type Wanted = {
  /** What AWS gives every account each month for good. */
  freeTier?: boolean | undefined
  /** The trial of Secrets Manager of 30 days, which older texts name and the price page of September 2026 does not. */
  trial?: boolean | undefined
  /** US dollars of credits that are left for a month. */
  credits?: number | undefined
}

type Free = { what: string; quantity: number; confirmed: boolean }

/**
 * What is free each month, of an account in all of its Regions together. Confirmed by aws.amazon.com/kms/pricing,
 * /step-functions/pricing and /cloudwatch/pricing in stored copies; the others are from memory.
 */
const free: Partial<Record<PriceName, Free>> = {
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
const TRIAL = 30 * 86_400_000

/** What would be taken off, each apart. Nobody knows here what else in the account uses the same. */
export function deductionsOf(uses: Use[], facts: Facts, prices: Prices, wanted: Wanted): Deduction[] {
  const { freeTier, trial, credits } = wanted
  return [
    ...(freeTier ? priceNames.flatMap(name => freeOf(name, uses, prices)) : []),
    ...(trial ? [trialOf(uses, facts, prices)] : []),
    ...(credits ? [{ what: 'Credits', amount: { confirmed: credits, estimated: 0 } }] : []),
  ]
}

function freeOf(name: PriceName, uses: Use[], prices: Prices): Deduction[] {
  const allowance = free[name]
  const some = uses.filter(({ price }) => price === name)
  const quantity = some.reduce((total, use) => total + use.quantity, 0)
  if (!allowance || quantity === 0) return []
  const share = Math.min(1, allowance.quantity / quantity)
  const { confirmed, estimated } = sum(some.map(use => amountOf(use, prices)))
  const amount: Amount = allowance.confirmed
    ? { confirmed: confirmed * share, estimated: estimated * share }
    : { confirmed: 0, estimated: (confirmed + estimated) * share }
  return [{ what: `Free each month: ${allowance.what}`, amount: sum([amount]) }]
}

/** It was said to begin with the first secret of an account. */
function trialOf(uses: Use[], { credentials, moment }: Facts, prices: Prices): Deduction {
  const born = credentials.flatMap(bornAt).sort()
  const left = born[0] !== undefined && Date.parse(moment) - Date.parse(born[0]) < TRIAL
  const secrets = uses.filter(({ price }) => price === 'secret')
  const amount = sum(left ? secrets.map(use => amountOf(use, prices)) : [])
  return {
    what: left
      ? 'Trial: secrets in the first 30 days after the first one; AWS no longer names it'
      : 'Trial: over, as the first secret is older than 30 days, or its day is not known',
    amount: { confirmed: 0, estimated: amount.confirmed + amount.estimated },
  }
}

const bornAt = (credential: CredentialFacts): string[] =>
  credential.store === 'secrets-manager' && credential.created ? [credential.created] : []

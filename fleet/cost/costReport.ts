import type { StoreName } from '../../rotation/stores/store.ts'

/** US dollars a month. What is not confirmed, or counted from an estimate, is `estimated`; it stands apart in every sum. */
export type Amount = { confirmed: number; estimated: number }

export type CostLine = {
  /** Such as `Reads of secrets`. */
  item: string
  group: CostGroup
  region: string
  /** Of `unit`. */
  quantity: number
  /** Such as `secret`, `10,000 calls`. */
  unit: string
  /** US dollars a unit. */
  price: number
  /** Where the price comes from, and whether somebody has confirmed it there. */
  source: string
  confirmed: boolean
  amount: Amount
}

export const COST_GROUPS = [
  'secrets',
  'parameters',
  'keys',
  'rotations',
  'logs and alarms',
  'network',
] as const
export type CostGroup = (typeof COST_GROUPS)[number]

/** What the same credentials cost in one store, and what those that are in the other one today would lose. */
export type Comparison = {
  store: StoreName
  total: Amount
  /** What is lost, and how many credentials use it today; unset where that could not be read, or only with their values. */
  losses: { what: string; credentials?: number }[]
}

/** What no month has to cost, and what only some accounts get: never part of a total. */
export type Deduction = { what: string; amount: Amount }

export type CostReport = {
  format: 'keyturn-cost/1'
  moment: string
  currency: 'USD'
  regions: string[]
  /** The day of the prices, by Region. */
  pricesOf: Record<string, string>
  lines: CostLine[]
  total: Amount
  /** With what is of no team, and what is of no credential, they make up the total. */
  byTeam: Record<string, Amount>
  /** By ARN; what belongs to no one credential, such as a parameter that holds none, is left out. */
  byCredential: Record<string, number>
  /** Of credentials that nobody has read, by what is known: how many, and what they cost. */
  unread: { credentials: number; amount: Amount }
  comparisons: Comparison[]
  /** What a change that was asked for would make of it. */
  change?: { what: string[]; lines: CostLine[]; total: Amount }
  /** Free tiers, trial and credits, where they were asked for. */
  deductions?: Deduction[]
  /** Each a sentence. */
  assumptions: string[]
}

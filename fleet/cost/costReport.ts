import type { StoreName } from '../../rotation/stores/store.ts'

/**
 * US dollars a month. `estimated` is the part that rests on a price that is not confirmed, or on a quantity that is a guess. The
 * two parts are added up apart.
 */
export type Amount = { confirmed: number; estimated: number }

/** A line of the bill, for a month. */
export type CostLine = {
  /** Such as `Reads of secrets`. */
  item: string
  group: CostGroup
  region: string
  /** How many units. */
  quantity: number
  /** Such as `secret`, `10,000 calls`. */
  unit: string
  /** US dollars a unit. */
  price: number
  /** Where the price comes from, with the day. */
  source: string
  /** Whether the price was read there; otherwise it is an estimate. */
  confirmed: boolean
  amount: Amount
}

/** The parts of a bill, in their order. */
export const COST_GROUPS = [
  'secrets',
  'parameters',
  'keys',
  'rotations',
  'logs and alarms',
  'network',
] as const
/** One of COST_GROUPS. */
export type CostGroup = (typeof COST_GROUPS)[number]

/** What all credentials would cost in one store, and what those that are in the other store now would lose by the move. */
export type Comparison = {
  store: StoreName
  total: Amount
  /** Features that are lost. `credentials` is how many credentials use one now; unset where that is not known. */
  losses: { what: string; credentials?: number }[]
}

/** An amount that an account may not have to pay: a free tier, a trial or credits. It is in no total. */
export type Deduction = { what: string; amount: Amount }

/** What a fleet costs a month. It is published as a part of the audit's report: docs/audit.schema.json has its schema. */
export type CostReport = {
  format: 'keyturn-cost/1'
  /** When the audit began whose facts the report is made from. ISO 8601. */
  moment: string
  currency: 'USD'
  /** The Regions in which something is billed, and the stack's. */
  regions: string[]
  /** The day of the prices, by Region. */
  pricesOf: Record<string, string>
  lines: CostLine[]
  total: Amount
  /** By team; credentials without a team, and uses of no credential, have an entry too, so that all together are the total. */
  byTeam: Record<string, Amount>
  /** US dollars by the credential's ARN. Uses of no single credential are left out. */
  byCredential: Record<string, number>
  /** How many credentials are known to be read by nobody, and what these cost. */
  unread: { credentials: number; amount: Amount }
  comparisons: Comparison[]
  /** The parts of the change that was asked for, and the bill after it. */
  change?: { what: string[]; lines: CostLine[]; total: Amount }
  /** Free tiers, trial and credits, where they were asked for. */
  deductions?: Deduction[]
  /** What the bill rests on and leaves out, a sentence each. */
  assumptions: string[]
}

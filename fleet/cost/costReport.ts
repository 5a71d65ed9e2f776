/** US dollars a month. What is not confirmed, or counted from an estimate, is `estimated`; it stands apart in every sum. */
export type Amount = { confirmed: number; estimated: number }

export type CostLine = {
  /** Such as `Secrets Manager: secrets`. */
  item: string
  /** Groups lines: secrets, parameters, keys, rotations, logs and alarms, network. */
  group: string
  region: string
  quantity: number
  /** Such as `secrets`, `10,000 calls`. */
  unit: string
  /** US dollars a unit. */
  price: number
  /** Where the price comes from, and whether somebody has confirmed it there. */
  source: string
  confirmed: boolean
  amount: Amount
}

/** What the same credentials cost in the other store, and what each would lose there. */
export type Comparison = {
  store: 'secrets-manager' | 'parameter-store'
  total: Amount
  /** What is lost, and how many credentials use it today. */
  losses: { what: string; credentials: number }[]
}

export type CostReport = {
  format: 'keyturn-cost/1'
  moment: string
  currency: 'USD'
  regions: string[]
  /** The day of the prices, by Region. */
  pricesOf: Record<string, string>
  lines: CostLine[]
  total: Amount
  byTeam: Record<string, Amount>
  /** By ARN; what belongs to no one credential is left out. */
  byCredential: Record<string, number>
  /** Of credentials that nobody has read, by what is known: how many, and what they cost. */
  unread: { credentials: number; amount: Amount }
  comparisons: Comparison[]
  /** Each a sentence. */
  assumptions: string[]
}

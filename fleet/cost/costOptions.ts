import type { BillingOptions } from './billedItems.ts'
import type { CostChange, Network } from './costChange.ts'
import type { DeductionOptions } from './deductions.ts'

export type CostOptions = BillingOptions &
  DeductionOptions & {
    /** How the functions reach AWS's services; unset: as `none`, and the report says what the others would cost. */
    network?: Network | undefined
    /** Availability zones that a network is in. */
    zones?: number | undefined
    /** Whether Parameter Store is set to higher throughput, at which calls of standard parameters cost something too. */
    highThroughput?: boolean | undefined
    /** ARNs of credentials that nobody reads; unset: those that CloudTrail saw nobody else than Keyturn read. */
    unread?: ReadonlySet<string> | undefined
    change?: CostChange | undefined
  }

import type { BillingOptions } from './billedItems.ts'
import type { CostChange, Network } from './costChange.ts'
import type { DeductionOptions } from './deductions.ts'

/** What a cost report takes into account. */
export type CostOptions = BillingOptions &
  DeductionOptions & {
    /** How the functions reach AWS's services. Unset counts as `none`, and the report tells what the others would cost. */
    network?: Network | undefined
    /** In how many availability zones that network is; 2 by default. */
    zones?: number | undefined
    /** Whether Parameter Store is set to higher throughput. Calls of standard parameters are charged then as well. */
    highThroughput?: boolean | undefined
    /** ARNs of the credentials that nobody reads. By default those that nobody but Keyturn reads, as far as CloudTrail tells. */
    unread?: ReadonlySet<string> | undefined
    change?: CostChange | undefined
  }

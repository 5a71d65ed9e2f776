import { type BilledUse, countedUse, type UnplacedUse } from './bill.ts'
import type { Network } from './costChange.ts'
import { MONTH_HOURS } from './month.ts'

/** Services that functions in a VPC call: Secrets Manager, Parameter Store, Step Functions. RDS comes on top where it is called. */
export const ENDPOINT_COUNT = 3
export const DEFAULT_ZONE_COUNT = 2

/** What a network costs in each of these Regions, without what passes through it. */
export function networkUses(network: Network, zones: number, regions: string[]): BilledUse[] {
  const hours = zones * MONTH_HOURS
  const uses: Record<Network, UnplacedUse[]> = {
    none: [],
    nat: [countedUse('natHours', 'network', 'NAT gateways', hours)],
    endpoints: [countedUse('endpointHours', 'network', 'Interface endpoints', ENDPOINT_COUNT * hours)],
  }
  return regions.flatMap(region => uses[network].map(use => ({ ...use, region })))
}

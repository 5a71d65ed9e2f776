import { type BilledUse, countedUse, type UnplacedUse } from './bill.ts'
import type { Network } from './costChange.ts'
import { MONTH_HOURS } from './month.ts'

/**
 * How many interface endpoints functions in a VPC need: of Secrets Manager, Systems Manager and Step Functions. Where functions
 * call RDS, its endpoint comes in addition.
 */
export const ENDPOINT_COUNT = 3
/** In how many availability zones a network is, unless an option says otherwise. */
export const DEFAULT_ZONE_COUNT = 2

/** The hours of a network in each of these Regions; the data that passes through it is not counted. */
export function networkUses(network: Network, zones: number, regions: string[]): BilledUse[] {
  const hours = zones * MONTH_HOURS
  const uses: Record<Network, UnplacedUse[]> = {
    none: [],
    nat: [countedUse('natHours', 'network', 'NAT gateways', hours)],
    endpoints: [countedUse('endpointHours', 'network', 'Interface endpoints', ENDPOINT_COUNT * hours)],
  }
  return regions.flatMap(region => uses[network].map(use => ({ ...use, region })))
}

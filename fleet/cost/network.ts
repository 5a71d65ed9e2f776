import { type Counted, counted, type Use } from './bill.ts'
import type { Network } from './change.ts'
import { MONTH } from './month.ts'

/** Services that functions in a VPC call: Secrets Manager, Parameter Store, Step Functions. RDS comes on top where it is called. */
export const ENDPOINTS = 3
export const ZONES = 2

/** What a network costs in each of these Regions, without what passes through it. */
export function networkUses(network: Network, zones: number, regions: string[]): Use[] {
  const hours = zones * MONTH
  const uses: Record<Network, Counted[]> = {
    none: [],
    nat: [counted('natHours', 'network', 'NAT gateways', hours)],
    endpoints: [counted('endpointHours', 'network', 'Interface endpoints', ENDPOINTS * hours)],
  }
  return regions.flatMap(region => uses[network].map(use => ({ ...use, region })))
}

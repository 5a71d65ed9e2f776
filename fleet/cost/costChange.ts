import type { StoreName } from '../../rotation/stores/store.ts'
import type { BilledItem } from './billedItems.ts'

export const PARAMETER_TIERS = ['standard', 'advanced'] as const
export const KEY_OWNERS = ['customer', 'aws'] as const
export const NETWORKS = ['none', 'nat', 'endpoints'] as const
/** How functions in a VPC reach AWS's services; `none`: they are in no VPC, or what is there already serves them. */
export type Network = (typeof NETWORKS)[number]

/** What could be done otherwise; what is unset stays as it is. */
export type CostChange = {
  /** All credentials in one store. */
  store?: StoreName | undefined
  /** Of all parameters. */
  tier?: (typeof PARAMETER_TIERS)[number] | undefined
  /** Days from one rotation to the next, of what rotates by itself. */
  everyDays?: number | undefined
  /** Of each secret. */
  replicas?: number | undefined
  /** One KMS key of the customer's in each Region, or the keys that AWS manages. */
  key?: (typeof KEY_OWNERS)[number] | undefined
  network?: Network | undefined
  /** Whether what nobody reads is gone. */
  withoutUnread?: boolean | undefined
}

/** The name of the key that a change would make. */
const CHANGED_KEY_ID = 'one key'

/** What is billed of each credential after a change, as far as it is about credentials. */
export function applyChange(
  all: BilledItem[],
  change: CostChange,
  unread: ReadonlySet<string>,
): BilledItem[] {
  const kept = change.withoutUnread ? all.filter(({ arn }) => !unread.has(arn)) : all
  return withReplicas(inStore(kept, change), change).map(billed =>
    withKey(withInterval(withTier(billed, change), change), change),
  )
}

function inStore(all: BilledItem[], { store }: CostChange): BilledItem[] {
  if (store === 'parameter-store') return all.filter(({ replica }) => !replica).map(asParameter)
  if (store === 'secrets-manager') return all.map(asSecret)
  return all
}

function asParameter(billed: BilledItem): BilledItem {
  if (billed.store === 'parameter-store') return billed
  const { rotation } = billed
  return {
    ...billed,
    store: 'parameter-store',
    encrypted: true,
    // Only tags begin a parameter's rotation, and it has no replicas.
    ...(rotation && { rotation: { ...rotation, by: 'tag', replicas: 0 } }),
  }
}

const asSecret = (billed: BilledItem): BilledItem =>
  billed.store === 'secrets-manager' || !billed.isCredential
    ? billed
    : { ...billed, store: 'secrets-manager', advanced: false, encrypted: billed.key !== undefined }

/** Each replica at the prices of its primary's Region, read by nobody. */
function withReplicas(all: BilledItem[], { replicas }: CostChange): BilledItem[] {
  if (replicas === undefined) return all
  return all
    .filter(({ replica }) => !replica)
    .flatMap(billed => {
      if (billed.store === 'parameter-store') return [billed]
      const { rotation, ...rest } = billed
      const copies = Array.from({ length: replicas }, () => ({ ...rest, replica: true, reads: 0 }))
      return [{ ...rest, ...(rotation && { rotation: { ...rotation, replicas } }) }, ...copies]
    })
}

const withTier = (billed: BilledItem, { tier }: CostChange): BilledItem =>
  tier === undefined || billed.store === 'secrets-manager'
    ? billed
    : { ...billed, advanced: tier === 'advanced' }

const withInterval = (billed: BilledItem, { everyDays }: CostChange): BilledItem =>
  everyDays === undefined || !billed.rotation
    ? billed
    : { ...billed, rotation: { ...billed.rotation, everyDays } }

function withKey(billed: BilledItem, { key: whose }: CostChange): BilledItem {
  if (whose === undefined) return billed
  const { key: _, ...rest } = billed
  const isSecret = billed.store === 'secrets-manager'
  if (whose === 'aws') return { ...rest, encrypted: isSecret ? false : billed.encrypted }
  return {
    ...rest,
    encrypted: isSecret || billed.encrypted,
    ...((isSecret || billed.encrypted) && { key: CHANGED_KEY_ID }),
  }
}

/** What a change is, in a few words each. */
export function describeChange(change: CostChange): string[] {
  const { store, tier, everyDays, replicas, key, network, withoutUnread } = change
  const stores = { 'secrets-manager': 'Secrets Manager', 'parameter-store': 'Parameter Store' }
  const networkTexts = {
    none: 'no network of its own',
    nat: 'NAT gateways',
    endpoints: 'interface endpoints',
  }
  const texts: (string | false | undefined)[] = [
    store && `everything in ${stores[store]}`,
    tier && `every parameter ${tier}`,
    everyDays !== undefined && `a rotation every ${everyDays} days of what rotates by itself`,
    replicas !== undefined && `${replicas} ${replicas === 1 ? 'replica' : 'replicas'} of each secret`,
    key === 'customer' && "one customer's KMS key in each Region",
    key === 'aws' && 'the KMS keys that AWS manages',
    network && networkTexts[network],
    withoutUnread && 'nothing that nobody reads',
  ]
  return texts.filter(text => typeof text === 'string')
}

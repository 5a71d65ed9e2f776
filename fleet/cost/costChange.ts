import type { StoreName } from '../../rotation/stores/store.ts'
import type { BilledItem } from './billedItems.ts'
import { STORE_TITLES } from './wording.ts'

/** The tiers of Parameter Store that a change can name. */
export const PARAMETER_TIERS = ['standard', 'advanced'] as const
/** Who manages the KMS keys, as a change can name it. */
export const KEY_OWNERS = ['customer', 'aws'] as const
/** The values of Network. */
export const NETWORKS = ['none', 'nat', 'endpoints'] as const
/**
 * How functions in a VPC reach AWS's services: by NAT gateways or by interface endpoints. `none`: the functions are in no VPC, or
 * use a network that is paid for already.
 */
export type Network = (typeof NETWORKS)[number]

/** A change whose cost is asked for. What is unset stays as it is. */
export type CostChange = {
  /** Moves all credentials to one store. */
  store?: StoreName | undefined
  /** The tier of all parameters. */
  tier?: (typeof PARAMETER_TIERS)[number] | undefined
  /** Days from one rotation to the next, of all credentials that rotate on a schedule. */
  everyDays?: number | undefined
  /** How many replicas each secret has. */
  replicas?: number | undefined
  /** `customer`: one KMS key of the customer's in each Region. `aws`: the keys that AWS manages. */
  key?: (typeof KEY_OWNERS)[number] | undefined
  network?: Network | undefined
  /** Whether the credentials that nobody reads are deleted. */
  withoutUnread?: boolean | undefined
}

/** Stands for the id of the key that a change adds in each Region. */
const CHANGED_KEY_ID = 'one key'

/**
 * What is billed of each secret and parameter after a change. The change of the network is left to the caller.
 * @param unread ARNs of credentials that nobody reads
 */
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
  if (store === 'parameter-store') return all.filter(({ isReplica }) => !isReplica).map(asParameter)
  if (store === 'secrets-manager') return all.map(asSecret)
  return all
}

function asParameter(billed: BilledItem): BilledItem {
  if (billed.store === 'parameter-store') return billed
  const { rotation } = billed
  return {
    ...billed,
    store: 'parameter-store',
    isEncrypted: true,
    // Secrets Manager has no schedule for a parameter, and a parameter has no replicas.
    ...(rotation && { rotation: { ...rotation, by: 'tag', replicas: 0 } }),
  }
}

const asSecret = (billed: BilledItem): BilledItem =>
  billed.store === 'secrets-manager' || !billed.isCredential
    ? billed
    : { ...billed, store: 'secrets-manager', isAdvanced: false, isEncrypted: billed.key !== undefined }

/** Gives each secret `replicas` replicas. They are priced as if they were in the primary's Region, and nobody reads them. */
function withReplicas(all: BilledItem[], { replicas }: CostChange): BilledItem[] {
  if (replicas === undefined) return all
  return all
    .filter(({ isReplica }) => !isReplica)
    .flatMap(billed => {
      if (billed.store === 'parameter-store') return [billed]
      const { rotation, ...rest } = billed
      const copies = Array.from({ length: replicas }, () => ({ ...rest, isReplica: true, reads: 0 }))
      return [{ ...rest, ...(rotation && { rotation: { ...rotation, replicas } }) }, ...copies]
    })
}

const withTier = (billed: BilledItem, { tier }: CostChange): BilledItem =>
  tier === undefined || billed.store === 'secrets-manager'
    ? billed
    : { ...billed, isAdvanced: tier === 'advanced' }

const withInterval = (billed: BilledItem, { everyDays }: CostChange): BilledItem =>
  everyDays === undefined || !billed.rotation
    ? billed
    : { ...billed, rotation: { ...billed.rotation, everyDays } }

function withKey(billed: BilledItem, { key: owner }: CostChange): BilledItem {
  if (owner === undefined) return billed
  const { key: _, ...rest } = billed
  const isSecret = billed.store === 'secrets-manager'
  if (owner === 'aws') return { ...rest, isEncrypted: isSecret ? false : billed.isEncrypted }
  return {
    ...rest,
    isEncrypted: isSecret || billed.isEncrypted,
    ...((isSecret || billed.isEncrypted) && { key: CHANGED_KEY_ID }),
  }
}

/** The parts of a change, each in a few words. */
export function describeChange(change: CostChange): string[] {
  const { store, tier, everyDays, replicas, key, network, withoutUnread } = change
  const networkTexts = {
    none: 'no network of its own',
    nat: 'NAT gateways',
    endpoints: 'interface endpoints',
  }
  const texts: (string | false | undefined)[] = [
    store && `all credentials in ${STORE_TITLES[store]}`,
    tier && `every parameter ${tier}`,
    everyDays !== undefined && `a rotation every ${everyDays} days of what rotates by itself`,
    replicas !== undefined && `${replicas} ${replicas === 1 ? 'replica' : 'replicas'} of each secret`,
    key === 'customer' && "one customer's KMS key in each Region",
    key === 'aws' && 'the KMS keys that AWS manages',
    network && networkTexts[network],
    withoutUnread && 'without the credentials that nobody reads',
  ]
  return texts.filter(text => typeof text === 'string')
}

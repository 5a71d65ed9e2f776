import { isHomeElsewhere } from './arn.ts'
import { askEachRegionOnce, type DescribeCopyIn, findDetachedCopies } from './detachedCopies.ts'
import { PromotedElsewhere, ReplicasBehind, RotationError } from './errors.ts'
import type { Rotation } from './pipeline.ts'
import { awaitedReplicas, describeReplica, laggingReplicas, type Replica } from './replicas.ts'
import type { Description } from './stores/store.ts'
import { homeIn } from './tags.ts'

/**
 * Where the replicas of a secret are. `empty` are the Regions that have no such secret, which blocks nothing. `unproven` are
 * those that may not be asked: of them the own Region says that they are in sync.
 */
export type ReplicaRegions = { regions: string[]; empty: string[]; unproven: string[] }

/**
 * Sees that every replica has the version that this rotation promoted: not by what the service says of replicas, which names
 * no version, but by asking each Region that the deployment names as a peer. No value is read. `superseded`: a later version
 * is current. A rotation that made it waits for itself; but somebody may have edited the value, and what was replaced is then
 * still this rotation's to close. So every replica has to have one of the two. What is at home in another Region by now is
 * that Region's to wait for, and to close.
 * @throws PromotedElsewhere if the secret stands alone in a peer Region as well
 * @throws ReplicasBehind if a replica has another version, or cannot be asked, or a copy follows another Region
 */
export async function requireReplicasFollow(
  primary: Description,
  { token }: Pick<Rotation, 'token'>,
  peers: string[],
  given: DescribeCopyIn,
): Promise<{ outcome: 'replicated' | 'superseded' } & ReplicaRegions> {
  const { arn, current, tags } = primary
  if (isHomeElsewhere(arn, homeIn(tags)))
    return { outcome: 'superseded', regions: [], empty: [], unproven: [] }
  const ask = askEachRegionOnce(given)
  const { promotedElsewhere, followingAnother } = await findDetachedCopies(primary, peers, ask)
  if (promotedElsewhere) throw new PromotedElsewhere(promotedElsewhere)
  const versions = current ? [token, current] : [token]
  const found = await requireAllHave({ versions, label: 'current' }, primary, peers, ask, followingAnother)
  return { outcome: current === token ? 'replicated' : 'superseded', ...found }
}

/**
 * `unasked`: there is nothing to be asked, or something that must not wait. What createSecret refuses is `behind`, or
 * `promoted`: the secret stands alone in a peer Region.
 */
export type ReplicaLookBefore =
  | ({ outcome: 'following' } & ReplicaRegions)
  | { outcome: 'behind' | 'promoted'; why: string; empty: string[] }
  | { outcome: 'unasked' }

/**
 * Looks, before a rotation begins, whether every replica has what is current: one that has not would be left two versions
 * behind. What another rotation left pending is not waited for, as it may have to be rolled back at once: its application
 * may be refused. Nor is an earlier attempt of this rotation, unless this one is the first.
 *
 * Whether the secret was promoted in a peer Region is asked all the same, once: where the database follows the writer, to roll
 * back would set a password of the application over there.
 * @throws ReplicasBehind where it may be asked again
 */
export async function lookAtReplicasBefore(
  primary: Description,
  { token, isFirst }: Pick<Rotation, 'token'> & { isFirst: boolean },
  peers: string[],
  given: DescribeCopyIn,
): Promise<ReplicaLookBefore> {
  const { current, pending, primaryRegion } = primary
  if (!current || current === token || primaryRegion) return { outcome: 'unasked' }
  const ask = askEachRegionOnce(given)
  const { promotedElsewhere, followingAnother } = await findDetachedCopies(primary, peers, ask)
  if (promotedElsewhere) return { outcome: 'promoted', why: promotedElsewhere, empty: [] }
  const isForeign = pending !== undefined && pending !== token
  if (isForeign && followingAnother.length)
    return { outcome: 'behind', why: followingAnother.join('; '), empty: [] }
  if (isForeign || !(awaitedReplicas(primary).length || followingAnother.length))
    return { outcome: 'unasked' }
  try {
    const found = await requireAllHave(
      { versions: [current], label: 'current' },
      primary,
      peers,
      ask,
      followingAnother,
    )
    // What is on its way for good would not get the next version. This rotation's own label may be what is under way.
    const underWay = awaitedReplicas(primary).find(({ status }) => status === 'InProgress')
    if (underWay && !pending) throw new ReplicasBehind(describeReplica(underWay))
    return { outcome: 'following', ...found }
  } catch (error) {
    const mayWait = !pending || isFirst
    if (mayWait || !(error instanceof ReplicasBehind)) throw error
    return { outcome: 'behind', why: error.message, empty: [] }
  }
}

/**
 * Sees that every replica has the pending version, and that nothing is under way any more.
 * @throws ReplicasBehind
 */
export async function requireReplicasHavePending(
  primary: Description,
  { token }: Pick<Rotation, 'token'>,
  peers: string[],
  ask: DescribeCopyIn,
): Promise<ReplicaRegions> {
  const found = await requireAllHave({ versions: [token], label: 'pending' }, primary, peers, ask)
  const [underWay] = laggingReplicas(primary, found.empty)
  if (underWay) throw new ReplicasBehind(describeReplica(underWay))
  return found
}

/** The label that is looked at everywhere, and the versions that may have it. */
type WantedVersions = { versions: string[]; label: 'current' | 'pending' }

/** `apart` is what is behind already, beside the replicas. @throws ReplicasBehind */
async function requireAllHave(
  wanted: WantedVersions,
  primary: Description,
  peers: string[],
  ask: DescribeCopyIn,
  apart: string[] = [],
): Promise<ReplicaRegions> {
  const looked = await Promise.all(
    awaitedReplicas(primary).map(async replica => ({
      replica,
      found: await lookAtReplica(replica, wanted, peers, ask),
    })),
  )
  const behind = [...apart, ...looked.flatMap(({ found }) => (found.state === 'behind' ? [found.why] : []))]
  if (behind.length) throw new ReplicasBehind(behind.join('; '))
  const inState = (state: ReplicaLook['state']) =>
    looked.flatMap(({ replica, found }) => (found.state === state ? [replica.region] : []))
  return { regions: inState('follows'), empty: inState('empty'), unproven: inState('unproven') }
}

/** How one replica stands. */
type ReplicaLook = { state: 'follows' | 'empty' | 'unproven' } | { state: 'behind'; why: string }

async function lookAtReplica(
  replica: Replica,
  { versions, label }: WantedVersions,
  peers: string[],
  ask: DescribeCopyIn,
): Promise<ReplicaLook> {
  const { region, status } = replica
  const behind = (why: string) => ({ state: 'behind', why }) as const
  if (!peers.includes(region))
    return status === 'InSync' ? { state: 'unproven' } : behind(describeReplica(replica))
  try {
    const found = await ask(region)
    // What is on its way may be an older version than this.
    if (!found)
      return status === 'InProgress'
        ? behind(`${describeReplica(replica)}, and is not there yet`)
        : { state: 'empty' }
    if (versions.includes(found[label] ?? '')) return { state: 'follows' }
    return behind(`${describeReplica(replica)}, and has version ${found.current ?? 'none'}`)
  } catch (error) {
    // Also an answer that is none of the service's, such as a firewall's: one Region must not stop what others go on with.
    const { name, message } = error as Error
    return behind(`${region} cannot be asked: ${error instanceof RotationError ? message : name}`)
  }
}

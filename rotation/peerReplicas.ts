import { isHomeElsewhere } from './arn.ts'
import { askEachRegionOnce, type DescribeCopyIn, findDetachedCopies } from './detachedCopies.ts'
import { PromotedElsewhere, ReplicasBehind, RotationError } from './errors.ts'
import { awaitedReplicas, describeReplica, laggingReplicas, type Replica } from './replicas.ts'
import type { Rotation } from './rotationState.ts'
import type { Description } from './stores/store.ts'
import { homeIn } from './tags.ts'

/**
 * The Regions of a secret's replicas, by what was found there:
 *
 * - `regions` have the wanted version.
 * - `empty` have no copy of the secret, although the primary lists one. That stops no rotation.
 * - `unproven` could not be asked, as the deployment does not name them as peers. The primary lists their replicas as InSync.
 */
export type ReplicaRegions = { regions: string[]; empty: string[]; unproven: string[] }

/**
 * Checks that every replica has the version that this rotation made current. The status that the primary lists names no version, so
 * each Region that the deployment names as a peer is asked. No value is read.
 *
 * The outcome is `superseded` if a later version is current. If a later rotation made that version, that rotation waits for the
 * replicas itself. But if somebody edited the value, this rotation still has to close what it replaced; so each replica must have
 * one of the two versions. If the secret is at home in another Region now, no Region is asked, as the rotations there wait and
 * close.
 * @param peers the Regions that the deployment names as peers, which may be asked
 * @throws PromotedElsewhere if a peer Region has promoted its replica to a secret of its own
 * @throws ReplicasBehind if a replica has another version or cannot be asked, or a copy follows a primary in another Region
 */
export async function requireReplicasFollow(
  primary: Description,
  { token }: Pick<Rotation, 'token'>,
  peers: string[],
  describeCopyIn: DescribeCopyIn,
): Promise<{ outcome: 'replicated' | 'superseded' } & ReplicaRegions> {
  const { arn, current, tags } = primary
  if (isHomeElsewhere(arn, homeIn(tags)))
    return { outcome: 'superseded', regions: [], empty: [], unproven: [] }
  const ask = askEachRegionOnce(describeCopyIn)
  const { promotedElsewhere, followingAnother } = await findDetachedCopies(primary, peers, ask)
  if (promotedElsewhere) throw new PromotedElsewhere(promotedElsewhere)
  const versions = current ? [token, current] : [token]
  const found = await requireAllHave({ versions, label: 'current' }, primary, peers, ask, followingAnother)
  return { outcome: current === token ? 'replicated' : 'superseded', ...found }
}

/**
 * What was found out about the replicas before a rotation:
 *
 * - `following`: every replica has the current version.
 * - `behind`: a replica does not have the current version, or a copy follows a primary in another Region; `why` says which.
 *   createSecret refuses the rotation.
 * - `promoted`: a peer Region has promoted its replica to a secret of its own. createSecret refuses the rotation.
 * - `unasked`: replicas were not looked at: the secret has none, it is a replica itself, its new version is current already, or the
 *   rotation must not wait. (PeerAnswer.unasked is another thing: there the look failed.)
 */
export type ReplicaLookBefore =
  | ({ outcome: 'following' } & ReplicaRegions)
  | { outcome: 'behind' | 'promoted'; why: string; empty: string[] }
  | { outcome: 'unasked' }

/**
 * Checks before a rotation that every replica has the current version. The rotation would leave a replica without it two versions
 * behind.
 *
 * If another rotation left a version pending, replicas are not waited for: that rotation may have to be rolled back at once, as its
 * application may be refused. But the peer Regions are asked even then whether one has promoted its replica: if the host is an
 * endpoint that follows the writer, a rollback would change a password in the promoted Region's database.
 *
 * If this rotation's own version is pending from an earlier attempt, only the first execution with this token (`isFirst`) waits.
 * @param peers the Regions that the deployment names as peers, which may be asked
 * @throws ReplicasBehind where waiting may help: the state machine asks again
 */
export async function lookAtReplicasBefore(
  primary: Description,
  { token, isFirst }: Pick<Rotation, 'token'> & { isFirst: boolean },
  peers: string[],
  describeCopyIn: DescribeCopyIn,
): Promise<ReplicaLookBefore> {
  const { current, pending, primaryRegion } = primary
  if (!current || current === token || primaryRegion) return { outcome: 'unasked' }
  const ask = askEachRegionOnce(describeCopyIn)
  const { promotedElsewhere, followingAnother } = await findDetachedCopies(primary, peers, ask)
  if (promotedElsewhere) return { outcome: 'promoted', why: promotedElsewhere, empty: [] }

  const isOtherPending = pending !== undefined && pending !== token
  if (isOtherPending && followingAnother.length)
    return { outcome: 'behind', why: followingAnother.join('; '), empty: [] }
  if (isOtherPending || !(awaitedReplicas(primary).length || followingAnother.length))
    return { outcome: 'unasked' }

  try {
    const found = await requireAllHave(
      { versions: [current], label: 'current' },
      primary,
      peers,
      ask,
      followingAnother,
    )
    // A replica that stays InProgress would not get the next version either. But if a version is pending, that label may be why
    // the replica is InProgress, which then does not count.
    const underWay = awaitedReplicas(primary).find(({ status }) => status === 'InProgress')
    if (underWay && !pending) throw new ReplicasBehind(describeReplica(underWay))
    return { outcome: 'following', ...found }
  } catch (error) {
    const shouldWait = !pending || isFirst
    if (shouldWait || !(error instanceof ReplicasBehind)) throw error
    return { outcome: 'behind', why: error.message, empty: [] }
  }
}

/**
 * Checks that every replica has the pending version, and that no replication is under way.
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

/** What each replica must have: one of `versions`, with this label on it. */
type WantedVersions = { versions: string[]; label: 'current' | 'pending' }

/**
 * Checks every replica that is waited for.
 * @param otherProblems sentences about copies that are no replicas of this primary, which count as behind too
 * @throws ReplicasBehind
 */
async function requireAllHave(
  wanted: WantedVersions,
  primary: Description,
  peers: string[],
  ask: DescribeCopyIn,
  otherProblems: string[] = [],
): Promise<ReplicaRegions> {
  const looked = await Promise.all(
    awaitedReplicas(primary).map(async replica => ({
      replica,
      found: await lookAtReplica(replica, wanted, peers, ask),
    })),
  )
  const behind = [
    ...otherProblems,
    ...looked.flatMap(({ found }) => (found.state === 'behind' ? [found.why] : [])),
  ]
  if (behind.length) throw new ReplicasBehind(behind.join('; '))
  const inState = (state: ReplicaLook['state']) =>
    looked.flatMap(({ replica, found }) => (found.state === state ? [replica.region] : []))
  return { regions: inState('follows'), empty: inState('empty'), unproven: inState('unproven') }
}

/** The state of one replica: see ReplicaRegions for `empty` and `unproven`. */
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
    // A copy that does not exist yet counts as behind, as its first version may be an older one.
    if (!found)
      return status === 'InProgress'
        ? behind(`${describeReplica(replica)}, and is not there yet`)
        : { state: 'empty' }
    if (versions.includes(found[label] ?? '')) return { state: 'follows' }
    return behind(`${describeReplica(replica)}, and has version ${found.current ?? 'none'}`)
  } catch (error) {
    // This also catches an answer that did not come from AWS, such as a firewall's, so that the other Regions are still asked.
    const { name, message } = error as Error
    return behind(`${region} cannot be asked: ${error instanceof RotationError ? message : name}`)
  }
}

import { awaitPending } from '../rotation/awaitPending.ts'
import { lookAtReplicasBefore, requireReplicasFollow } from '../rotation/peerReplicas.ts'
import { parseAwaitReplicasEvent } from './shared/event.ts'
import { storePipelines } from './shared/ownStorePipelines.ts'
import { askRegionFor, peerRegions } from './shared/peers.ts'
import { stepHandler } from './shared/stepHandler.ts'

/**
 * Checks whether every replica of a secret has the version that this Region has. `look` says at which point of the rotation:
 *
 * - `before`: before CreateSecret, for the current version;
 * - `pending`: before SetSecret, for the pending version. Here the function itself waits some seconds, and does not fail if a
 *   replica does not follow;
 * - `current`: after FinishSecret, for the version that became current;
 * - `retiring`: after the grace time, for the same version, right before what was replaced is closed.
 *
 * The function runs outside the VPC, because from a VPC the other Regions may be unreachable.
 * @throws ReplicasBehind a replica does not have the version yet: the state machine retries
 * @throws PromotedElsewhere the secret is also a secret of its own in another Region, so nothing is to be closed here. `before`
 *   returns that as an outcome instead.
 */
export const handler = stepHandler(
  'awaitReplicas',
  storePipelines,
  parseAwaitReplicasEvent,
  async ({ store }, event) => {
    const { look, isFirst, rotation } = event
    if (look === 'pending') return awaitPending(store, rotation, peerRegions, askRegionFor)
    const primary = await store.describe(rotation.id)
    const ask = askRegionFor(primary.arn ?? rotation.id)
    if (look === 'before')
      return lookAtReplicasBefore(primary, { token: rotation.token, isFirst }, peerRegions, ask)
    return requireReplicasFollow(primary, rotation, peerRegions, ask)
  },
)

import { awaitPending } from '../rotation/awaitPending.ts'
import { lookAtReplicasBefore, requireReplicasFollow } from '../rotation/peerReplicas.ts'
import { parseAwaitReplicasEvent } from './shared/event.ts'
import { storePipelines } from './shared/ownStorePipelines.ts'
import { askRegionFor, peerRegions } from './shared/peers.ts'
import { stepHandler } from './shared/stepHandler.ts'

/**
 * Sees whether every Region has the version that a secret has here: the current one before a rotation, then the pending one,
 * then that as the current one, and once more right before what was replaced is closed. It is outside the VPC, from which only
 * the own Region may be in reach.
 * @throws ReplicasBehind: ask again
 * @throws PromotedElsewhere: the secret stands alone in another Region, and nothing is to be closed
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

import { follow } from '../rotation/follow.ts'
import { rotationEvent } from './shared/event.ts'
import { askingFor, peers } from './shared/peers.ts'
import { stepHandler } from './shared/stepHandler.ts'

/**
 * Sees that every Region hands out the version that was promoted. It is outside the VPC, from which only the own Region may
 * be in reach.
 * @throws ReplicasBehind: ask again
 */
export const handler = stepHandler('awaitReplicas', rotationEvent, async (pipeline, { rotation }) => {
  const primary = await pipeline.store.describe(rotation.id)
  return follow(primary, rotation, peers, askingFor(primary.arn ?? rotation.id))
})

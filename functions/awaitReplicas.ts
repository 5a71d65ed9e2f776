import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { inRegion } from '../rotation/arn.ts'
import { InvalidCredential } from '../rotation/errors.ts'
import { type AskRegion, follow } from '../rotation/follow.ts'
import { SecretsManager } from '../rotation/stores/secretsManager.ts'
import { rotationEvent } from './shared/event.ts'
import { requestHandler } from './shared/requestHandler.ts'
import { stepHandler } from './shared/stepHandler.ts'

/** The Regions that it may ask. */
const peers = (process.env.KEYTURN_PEER_REGIONS ?? '').split(',').filter(Boolean)
/** Of each Region that was asked, by its name. */
const regions = new Map<string, SecretsManager>()

function secretsIn(region: string): SecretsManager {
  // One that cannot be reached must not hold up the others.
  const found =
    regions.get(region) ??
    new SecretsManager(new SecretsManagerClient({ region, requestHandler, maxAttempts: 2 }))
  regions.set(region, found)
  return found
}

/**
 * Sees that every Region hands out the version that was promoted. It is outside the VPC, from which only the own Region may
 * be in reach.
 * @throws ReplicasBehind: ask again
 */
export const handler = stepHandler('awaitReplicas', rotationEvent, async (pipeline, { rotation }) => {
  const primary = await pipeline.store.describe(rotation.id)
  const askRegion: AskRegion = region =>
    secretsIn(region)
      .describe(inRegion(primary.arn ?? rotation.id, region))
      .catch(error => {
        if (error instanceof InvalidCredential) return undefined
        throw error
      })
  return follow(primary, rotation, peers, askRegion)
})

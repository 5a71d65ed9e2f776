import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import type { AskRegion } from '../../rotation/apart.ts'
import { inRegion } from '../../rotation/arn.ts'
import { InvalidCredential } from '../../rotation/errors.ts'
import { SecretsManager } from '../../rotation/stores/secretsManager.ts'
import { requestHandler } from './requestHandler.ts'

/** The Regions that this deployment may ask for a secret's labels. */
export const peers = (process.env.KEYTURN_PEER_REGIONS ?? '').split(',').filter(Boolean)

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

/** Asks other Regions for their copies of the secret with this ARN. */
export const askingFor =
  (arn: string): AskRegion =>
  region =>
    secretsIn(region)
      .describe(inRegion(arn, region))
      .catch(error => {
        if (error instanceof InvalidCredential) return undefined
        throw error
      })

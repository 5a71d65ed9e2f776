import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { arnInRegion } from '../../rotation/arn.ts'
import type { DescribeCopyIn } from '../../rotation/detachedCopies.ts'
import { InvalidCredential } from '../../rotation/errors.ts'
import { SecretsManager } from '../../rotation/stores/secretsManager.ts'
import { REQUEST_TIMEOUTS } from './requestTimeouts.ts'

/** The Regions that this deployment may ask for a secret's labels. */
export const peerRegions = (process.env.KEYTURN_PEER_REGIONS ?? '').split(',').filter(Boolean)

/** Of each Region that was asked, by its name. */
const clients = new Map<string, SecretsManagerClient>()

/** Secrets Manager in another Region. One that cannot be reached, or is lost, must not hold up the others. */
export function secretsManagerIn(region: string): SecretsManagerClient {
  const found =
    clients.get(region) ??
    new SecretsManagerClient({ region, requestHandler: REQUEST_TIMEOUTS, maxAttempts: 2 })
  clients.set(region, found)
  return found
}

/** Asks other Regions for their copies of the secret with this ARN. */
export const askRegionFor =
  (arn: string): DescribeCopyIn =>
  region =>
    new SecretsManager(secretsManagerIn(region)).describe(arnInRegion(arn, region)).catch(error => {
      if (error instanceof InvalidCredential) return undefined
      throw error
    })

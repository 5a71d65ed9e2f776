import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { arnInRegion } from '../../rotation/arn.ts'
import type { DescribeCopyIn } from '../../rotation/detachedCopies.ts'
import { InvalidCredential } from '../../rotation/errors.ts'
import { SecretsManager } from '../../rotation/stores/secretsManager.ts'
import { REQUEST_TIMEOUTS } from './requestTimeouts.ts'

/** The peer Regions: the other Regions that this deployment may ask which versions of a secret they have. */
export const peerRegions = (process.env.KEYTURN_PEER_REGIONS ?? '').split(',').filter(Boolean)

/** The clients that have been made, by Region. */
const clients = new Map<string, SecretsManagerClient>()

/** The client of Secrets Manager in another Region. It tries each call twice at most, as that Region may be lost. */
export function secretsManagerIn(region: string): SecretsManagerClient {
  const found =
    clients.get(region) ??
    new SecretsManagerClient({ region, requestHandler: REQUEST_TIMEOUTS, maxAttempts: 2 })
  clients.set(region, found)
  return found
}

/**
 * Makes a function that asks other Regions for their copies of the secret with this ARN.
 * @returns a function of a Region's name; it returns undefined if that Region has no such secret
 */
export const askRegionFor =
  (arn: string): DescribeCopyIn =>
  region =>
    new SecretsManager(secretsManagerIn(region)).describe(arnInRegion(arn, region)).catch(error => {
      if (error instanceof InvalidCredential) return undefined
      throw error
    })

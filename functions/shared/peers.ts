import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import type { AskRegion } from '../../rotation/apart.ts'
import { inRegion } from '../../rotation/arn.ts'
import { InvalidCredential } from '../../rotation/errors.ts'
import { SecretsManager } from '../../rotation/stores/secretsManager.ts'
import { requestHandler } from './requestHandler.ts'

/** The Regions that this deployment may ask for a secret's labels. */
export const peers = (process.env.KEYTURN_PEER_REGIONS ?? '').split(',').filter(Boolean)

/** Of each Region that was asked, by its name. */
const clients = new Map<string, SecretsManagerClient>()

/** Secrets Manager in another Region. One that cannot be reached, or is lost, must not hold up the others. */
export function secretsIn(region: string): SecretsManagerClient {
  const found = clients.get(region) ?? new SecretsManagerClient({ region, requestHandler, maxAttempts: 2 })
  clients.set(region, found)
  return found
}

/** Asks other Regions for their copies of the secret with this ARN. */
export const askingFor =
  (arn: string): AskRegion =>
  region =>
    new SecretsManager(secretsIn(region)).describe(inRegion(arn, region)).catch(error => {
      if (error instanceof InvalidCredential) return undefined
      throw error
    })

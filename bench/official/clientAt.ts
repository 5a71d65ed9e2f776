import { readFileSync } from 'node:fs'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'

/** A client of the local Secrets Manager, over HTTPS. @param issuer the file with the certificate that is trusted */
export const clientAt = (endpoint: string, issuer: string) =>
  new SecretsManagerClient({
    endpoint,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    requestHandler: { httpsAgent: { ca: readFileSync(issuer) } },
  })

import { readFileSync } from 'node:fs'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'

/** A client of the local Secrets Manager at `endpoint`, over HTTPS; `issuer` is the file of the certificate to trust. */
export const clientAt = (endpoint: string, issuer: string) =>
  new SecretsManagerClient({
    endpoint,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    requestHandler: { httpsAgent: { ca: readFileSync(issuer) } },
  })

import type { IncomingMessage } from 'node:http'

/**
 * The Region and the service that the signature of a request is for; neither of them for a request without a signature.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-signing-elements.html
 */
export function signatureScopeOf({ headers }: IncomingMessage): { region?: string; service?: string } {
  const scope = /Credential=[^/]+\/\d{8}\/(?<region>[^/]+)\/(?<service>[^/]+)\//
  return scope.exec(`${headers.authorization}`)?.groups ?? {}
}

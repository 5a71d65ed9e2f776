import { readFileSync } from 'node:fs'
import { checkServerIdentity, createSecureContext, type PeerCertificate, type SecureContext } from 'node:tls'
import { TlsFailed } from '../errors.ts'

/** The certificates of a PEM file, as text. @throws TlsFailed if it cannot be read */
export function readCaFile(caFile: string): string {
  return readPem(caFile, () => readFileSync(caFile, 'utf8'))
}

/**
 * What verifies a server by the issuers in a PEM file. Parsing a bundle of them takes milliseconds, so it is done once,
 * at the first call.
 * @returns a function that throws TlsFailed if the file cannot be read
 */
export function lazySecureContext(caFile: string): () => SecureContext {
  let context: SecureContext | undefined
  return () => {
    context ??= readPem(caFile, () => createSecureContext({ ca: readFileSync(caFile, 'utf8') }))
    return context
  }
}

/**
 * For `checkServerIdentity` of a connection, which Node asks once it trusts the issuer: shows the certificate, and then
 * compares its names as Node does by itself.
 */
export function reportCertificateTo(
  onCertificate: (certificate: PeerCertificate) => void,
): typeof checkServerIdentity {
  return (host, certificate) => {
    onCertificate(certificate)
    return checkServerIdentity(host, certificate)
  }
}

function readPem<T>(caFile: string, read: () => T): T {
  try {
    return read()
  } catch {
    throw new TlsFailed(`the CA file ${caFile} cannot be read as PEM`)
  }
}
